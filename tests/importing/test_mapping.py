"""A mapping says what columns are; what is wrong in it, or in a line, is said with its key or its column."""

from datetime import datetime
from pathlib import Path
from unicodedata import normalize
from zoneinfo import ZoneInfo

import pytest

from queue_monitor.importing import Imported, summary
from queue_monitor.importing.mapping import read_mapping
from queue_monitor.importing.rows import Refusal, RowReader
from queue_monitor.model import StoredCall
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
        (("[time]", "[file]\nencoding = 'rot13'\n[time]"), "file.encoding: 'rot13' is not known"),
        (('name = "small"', 'name = "070-174 06 05"'), "is no name for an import"),
        (("%d.%m.%Y %H:%M:%S", "%d.%m.%Y"), "time.format: '%d.%m.%Y' has no hour"),
        (("%H:%M:%S", "%H:%M:%S %p"), "AM and PM (%p) count only with an hour of 12"),
        (("%H:%M:%S", "%I:%M:%S"), "an hour of 12 (%I) needs AM or PM"),
        (("%H:%M:%S", "%s"), "'s' is a bad directive"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_said_with_its_key(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    path.write_text(SMALL.replace(*change), encoding="utf-8")

    with pytest.raises(RecordingError) as raised:
        read_mapping(path)

    assert said in str(raised.value)
    assert str(path) in str(raised.value)


def reader(tmp_path: Path, decimal: str = ",", unit: str = "seconds", form: str = "%d.%m.%Y %H:%M:%S") -> RowReader:
    path = tmp_path / "map.toml"
    written = SMALL.replace("[time]", f'[file]\ndecimal = "{decimal}"\n[time]\nunit = "{unit}"')
    path.write_text(written.replace("%d.%m.%Y %H:%M:%S", form), encoding="utf-8")
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
        ("04.03.2024 08:00:00;K;Ja;75:30;;;-", 4_530_000, None),
        ("04.03.2024 08:00:00;K;Ja;0.05.30;;;", 330_000, None),
        ("04.03.2024 08:00:00;K;Ja;0:00:34.5;;;", 34_500, None),
        ("04.03.2024 08:00:00;K;Ja;1\N{NARROW NO-BREAK SPACE}234;;;", 1_234_000, None),
        ("04.03.2024 08:00:00;K;Nej;-;–;04.03.2024 08:00:09;", 9_000, None),
        ("04.03.2024 08:00:00;K;Ja;5m12s;;;1h2m", 312_000, 3_720_000),
        ("04.03.2024 08:00:00;K;Ja;5 min 12 s;;;1 tim 5 s", 312_000, 3_605_000),
        ("04.03.2024 08:00:00;K;Ja;PT5M12.5S;;;PT90M", 312_500, 5_400_000),
        ("04.03.2024 08:00:00;K;Ja;312 sek;;;0,5 s", 312_000, 500),
        ("04.03.2024 08:00:00;K;Ja;0,250000;;;0,1234567", 250, 123),
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
        ("04.03.2024 08:00:00;K;Ja;1h61m;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;312 ms;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;PT;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;5s12m;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;-3;;;", "Wait (wait)", "expected seconds"),
        ("04.03.2024 08:00:00;K;Ja;0,003472222;;;", "Wait (wait)", "a part of a day, as a spreadsheet counts"),
        ("04.03.2024 08:00:00;K;Ja;0.00346064814814815;;;", "Wait (wait)", "a part of a day, as a spreadsheet counts"),
        ("04.03.2024 08:00:00;K;Ja;5,78704E-05;;;", "Wait (wait)", "a part of a day, as a spreadsheet counts"),
        ("46357,4375;K;Ja;42;;;", "When (entered)", "'#####,####' is a day as a spreadsheet counts"),
        ("46357;K;Ja;42;;;", "When (entered)", "is a day as a spreadsheet counts"),
        ("04.03.2024 08:00:00;K;Ja;;;;", "wait, answered, ended", "how long the caller waited is not told"),
        ("04.03.2024 08:00:00;K;Ja;;;;30", "wait, answered, ended", "how long the caller waited is not told"),
        ("04.03.2024 08:00:00;K;Ja;;;04.03.2024 08:01:00;90", "Talk (talk)", "longer than from the entry to the end"),
        (HEADER, "line", "the names of the columns stand here once more"),
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


@pytest.mark.parametrize(
    ("form", "text", "at"),
    [
        ("%d %B %Y %H.%M", "4 mars 2024 20.00", "2024-03-04T19:00"),
        ("%d %b %Y %H:%M", "4 okt. 2024 20:00", "2024-10-04T18:00"),
        ("%d %B %Y %H:%M", "4 May 2024 20:00", "2024-05-04T18:00"),
        ("%Y-%m-%d %I:%M %p", "2024-03-04 08:00 em", "2024-03-04T19:00"),
        ("%Y-%m-%d %I:%M %p", "2024-03-04 08:00 f.m.", "2024-03-04T07:00"),
        ("%m/%d/%Y %I:%M %p", "3/4/2024 12:00 AM", "2024-03-03T23:00"),
    ],
)
def test_times_are_read_with_swedish_months_and_half_days(form: str, text: str, at: str, tmp_path: Path) -> None:
    stay = reader(tmp_path, form=form).stay([text, "K", "Ja", "1", "", "", ""], 0, 2)

    assert stay.entered_ms == datetime.fromisoformat(f"{at}Z").timestamp() * 1000


def test_a_date_without_a_time_of_day_is_no_time(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="expected a time such as 2026-03-02 08:15:30"):
        reader(tmp_path, form="iso").stay(["2024-03-04", "K", "Ja", "1", "", "", ""], 0, 2)


def test_the_decimal_sign_and_the_unit_are_those_of_the_mapping(tmp_path: Path) -> None:
    line = ["04.03.2024 08:00:00", "K", "Ja", "1500.0", "", "", ""]

    assert reader(tmp_path, ".", "milliseconds").stay(line, 0, 2).wait_ms == 1_500
    assert reader(tmp_path, ".", "minutes").stay([*line[:3], "1.5", *line[4:]], 0, 2).wait_ms == 90_000


@pytest.mark.parametrize(
    ("decimal", "written", "wait_ms"),
    [
        *(("", "1,234", None), ("", "1,234 s", None), ("", "12,500", None), ("", "0,500", 500), ("", "42,5", 42_500)),
        *((",", "1,234", 1_234), (".", "1.234", 1_234), (".", "1,234", None), ("", "1234,567", 1_234_567)),
    ],
)
def test_a_comma_before_three_digits_is_not_guessed_at(
    decimal: str, written: str, wait_ms: int | None, tmp_path: Path
) -> None:
    line = ["04.03.2024 08:00:00", "K", "Ja", written, "", "", ""]
    if wait_ms is not None:
        assert reader(tmp_path, decimal).stay(line, 0, 2).wait_ms == wait_ms
        return

    with pytest.raises(Refusal) as refused:
        reader(tmp_path, decimal).stay(line, 0, 2)

    assert ("may be thousands" in refused.value.why) == (not decimal)


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


@pytest.mark.parametrize(("of_mapping", "of_file"), [("utf-8", "latin-1"), ("utf-8", "utf-16"), ("utf-16", "utf-8")])
async def test_a_file_in_another_encoding_is_said_to_be(of_mapping: str, of_file: str, tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text(SMALL.replace("[time]", f"[file]\nencoding = '{of_mapping}'\n[time]"), "utf-8")
    (tmp_path / "file.csv").write_bytes(f"{HEADER}\n04.03.2024 08:00:00;Växel;Ja;1;;;\n".encode(of_file))

    with pytest.raises(RecordingError, match=f"is not written in {of_mapping}; say another"):
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


GROUPED = SMALL.replace('talk = "Talk"', 'talk = "Talk"\ncall = "Id"').replace(
    "[outcomes]", '[outcomes]\ncallback = ["Ring upp"]\ntimeout = ["Vidare"]'
)
DATED = """
name = "dated"
[columns]
entered = ["Datum", "In"]
queue = "Queue"
answered = ["Datum", "Svar"]
ended = ["Datum", "Slut"]
"""


async def calls_in(
    tmp_path: Path, mapping: str, lines: list[str], encoding: str = "utf-8"
) -> tuple[Imported, list[StoredCall]]:
    """Import a file of these lines, and return the result with the calls as they are kept."""
    (tmp_path / "map.toml").write_text(mapping, encoding="utf-8")
    (tmp_path / "file.csv").write_text("".join(f"{line}\n" for line in lines), encoding=encoding)
    made = await imported(tmp_path / "calls.db", tmp_path / "file.csv", mapping=tmp_path / "map.toml")
    store = await opened(tmp_path / "calls.db")
    found = await store.calls(*EVER)
    await store.close()
    return made, found


def line(call: str, clock: str, how: str, wait: int, queue: str = "K") -> str:
    return f"04.03.2024 {clock};{queue};{how};{wait};;;;{call}"


async def test_who_was_refused_and_let_in_in_the_same_call_was_not_refused(tmp_path: Path) -> None:
    lines = [f"{HEADER};Id", line("7", "10:00:00", "Fullt", 0), line("7", "10:00:10", "Ja", 30, "Other")]

    made, calls = await calls_in(tmp_path, GROUPED, lines)

    assert made.tally.refused_callers == {}
    assert [(call.first_queue, call.outcome, call.wait_ms) for call in calls] == [("Other", "answered", 30_000)]


async def test_a_promise_to_call_back_stays_a_miss_when_the_call_back_has_the_same_id(tmp_path: Path) -> None:
    lines = [f"{HEADER};Id", line("7", "10:00:00", "Ring upp", 40), line("7", "11:00:00", "Ja", 10)]

    _, [call] = await calls_in(tmp_path, GROUPED, lines)

    assert (call.outcome, call.wait_ms, len(call.visits)) == ("callback", 40_000, 2)
    assert call.called_back_ms == 3_610_000


async def test_the_same_line_of_the_same_call_is_one_stay(tmp_path: Path) -> None:
    twice = line("7", "10:00:00", "Ja", 40)

    made, calls = await calls_in(tmp_path, GROUPED, [f"{HEADER};Id", twice, twice, twice.replace(";7", ";8")])

    assert [len(call.visits) for call in calls] == [1, 1]
    assert "1 line says of a call what another line of the file says of it" in summary(made)


@pytest.mark.parametrize("call", ["-", "NULL", "0", "00000000-0000-0000-0000-000000000000", ""])
async def test_a_sign_for_no_id_makes_no_one_call_of_several(call: str, tmp_path: Path) -> None:
    lines = [line(call, f"1{hour}:00:00", "Ja", 40) for hour in range(3)]

    _, calls = await calls_in(tmp_path, GROUPED, [f"{HEADER};Id", *lines])

    assert len(calls) == 3


@pytest.mark.parametrize("nothing", ["NULL", "(null)", r"\N", "n/a", "0000-00-00 00:00:00", "-"])
async def test_what_a_database_writes_for_nothing_is_no_answer(nothing: str, tmp_path: Path) -> None:
    mapping = SMALL.replace('outcome = "How"\n', "").replace("%d.%m.%Y", "%Y-%m-%d")
    told = f"2024-03-04 08:00:00;K;;{nothing};{nothing};2024-03-04 08:01:00;{nothing}"

    _, calls = await calls_in(tmp_path, mapping, [HEADER, told])

    assert [(call.outcome, call.wait_ms) for call in calls] == [("abandoned", 60_000)]


async def test_a_call_that_was_passed_on_at_once_is_judged_on_the_queue_of_its_first_line(tmp_path: Path) -> None:
    queues = [f"K{number}" for number in range(6)]
    lines = [
        line(f"id{call}", "08:00:00", "Ja" if queue == last else "Vidare", 20 * (queue == last), queue)
        for call, last in enumerate(queues[2:])
        for queue in queues[: queues.index(last) + 1]
    ]

    _, calls = await calls_in(tmp_path, GROUPED, [f"{HEADER};Id", *lines])

    assert [(call.first_queue, call.outcome, call.wait_ms) for call in calls] == [("K0", "answered", 20_000)] * 4


async def test_ids_that_a_spreadsheet_has_rounded_are_refused(tmp_path: Path) -> None:
    lines = [line("1,23E+12", f"1{hour}:00:00", "Ja", 40) for hour in range(3)]

    made, calls = await calls_in(tmp_path, GROUPED, [f"{HEADER};Id", *lines])

    assert made.refusals.of("file.csv") == {"call_rounded": 3}
    assert calls == []
    assert "'#,##E+##' is a number that a spreadsheet has rounded" in summary(made)


async def test_times_beside_one_date_go_on_over_midnight(tmp_path: Path) -> None:
    lines = [
        "Datum;Queue;In;Svar;Slut",
        "2024-03-04;K;23:59:50;00:00:10;00:05:00",
        "2024-03-04;K;23:59:55;;00:01:05",
        "2024-03-04;K;10:00:30;10:00:20;10:05:00",
    ]

    made, calls = await calls_in(tmp_path, DATED, lines)

    kept = sorted((call.wait_ms, call.outcome, [visit.talk_ms for visit in call.visits]) for call in calls)
    assert kept == [(20_000, "answered", [290_000]), (70_000, "abandoned", [None])]
    assert made.refusals.of("file.csv") == {"order": 1}


async def test_files_that_were_put_together_and_sums_below_are_told_from_calls(tmp_path: Path) -> None:
    header, sums = HEADER, "Totalt;;;82;;;"
    night = [f"27.10.2024 02:{minute}:00;K;Ja;1;;;" for minute in ("50", "10", "40", "20")]  # newest first
    parts = [header, *night, "   ;;;;;;", "  ", f"\N{ZERO WIDTH NO-BREAK SPACE}{header}", sums]

    made, calls = await calls_in(tmp_path, SMALL, parts)

    assert [call.at.isoformat()[11:16] for call in calls] == ["00:20", "00:40", "01:10", "01:50"]
    assert made.refusals.of("file.csv") == {"header": 1, "outcome": 1}
    assert "file.csv, line 8, line: the names of the columns stand here once more" in summary(made)


@pytest.mark.parametrize("between", ["", HEADER])
@pytest.mark.parametrize("newest_first", [False, True])
async def test_exports_that_overlap_in_one_file_are_counted_once_and_said(
    newest_first: bool, between: str, tmp_path: Path
) -> None:
    twins = "05.03.2024 08:00:00;K;Nej;3;;;", "05.03.2024 08:00:00;K;Nej;3;;;"
    week = ["04.03.2024 08:00:00;K;Ja;1;;;", *twins, "05.03.2024 09:00:00;K;Ja;2;;;", "06.03.2024 08:00:00;K;Ja;1;;;"]
    exports = [week[:4], week[1:]]
    lines = [line for export in exports for line in [between, *(reversed(export) if newest_first else export)]]

    made, calls = await calls_in(tmp_path, SMALL, [HEADER, *lines])

    assert [(call.at.day, call.outcome) for call in calls] == [
        *((4, "answered"), (5, "abandoned"), (5, "abandoned"), (5, "answered"), (6, "answered")),
    ]
    assert "3 lines say what a line of another export says, where exports overlap: taken once" in summary(made)


async def test_callers_who_differ_in_another_column_are_several_however_a_file_is_ordered(tmp_path: Path) -> None:
    lines = [f"{day:02}.03.2024 08:00:00;K;Ja;1;;;;{agent}" for agent in ("Anna", "Bo") for day in (4, 5)]

    _, calls = await calls_in(tmp_path, SMALL, [f"{HEADER};Agent", *lines])

    assert [call.at.day for call in calls] == [4, 4, 5, 5]


async def test_a_quote_that_is_not_closed_is_found_on_the_line_where_it_begins(tmp_path: Path) -> None:
    lines = [HEADER, '04.03.2024 08:00:00;"K;Ja;1;;;', "04.03.2024 09:00:00;K;Ja;1;;;", "04.03.2024 10:00:00;K;Ja;1;;;"]

    made, _ = await calls_in(tmp_path, SMALL, lines)

    assert "file.csv, line 2, line: 2 cells, and 7 columns" in summary(made)
    assert "a cell in quotes goes on to line 4" in summary(made)


async def test_names_are_the_same_however_their_letters_are_composed_and_folded(tmp_path: Path) -> None:
    mapping = SMALL.replace('queue = "Queue"', 'queue = "Kö"').replace('["Nej"]', '["Tappåt"]')
    lines = [
        HEADER.replace("Queue", "Kö"),
        *(f"04.03.2024 08:00:0{at};{name};tappåt;1;;;" for at, name in enumerate("KkK")),
    ]

    made, calls = await calls_in(tmp_path, mapping, [normalize("NFD", each) for each in lines])

    assert made.refusals.total == 0
    assert [call.first_queue for call in calls] == ["K", "K", "K"]
    assert made.tally.added == {"2024-03 K": 3}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le"])
async def test_a_byte_order_mark_is_no_part_of_the_first_name(encoding: str, tmp_path: Path) -> None:
    mapping = SMALL.replace("[time]", f"[file]\nencoding = '{encoding.removesuffix('-sig')}'\n[time]")
    mark = "" if encoding == "utf-8-sig" else "\N{ZERO WIDTH NO-BREAK SPACE}"

    made, calls = await calls_in(tmp_path, mapping, [f"{mark}{HEADER}", "04.03.2024 08:00:00;K;Ja;1;;;"], encoding)

    assert (made.refusals.total, len(calls)) == (0, 1)


async def test_a_file_without_a_line_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"file.csv, line 1: no column is named here"):
        await calls_in(tmp_path, SMALL, [])
