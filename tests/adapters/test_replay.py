"""Recorded canonical lines come back as they were written, however the bytes are cut, and bad ones are only counted."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.replay import MAX_LINE_BYTES, Settings, Translator, build, recorded_pieces
from queue_monitor import events
from queue_monitor.clock import ManualClock
from queue_monitor.events import Event
from queue_monitor.ports import AdapterError, Connection, Delivery, Rejected

RECORDINGS = Path(__file__).parent.parent / "recordings" / "replay"
FIRST_CALLS = (RECORDINGS / "first_calls_of_a_day.jsonl").read_bytes()
SMALL_DAY = RECORDINGS / "a_small_day_with_a_burst.jsonl.gz"
BAD_LINES = (RECORDINGS / "bad_lines.jsonl").read_bytes()
LINES = FIRST_CALLS.splitlines()

NOW = datetime(2025, 3, 4, 12, tzinfo=UTC)


def read(*pieces: bytes) -> list[Event | Rejected]:
    translator = Translator(Connection(source="urn:kc:replay:test", switch="lab"), Settings(path=""))
    items = [item for piece in pieces for item in translator.feed(piece, NOW)]
    items += translator.flush(NOW)
    return items + list(translator.close(NOW))


def cut(recording: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % len(recording) for place in places), len(recording)]
    return [recording[start:end] for start, end in pairwise(edges)]


def reasons(items: Sequence[Event | Rejected]) -> list[str]:
    return [item.reason for item in items if isinstance(item, Rejected)]


# lines


def test_an_event_is_written_again_as_the_same_bytes() -> None:
    again = [events.encode(item) for item in read(FIRST_CALLS) if not isinstance(item, Rejected)]

    assert again == LINES


def test_a_source_a_sequence_and_an_id_of_somebody_else_are_left_as_they_are() -> None:
    line = (
        b'{"specversion":"1.0","id":"a-7","source":"urn:kc:http:elsewhere","type":"se.kundcenter.call.entered",'
        b'"time":"2025-03-04T08:00:00Z","sequence":"17","data":{"visit_id":"x:1","queue":"k"}}'
    )
    (event,) = read(line)

    assert isinstance(event, Event)
    assert (event.id, event.source, event.sequence) == ("a-7", "urn:kc:http:elsewhere", "17")


@given(places=st.lists(st.integers(0, len(FIRST_CALLS) - 1), max_size=12))
def test_a_recording_cut_anywhere_tells_the_same(places: list[int]) -> None:
    assert read(*cut(FIRST_CALLS, places)) == read(FIRST_CALLS)


@given(places=st.lists(st.integers(0, 100_000), max_size=12), members=st.integers(1, 3))
def test_a_packed_recording_cut_anywhere_tells_the_same(places: list[int], members: int) -> None:
    size = len(FIRST_CALLS) // members + 1
    packed = b"".join(gzip.compress(FIRST_CALLS[i : i + size]) for i in range(0, len(FIRST_CALLS), size))

    assert read(*cut(packed, places)) == read(FIRST_CALLS)


def test_a_recording_fed_byte_by_byte_tells_the_same() -> None:
    short = b"\n".join(LINES[:5])

    assert read(*(bytes([byte]) for byte in short)) == read(short)


def test_bad_lines_are_counted_by_number_and_the_good_ones_are_read() -> None:
    items = read(BAD_LINES)
    told = [(item.reason, item.detail.split(":")[0]) for item in items if isinstance(item, Rejected)]

    assert told == [("invalid_event", f"line {number}") for number in (3, 4, 5, 6)]
    assert len(items) - len(told) == 3


def test_what_is_said_of_a_bad_line_holds_nothing_of_what_stood_in_it() -> None:
    line = b'{"specversion":"1.0","id":"1","source":"s","type":"call from 0920-453000","data":{}}\n'
    (rejected,) = read(line)

    assert isinstance(rejected, Rejected)
    assert rejected.reason == "invalid_event"
    assert "0920" not in rejected.detail


@given(size=st.integers(MAX_LINE_BYTES - 2, MAX_LINE_BYTES + 2), place=st.integers(0, MAX_LINE_BYTES))
def test_a_line_that_is_too_long_is_let_go_and_the_next_one_is_read(size: int, place: int) -> None:
    items = read(*cut(b"x" * size + b"\n" + LINES[0] + b"\n", [place]))

    assert reasons(items) == ["line_too_long" if size > MAX_LINE_BYTES else "invalid_event"]
    assert items[1:] == read(LINES[0])


@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_it_fail(noise: bytes) -> None:
    assert all(isinstance(item, Rejected) for item in read(noise))


def test_a_packed_recording_that_is_damaged_says_so() -> None:
    packed = gzip.compress(FIRST_CALLS)

    assert "bad_gzip" in reasons(read(packed[:-9]))
    assert "bad_gzip" in reasons(read(packed[:200] + b"\x00" * 50 + packed[250:]))


def test_a_recording_falls_into_its_lines_with_their_times() -> None:
    pieces = list(recorded_pieces(BAD_LINES))
    packed = list(recorded_pieces(gzip.compress(BAD_LINES)))

    assert b"".join(piece for piece, _ in pieces) == BAD_LINES
    assert [at is None for _, at in pieces] == [False, True, True, True, True, True, False, False]
    assert pieces[0][1] == datetime(2025, 3, 4, 6, 45, tzinfo=UTC)
    assert packed == pieces
    assert list(recorded_pieces(b"\x1f\x8bnot gzip")) == [(b"\x1f\x8bnot gzip", None)]


# the file


async def played(settings: Settings, clock: ManualClock) -> list[tuple[datetime, Delivery]]:
    """Every delivery with the clock's time when it came."""
    deliveries = []
    async with build("again", "lab", settings, clock).connect() as stream:
        with pytest.raises(AdapterError, match="played to its end") as over:
            async for delivery in stream:
                deliveries.append((clock.now(), delivery))  # noqa: PERF401 -- what came before the end is wanted
    assert over.value.permanent
    return deliveries


