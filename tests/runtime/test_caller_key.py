"""The key of the callers' pseudonyms: in memory, one a day, and never a number."""

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from msgspec import structs

from queue_monitor.clock import ManualClock
from queue_monitor.events import CallEntered, Caller, Event
from queue_monitor.runtime.caller_key import CallerKey
from tests.runtime.lasting import Call, monitor
from tests.runtime.test_lasting import at
from tests.scenario import STOCKHOLM

EVENING = datetime(2026, 11, 23, 22, 59, 30, tzinfo=UTC)
"""Half a minute before midnight in Luleå."""

NUMBER = "0701740605"


def key(clock: ManualClock) -> CallerKey:
    keys = count(1)
    return CallerKey(clock, STOCKHOLM, lambda size: bytes([next(keys)]) * size)


def test_a_number_has_one_pseudonym_all_day_however_it_is_written():
    clock = ManualClock(EVENING)
    known = key(clock)

    found = {
        known.pseudonym(written, EVENING) for written in (NUMBER, "+46701740605", "0046 70 174 06 05", "tel:" + NUMBER)
    }

    assert len(found) == 1
    (pseudonym,) = found
    assert pseudonym is not None and pseudonym.isalpha() and len(pseudonym) == 16
    assert known.pseudonym("0701740606", EVENING) != pseudonym


def test_after_midnight_the_number_has_another_pseudonym_and_the_old_day_has_none():
    clock = ManualClock(EVENING)
    known = key(clock)
    before = known.pseudonym(NUMBER, EVENING)
    clock.advance_to(EVENING + timedelta(minutes=1))

    assert known.pseudonym(NUMBER, EVENING) is None
    assert known.pseudonym(NUMBER, clock.now()) not in (None, before)


def test_a_call_of_another_day_in_a_log_is_not_told_apart():
    assert key(ManualClock(EVENING)).pseudonym(NUMBER, EVENING - timedelta(days=1)) is None


@pytest.mark.parametrize("written", ["", "anonymous", "0", "00", "0000000", "Medborgare"])
def test_what_is_no_number_is_nobody(written: str):
    assert key(ManualClock(EVENING)).pseudonym(written, EVENING) is None


def test_two_runs_of_the_monitor_never_have_the_same_key():
    one, other = (CallerKey(ManualClock(EVENING), STOCKHOLM).pseudonym(NUMBER, EVENING) for _ in range(2))

    assert one != other


async def test_the_key_is_replaced_at_midnight_though_nobody_calls():
    clock = ManualClock(EVENING)
    made: list[datetime] = []

    def make(size: int) -> bytes:
        made.append(clock.now())
        if len(made) == 4:
            raise asyncio.CancelledError
        return bytes(size)

    with suppress(asyncio.CancelledError):
        await CallerKey(clock, STOCKHOLM, make).run()

    midnight = datetime(2026, 11, 24, tzinfo=STOCKHOLM)
    assert made == [EVENING, *(midnight + timedelta(days=days) for days in range(3))]


async def test_after_a_start_the_figures_say_since_when_they_hold(tmp_path: Path):
    url, day = f"sqlite:///{tmp_path / 'calls.db'}", date(2026, 3, 2)
    async with monitor(url, at(day, 8), tmp_path) as before:
        await before.tell(of_person("a", "first", at(day, 8.1), "abandoned"))
    async with monitor(url, at(day, 10.2), tmp_path) as after:
        await after.tell(of_person("a", "second", at(day, 10.3), "answered"))
        after.clock.advance_to(at(day, 11))
        found = after.pipeline.publish().total.repeat_callers

    assert found is not None
    assert (found.since, found.calls, found.repeated, found.lost) == (at(day, 10.2), 1, 0, 0)


def of_person(pseudonym: str, name: str, entered: datetime, how: str) -> list[Event]:
    events = Call(name, "kundcenter", entered, how, 60_000).events()
    return [
        structs.replace(event, caller=Caller(pseudonym=pseudonym)) if isinstance(event, CallEntered) else event
        for event in events
    ]
