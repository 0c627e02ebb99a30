"""Past calls as they are written, told again as the events of a switch; what is wrong in them is told by its place."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from queue_monitor.backtest.calls import events_of, read_calls
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRefused,
    SourceClock,
    short_type,
)
from queue_monitor.model import Outcome
from queue_monitor.replay.recording import RecordingError
from tests.scenario import office_hours

ZONE = ZoneInfo("Europe/Stockholm")
HEADER = "entered_at,queue,wait_seconds,outcome,talk_seconds,agent\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "calls.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_time_without_a_zone_is_local_and_one_with_it_is_what_it_says(tmp_path: Path):
    rows = "2026-03-02 08:15:30,q,1,answered,60,eva\n2026-03-02T07:15:29Z,q,1,answered,60,eva\n"
    calls = read_calls(written(tmp_path, HEADER + rows), ZONE)

    assert [call.entered_at for call in calls] == [
        datetime(2026, 3, 2, 7, 15, 29, tzinfo=UTC),
        datetime(2026, 3, 2, 7, 15, 30, tzinfo=UTC),
    ]


def test_columns_may_stand_in_any_order_with_others_between(tmp_path: Path):
    text = "agent;outcome;note;wait_seconds;queue;entered_at\neva;Answered;vip;42,5;q;2026-03-02 08:15\n"
    (call,) = read_calls(written(tmp_path, "\ufeff" + text), ZONE)

    assert (call.wait, call.outcome, call.queue, call.agent, call.talk) == (42.5, Outcome.ANSWERED, "q", "eva", None)


def test_a_packed_file_reads_as_the_file_itself(tmp_path: Path):
    path = written(tmp_path, HEADER + "2026-03-02 08:15:30,q,1,answered,60,eva\n")
    packed = tmp_path / "calls.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert read_calls(packed, ZONE) == read_calls(path, ZONE)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("yesterday,q,1,answered,60,eva", "calls.csv, line 3, entered_at: 'yesterday'"),
        ("2026-02-30 08:15:30,q,1,answered,60,eva", "calls.csv, line 3, entered_at: '2026-02-30 08:15:30'"),
        ("0001-01-01 00:00:00,q,1,answered,60,eva", "calls.csv, line 3, entered_at: '0001-01-01 00:00:00'"),
        ("9999-12-31 23:59:59,q,1,answered,60,eva", "expected a year from 1971 to 2099"),
        ("2026-03-02 08:15:30,q,1,5,answered,60,eva", "calls.csv, line 3: more cells than columns"),
        ("2026-03-02 08:15:30,,1,answered,60,eva", "calls.csv, line 3, queue: ''"),
        ("2026-03-02 08:15:30,q,soon,answered,60,eva", "calls.csv, line 3, wait_seconds: 'soon'"),
        ("2026-03-02 08:15:30,q,-1,answered,60,eva", "calls.csv, line 3, wait_seconds: '-1'"),
        ("2026-03-02 08:15:30,q,,abandoned,,", "calls.csv, line 3, wait_seconds: ''"),
        ("2026-03-02 08:15:30,q,1,waiting,60,eva", "calls.csv, line 3, outcome: 'waiting'"),
        ("2026-03-02 08:15:30,q,1,answered,nan,eva", "calls.csv, line 3, talk_seconds: 'nan'"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_field(row: str, words: str, tmp_path: Path):
    good = "2026-03-02 08:15:30,q,1,answered,60,eva\n"
    with pytest.raises(RecordingError, match=r"line 3") as told:
        read_calls(written(tmp_path, HEADER + good + row + "\n"), ZONE)

    assert words in str(told.value)


def test_an_empty_file_and_one_without_calls_are_told_as_such(tmp_path: Path):
    with pytest.raises(RecordingError, match="line 1: no column entered_at"):
        read_calls(written(tmp_path, ""), ZONE)
    with pytest.raises(RecordingError, match="holds no calls"):
        read_calls(written(tmp_path, HEADER), ZONE)


@pytest.mark.parametrize("broken", [lambda raw: raw[:-20], lambda raw: raw[:12] + b"\xff\xff\xff" + raw[15:]])
def test_a_packed_file_that_is_cut_or_changed_is_told_as_broken(broken: Callable[[bytes], bytes], tmp_path: Path):
    packed = tmp_path / "calls.csv.gz"
    packed.write_bytes(broken(gzip.compress((HEADER * 50).encode())))
    with pytest.raises(RecordingError, match=r"calls.csv.gz: the gzip file is broken"):
        read_calls(packed, ZONE)


def test_a_column_that_is_missing_is_named(tmp_path: Path):
    with pytest.raises(RecordingError, match="line 1: no column wait_seconds"):
        read_calls(written(tmp_path, "entered_at,queue,outcome\n"), ZONE)


def test_a_file_of_another_encoding_is_told_by_its_line(tmp_path: Path):
    path = tmp_path / "calls.csv"
    path.write_bytes((HEADER + "2026-03-02 08:15:30,växel,1,answered,60,eva\n").encode("latin-1"))
    with pytest.raises(RecordingError, match="line 2: not UTF-8"):
        read_calls(path, ZONE)


ROWS = """2026-03-02 08:15:00,q,0,answered,60,eva
2026-03-02 08:15:30,q,30,answered,,eva
2026-03-02 08:15:40,r,20,abandoned,,
2026-03-02 08:16:00,r,5,overflow,,
2026-03-02 08:16:00,r,,refused,,
"""


def test_calls_are_told_in_the_order_in_which_they_happened(tmp_path: Path):
    calls = read_calls(written(tmp_path, HEADER + ROWS), ZONE)
    told = [
        (f"{event.at:%M:%S}", short_type(event), getattr(event, "visit_id", "") or getattr(event, "contact_id", ""))
        for event in events_of(calls, office_hours())
        if not isinstance(event, SourceClock)
    ]

    assert told == [
        ("15:00", "call.entered", "calls:2"),
        ("15:00", "call.answered", "calls:2"),
        ("15:30", "call.entered", "calls:3"),
        ("15:40", "call.entered", "calls:4"),
        ("16:00", "call.completed", "calls:2"),
        ("16:00", "call.answered", "calls:3"),
        ("16:00", "call.left", "calls:4"),
        ("16:00", "call.entered", "calls:5"),
        ("16:00", "call.refused", "calls:6"),
        ("16:05", "call.left", "calls:5"),
        ("17:00", "call.completed", "calls:3"),  # as long as the one before: the file does not say
    ]


def test_a_file_is_no_silent_switch_a_sign_of_life_is_told_each_minute_until_it_closes(tmp_path: Path):
    events = list(events_of(read_calls(written(tmp_path, HEADER + ROWS), ZONE), office_hours()))
    moments = [event.at for event in events]
    kinds = {type(event) for event in events}

    assert moments == sorted(moments)
    assert max((b - a).total_seconds() for a, b in pairwise(moments)) <= 60
    assert f"{moments[-1].astimezone(ZONE):%H:%M}" == "16:59"
    assert kinds == {SourceClock, CallEntered, CallAnswered, CallCompleted, CallLeft, CallRefused}


def test_of_two_autumn_hours_that_look_alike_the_second_begins_where_the_file_goes_back(tmp_path: Path):
    times = [f"2026-10-25 02:{minute:02}:00" for minute in (5, 25, 45, 5, 25, 45)]
    rows = [f"{at},q,30,answered,100,eva\n" for at in ("2026-10-25 01:45:00", *times, "2026-10-25 03:05:00")]
    for its in (rows, rows[::-1]):
        calls = read_calls(written(tmp_path, HEADER + "".join(its)), ZONE)

        assert [(call.entered_at.hour, call.entered_at.minute) for call in calls] == [
            (23, 45), (0, 5), (0, 25), (0, 45), (1, 5), (1, 25), (1, 45), (2, 5),
        ]  # fmt: skip


def test_the_autumn_night_of_one_queue_after_anothers_is_read_for_each(tmp_path: Path):
    times = [f"2026-10-25 02:{minute:02}:00" for minute in (5, 25, 45, 5, 25, 45)]
    for its in (times, times[::-1]):
        rows = [f"{at},{queue},30,answered,100,eva\n" for queue in "qr" for at in its]
        calls = read_calls(written(tmp_path, HEADER + "".join(rows)), ZONE)

        assert [call.entered_at.hour for call in calls] == [0] * 6 + [1] * 6


@pytest.mark.parametrize("rest", ["2026-03-02 08:17:30,q,3", "2026-03-02 08:17:30,q,30,answered,10"])
def test_a_file_that_ends_in_the_middle_of_a_line_is_refused(rest: str, tmp_path: Path):
    path = written(tmp_path, HEADER + "2026-03-02 08:10:00,q,30,answered,100,eva\n" + rest)

    with pytest.raises(RecordingError, match="line 3: the file ends in the middle of this line"):
        read_calls(path, ZONE)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n,,,,,\n\n"])
def test_line_ends_and_empty_lines_make_no_difference(end: str, tmp_path: Path):
    rows = ("2026-03-02 08:10:00,q,30,answered,100,eva", "2026-03-02 08:10:00,q,40,abandoned")
    path = tmp_path / "calls.csv"
    path.write_bytes("".join(f"{line}{end}" for line in (HEADER.strip(), *rows)).encode())

    assert [call.wait for call in read_calls(path, ZONE)] == [30, 40]


def test_a_day_without_a_time_is_no_time(tmp_path: Path):
    with pytest.raises(RecordingError, match="line 2, entered_at: '2026-03-02'; expected a time"):
        read_calls(written(tmp_path, HEADER + "2026-03-02,q,30,answered,100,eva\n"), ZONE)


def test_a_time_that_the_clocks_skip_in_spring_is_refused(tmp_path: Path):
    path = written(tmp_path, HEADER + "2026-03-29 02:30:00,q,30,answered,100,eva\n")

    with pytest.raises(RecordingError, match="line 2, entered_at: 2026-03-29 02:30:00 is no time; the clocks were set"):
        read_calls(path, ZONE)


def test_rows_of_overlapping_exports_are_counted_once_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rows = [f"2026-03-02 08:{minute}:00,q,30,answered,100,eva\n" for minute in (10, 11, 12)]
    calls = read_calls(written(tmp_path, HEADER + "".join(rows + rows[1:])), ZONE)

    assert [call.line for call in calls] == [2, 3, 4]
    assert "counted once: 2, from line 5 on" in caplog.text


def test_exports_put_one_behind_the_other_with_their_first_lines_are_one_file(tmp_path: Path):
    rows = [f"2026-03-02 08:{minute}:00,q,30,answered,100,eva\n" for minute in (10, 11, 12)]
    calls = read_calls(written(tmp_path, HEADER + "".join(rows) + HEADER + "".join(rows[1:])), ZONE)

    assert [call.line for call in calls] == [2, 3, 4]


def test_two_callers_of_one_second_who_gave_up_after_as_many_are_two(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    row = "2026-03-02 08:10:00,q,400,abandoned,,\n"
    calls = read_calls(written(tmp_path, HEADER + row + "2026-03-02 08:10:00,q,30,answered,9,eva\n" + row), ZONE)

    assert [call.line for call in calls] == [2, 3, 4]
    assert not caplog.text


def test_overlapping_exports_of_an_autumn_night_are_counted_once(tmp_path: Path):
    night = "".join(
        f"2026-10-25 {hour}:{minute}:00,q,30,answered,100,eva\n"
        for hour in ("01", "02", "02", "03")
        for minute in (10, 40)
    )

    assert len(read_calls(written(tmp_path, HEADER + night + night), ZONE)) == 8


def test_a_column_that_stands_twice_is_refused(tmp_path: Path):
    path = written(tmp_path, HEADER.strip() + ",Wait_Seconds\n2026-03-02 08:10:00,q,30,answered,100,eva,31\n")

    with pytest.raises(RecordingError, match="line 1: the column wait_seconds stands twice"):
        read_calls(path, ZONE)


@pytest.mark.parametrize("wait", ["1,234", "12,500", "1,234,567"])
def test_a_comma_before_three_digits_is_not_guessed_at(wait: str, tmp_path: Path):
    path = written(tmp_path, HEADER + f'2026-03-02 08:10:00,q,"{wait}",answered,100,eva\n')

    with pytest.raises(RecordingError, match=r"line 2, wait_seconds: .* may be thousands or a decimal"):
        read_calls(path, ZONE)
