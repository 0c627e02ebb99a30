"""The simulated kundcenter tells today as far as it has come, then each thing when its time comes, day after day."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator import SIGN_OF_LIFE, Settings, Translator, build, recorded_pieces
from queue_monitor import events
from queue_monitor.clock import ManualClock, ScaledClock
from queue_monitor.events import CallEntered, Event, QueueSnapshot, SourceClock, SourceConnected
from queue_monitor.ports import Connection, Delivery, Rejected
from queue_monitor.simulation import ZONE, Config, Duplicates, Kind, SourceOutage, simulate

FRIDAY = date(2025, 3, 7)
SATURDAY = date(2025, 3, 8)
MONDAY = date(2025, 3, 10)
QUIET = Settings(seed=3, snapshot_seconds=0)


def local(clock: time, on: date = FRIDAY) -> datetime:
    return datetime.combine(on, clock, ZONE).astimezone(UTC)


async def lived(start: datetime, until: datetime, settings: Settings = QUIET) -> list[tuple[datetime, Delivery]]:
    """Every delivery with the clock's time when it came."""
    clock = ManualClock(start)
    deliveries = []
    async with build("demo", "lab", settings, clock).connect() as stream:
        async for delivery in stream:
            if clock.now() > until:
                break
            deliveries.append((clock.now(), delivery))
    return deliveries


def told(deliveries: list[tuple[datetime, Delivery]]) -> list[Event]:
    return [item for _, delivery in deliveries for item in delivery.items if isinstance(item, Event)]


def story(on: date, settings: Settings = QUIET) -> list[Event]:
    return simulate(
        Config(
            date=on,
            seed=settings.seed,
            kind=settings.day_kind,
            snapshot_seconds=settings.snapshot_seconds,
            source="urn:kc:simulator:demo",
            switch="lab",
        )
    ).events


async def test_what_happened_before_we_came_is_told_at_once_with_its_own_times() -> None:
    ten = local(time(10))
    deliveries = await lived(ten, ten)
    before = [event for event in story(FRIDAY) if event.at <= ten]

    assert told(deliveries) == before
    assert len(deliveries) < 5
    assert all(at == ten for at, _ in deliveries)
    assert deliveries[-1][1].received_at == before[-1].at


async def test_after_that_each_event_comes_when_the_clock_reaches_it() -> None:
    ten, end = local(time(10)), local(time(18))
    deliveries = [(at, delivery) for at, delivery in await lived(ten, end) if at > ten]
    ahead = [event for event in story(FRIDAY) if ten < event.at <= end]
    came = [
        (at, event)
        for at, delivery in deliveries
        for event in delivery.items
        if isinstance(event, Event) and not isinstance(event, SourceClock)
    ]

    assert [event.id for _, event in came] == [event.id for event in ahead]
    assert all(at == event.at == event.observed_at for at, event in came)
    assert all(delivery.received_at == at for at, delivery in deliveries)


async def test_the_weekend_is_quiet_but_gives_signs_of_life_and_monday_rings_again() -> None:
    deliveries = await lived(local(time(20)), local(time(9), MONDAY))
    on_saturday = [
        event for at, delivery in deliveries for event in delivery.items if at.astimezone(ZONE).date() == SATURDAY
    ]
    on_monday = [event for event in told(deliveries) if event.at > local(time(7), MONDAY)]
    times = [at for at, _ in deliveries]

    assert {type(event) for event in on_saturday} == {SourceClock}
    assert all(second - first <= SIGN_OF_LIFE for first, second in pairwise(times))
    assert any(isinstance(event, SourceConnected) for event in on_monday)
    assert sum(isinstance(event, CallEntered) for event in on_monday) > 40


async def test_a_source_whose_connection_is_gone_gives_no_sign_of_life() -> None:
    outage = SourceOutage(at=time(10), seconds=1200)
    deliveries = await lived(local(time(9)), local(time(11)), msgspec.structs.replace(QUIET, faults=(outage,)))
    meanwhile = [at for at, _ in deliveries if local(time(10)) < at < local(time(10, 20))]

    assert meanwhile == []