@pytest.mark.parametrize("packed", [False, True])
async def test_at_speed_nought_a_file_is_played_at_once(tmp_path: Path, packed: bool) -> None:
    file = tmp_path / "day.jsonl"
    file.write_bytes(gzip.compress(FIRST_CALLS) if packed else FIRST_CALLS)
    clock = ManualClock(NOW)
    deliveries = await played(Settings(path=str(file)), clock)

    assert [item for _, delivery in deliveries for item in delivery.items] == read(FIRST_CALLS)
    assert clock.now() == NOW


@pytest.mark.parametrize("speed", [1.0, 60.0])
async def test_at_a_speed_events_come_as_far_apart_as_they_were_divided_by_it(tmp_path: Path, speed: float) -> None:
    file = tmp_path / "day.jsonl"
    file.write_bytes(FIRST_CALLS)
    deliveries = await played(Settings(path=str(file), speed=speed), ManualClock(NOW))
    items = [(at, item) for at, delivery in deliveries for item in delivery.items]
    first = items[0][1]

    assert [item for _, item in items] == read(FIRST_CALLS)
    for at, item in items:
        assert isinstance(item, Event)
        assert isinstance(first, Event)
        assert abs((at - NOW) - (item.at - first.at) / speed) < timedelta(milliseconds=1)


async def test_a_whole_packed_day_has_every_caller() -> None:
    deliveries = await played(Settings(path=str(SMALL_DAY)), ManualClock(NOW))
    items = [item for _, delivery in deliveries for item in delivery.items]

    assert not reasons(items)
    assert len(items) == len(gzip.decompress(SMALL_DAY.read_bytes()).splitlines())


async def test_a_file_that_is_not_there_stops_the_source_and_is_named(tmp_path: Path) -> None:
    adapter = build("again", "lab", Settings(path=str(tmp_path / "gone.jsonl")), ManualClock(NOW))

    with pytest.raises(AdapterError, match=r"gone\.jsonl") as error:
        async with adapter.connect():
            pass
    assert error.value.permanent


def test_a_speed_under_nought_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="speed"):
        Settings(path="x", speed=-1)
