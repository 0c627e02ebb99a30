"""A mapping says what columns are; what is wrong in it, or in a line, is said with its key or its column."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from queue_monitor.importing import summary
from queue_monitor.importing.mapping import read_mapping
from queue_monitor.importing.rows import Refusal, RowReader
from queue_monitor.replay.recording import RecordingError
from tests.importing.made import EXAMPLES, FORMS, imported, opened
from tests.store.records import EVER

HEADER = "When;Queue;How;Wait;Answered;Ended;Talk"
SMALL = """
name = "small"
[time]
format = "%d.%m.%Y %H:%M:%S"
[columns]
entered = "When"
queue = "Queue"
outcome = "How"
wait = "Wait"
answered = "Answered"
ended = "Ended"
talk = "Talk"
[outcomes]
answered = ["Ja"]
abandoned = ["Nej"]
refused_full = ["Fullt"]
"""


@pytest.mark.parametrize("form", FORMS)
async def test_each_example_is_taken_whole_by_its_own_mapping(form: str, tmp_path: Path) -> None:
    made = await imported(tmp_path / "calls.db", EXAMPLES / f"{form}.csv", mapping=EXAMPLES / f"{form}.toml")

    assert made.refusals.total == 0
    assert sum(made.tally.added.values()) + sum(made.tally.refused_callers.values()) == 4 - (form == "genesys")


async def test_lines_of_one_call_are_one_contact_judged_once_on_its_first_queue(tmp_path: Path) -> None:
    await imported(tmp_path / "calls.db", EXAMPLES / "puzzel.csv", mapping=EXAMPLES / "puzzel.toml")

    store = await opened(tmp_path / "calls.db")
    [passed_on] = await store.calls(*EVER, queue="Bygglov")
    await store.close()
    assert [visit.queue for visit in passed_on.visits] == ["Bygglov", "Kundcenter"]
    assert passed_on.outcome == "answered"
    assert passed_on.wait_ms == 662_000


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[columns]", "[columns]\nwhat = 'x'"), "unknown field `what` - at `$.columns`"),
        (('entered = "When"', ""), "missing required field `entered`"),
        (('"%d.%m.%Y %H:%M:%S"', '"iso"\nzone = "Sweden/Luleå"'), "time.zone: 'Sweden/Luleå' is no time zone"),
        (("abandoned =", "hung_up ="), "outcomes.hung_up: is not one of answered, abandoned"),
        (('["Nej"]', '["ja"]'), "outcomes.abandoned: 'ja' stands under answered too"),
        (("[time]", "[file]\nseparator = ';;'\n[time]"), "file.separator: ';;' is not one sign"),
        (("[time]", "[file]\nencoding = 'swedish'\n[time]"), "file.encoding: 'swedish' is not known"),
        (('name = "small"', 'name = "070-174 06 05"'), "is no name for an import"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_said_with_its_key(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(SMALL.replace(*change), encoding="utf-8")

    with pytest.raises(RecordingError) as raised:
        read_mapping(path)

    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def reader(tmp_path: Path, decimal: str = ",", unit: str = "seconds") -> RowReader:
    path = tmp_path / "map.toml"
    path.write_text(
        SMALL.replace("[time]", f'[file]\ndecimal = "{decimal}"\n[time]\nunit = "{unit}"'), encoding="utf-8"
    )
    mapping, _ = read_mapping(path)
    zone = ZoneInfo("Europe/Stockholm")
    return RowReader(mapping, HEADER.split(";"), zone, str.isdigit, lambda call: call, newest_first=False)


@pytest.mark.parametrize(
    ("line", "wait_ms", "talk_ms"),
    [
        ("04.03.2024 08:00:00;K;Ja;42;;;", 42_000, None),
        ("04.03.2024 08:00:00;K;Ja;42,5;;;0:03:10", 42_500, 190_000),
        ("04.03.2024 08:00:00;K;Ja;1:02;;;", 62_000, None),
        ("04.03.2024 08:00:00;K;ja ;01:00:02;;;", 3_602_000, None),
        ("04.03.2024 08:00:00;K;Ja;;04.03.2024 08:05:00;04.03.2024 08:07:00;", 300_000, 120_000),
        ("04.03.2024 08:00:00;K;Ja;;;04.03.2024 08:07:00;120", 300_000, 120_000),
        ("04.03.2024 08:00:00;K;Nej;;;04.03.2024 08:05:01;", 301_000, None),
        ("04.03.2024 08:00:00;K;Fullt;;;;", 0, None),
    ],
)
def test_waits_are_read_as_seconds_as_a_clock_or_between_times(
    line: str, wait_ms: int, talk_ms: int | None, tmp_path: Path
) -> None:
    stay = reader(tmp_path).stay(line.split(";"), 0, 2)

    assert (stay.wait_ms, stay.talk_ms) == (wait_ms, talk_ms)


@pytest.mark.parametrize(
    ("line", "field", "why"),
    [
        ("2024-03-04 08:00;K;Ja;42;;;", "When (entered)", "'####-##-## ##:##'; expected a time written as %d.%m.%Y"),
        ("04.03.2024 08:00:00;;Ja;42;;;", "Queue (queue)", "no queue is named"),
        ("04.03.2024 08:00:00;0701740605;Ja;42;;;", "Queue (queue)", "'##########' holds a telephone number"),
        ("04.03.2024 08:00:00;K;Kanske 0701740605;42;;;", "How (outcome)", "'Kanske ##########' stands under no key"),
        ("04.03.2024 08:00:00;K;Ja;42.5;;;", "Wait (wait)", "'##.#'; expected seconds such as 42,5"),
        ("04.03.2024 08:00:00;K;Ja;1e5;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;00:61:00;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;-3;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;;;;", "wait, answered, ended", "how long the caller waited is not told"),
        ("04.03.2024 08:00:00;K;Ja;;04.03.2024 07:00:00;;", "Answered (answered)", "earlier than what must come"),
        ("31.03.2024 02:30:00;K;Ja;1;;;", "When (entered)", "the clocks were set forward then"),
        ("04.03.1924 08:00:00;K;Ja;1;;;", "When (entered)", "a year outside 1990 to 2099"),
        ("04.03.2024 08:00:00;K;Ja;4;5;;;x", "line", "8 cells, and 7 columns"),
        ("04.03.2024 08:00:00;K;Ja", "line", "3 cells, and 7 columns; is the line cut off?"),
    ],
)
def test_a_line_that_is_wrong_is_explained_by_its_column_without_a_digit(
    line: str, field: str, why: str, tmp_path: Path
) -> None:
    with pytest.raises(Refusal) as raised:
        reader(tmp_path).stay(line.split(";"), 0, 2)

    assert raised.value.field == field
    assert why in raised.value.why


def test_the_decimal_sign_and_the_unit_are_those_of_the_mapping(tmp_path: Path) -> None:
    line = ["04.03.2024 08:00:00", "K", "Ja", "1500.0", "", "", ""]

    assert reader(tmp_path, ".", "milliseconds").stay(line, 0, 2).wait_ms == 1_500
    assert reader(tmp_path, ".", "minutes").stay([*line[:3], "1.5", *line[4:]], 0, 2).wait_ms == 90_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("When;Queue\n", "line 1: the column 'How' is not in the header: 'When', 'Queue'"),
        (f"{HEADER};When\n", "the column 'When' stands twice in the header"),
    ],
)
async def test_a_file_without_the_columns_is_refused_whole(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "file.csv").write_text(content, encoding="utf-8")

    with pytest.raises(RecordingError, match=f"file.csv, {said}" if said.startswith("line") else said):
        await imported(tmp_path / "none.db", tmp_path / "file.csv", mapping=tmp_path / "map.toml", dry_run=True)


async def test_a_file_in_another_encoding_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "file.csv").write_bytes(f"{HEADER}\n04.03.2024 08:00:00;Växel;Ja;1;;;\n".encode("latin-1"))

    with pytest.raises(RecordingError, match="is not written in utf-8; say another"):
        await imported(tmp_path / "none.db", tmp_path / "file.csv", mapping=tmp_path / "map.toml", dry_run=True)


async def test_a_talk_that_no_column_tells_of_is_not_made_up(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(SMALL.replace('ended = "Ended"\n', "").replace('talk = "Talk"\n', ""))
    (tmp_path / "file.csv").write_text(f"{HEADER}\n04.03.2024 08:00:00;K;Ja;34;;;\n")

    made = await imported(tmp_path / "calls.db", tmp_path / "file.csv", mapping=tmp_path / "map.toml")

    store = await opened(tmp_path / "calls.db")
    [call] = await store.calls(*EVER)
    await store.close()
    assert call.visits[0].talk_ms is None
    assert "Added 1 call as import:small." in summary(made)