async def test_on_a_closed_day_nobody_rings() -> None:
    closed = msgspec.structs.replace(QUIET, closed_days=(FRIDAY,))

    assert {type(event) for event in told(await lived(local(time(6)), local(time(12)), closed))} == {SourceClock}


async def test_days_before_today_can_be_told_too() -> None:
    settings = msgspec.structs.replace(QUIET, days_before=2)
    deliveries = await lived(local(time(6)), local(time(6)), settings)

    assert told(deliveries) == story(date(2025, 3, 5)) + story(date(2025, 3, 6))


async def test_it_runs_as_fast_as_its_clock_does() -> None:
    clock = ScaledClock(local(time(9)), rate=3_600)
    seen: list[tuple[datetime, Event | Rejected]] = []
    async with build("demo", "lab", Settings(), clock).connect() as stream:
        async for delivery in stream:
            seen += [(delivery.received_at, item) for item in delivery.items]
            if any(isinstance(item, QueueSnapshot) and item.at > local(time(9, 20)) for item in delivery.items):
                break

    assert all(isinstance(item, Event) and item.at <= received_at for received_at, item in seen)


async def test_told_twice_it_has_the_same_ids() -> None:
    first = told(await lived(local(time(9)), local(time(11))))
    after_a_restart = told(await lived(local(time(10)), local(time(11))))

    def ids(many: list[Event]) -> list[str]:
        return [event.id for event in many if not isinstance(event, SourceClock)]

    assert ids(first) == ids(after_a_restart)


def test_faults_and_queues_can_stand_in_the_settings() -> None:
    written = {
        "day_kind": "burst",
        "queues": [{"name": "växeln", "share": 1.0, "skill": 1.0}],
        "faults": [{"type": "source_outage", "at": time(10), "seconds": 60}, {"type": "duplicates", "ratio": 0.1}],
    }
    settings = msgspec.convert(written, Settings)

    assert settings.day_kind is Kind.BURST
    assert settings.faults == (SourceOutage(at=time(10), seconds=60), Duplicates(ratio=0.1))


# captures of such a day


def read(*pieces: bytes) -> list[Event | Rejected]:
    translator = Translator(Connection(source="urn:kc:simulator:demo", switch="lab"), Settings())
    now = local(time(12))
    items = [item for piece in pieces for item in translator.feed(piece, now)]
    return items + list(translator.flush(now)) + list(translator.close(now))


CAPTURED = story(FRIDAY)[:60]
CAPTURE = b"\n".join(map(events.encode, CAPTURED))


@given(st.integers(0, len(CAPTURE)), st.integers(0, len(CAPTURE)))
def test_a_capture_cut_anywhere_tells_the_same(one: int, two: int) -> None:
    first, second = sorted((one, two))

    assert read(CAPTURE[:first], CAPTURE[first:second], CAPTURE[second:]) == CAPTURED


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_fail(noise: bytes) -> None:
    assert all(isinstance(item, Rejected) for item in read(noise))


def test_a_line_that_is_too_long_is_let_go() -> None:
    long, line = b"x" * (1 << 20) + b"yz\n", CAPTURE.splitlines()[0]

    assert [item.reason for item in read(long + line) if isinstance(item, Rejected)] == ["line_too_long"]
    assert read(long + line)[1:] == read(line)


def test_a_capture_falls_into_lines_with_their_times() -> None:
    pieces = list(recorded_pieces(CAPTURE + b"\nnonsense\n"))

    assert b"".join(piece for piece, _ in pieces) == CAPTURE + b"\nnonsense\n"
    assert pieces[0][1] == local(time(7, 45))
    assert pieces[-1][1] is None
    assert pieces[5][1] is not None
    assert pieces[5][1] - local(time(7, 45)) < timedelta(hours=1)
