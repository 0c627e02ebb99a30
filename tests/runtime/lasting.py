"""A monitor on a real store that may be killed and started again, its clock moved; and what its journal adds up to.

The recount reads the journal's rows itself and knows nothing of ledger, windows or history.
"""

import json
import random
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from queue_monitor.clock import ManualClock
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    Event,
    LeftOutcome,
    SourceConnected,
    TimeBasis,
    event_id,
)
from queue_monitor.model import Counts, Level, Period
from queue_monitor.ports import Delivery, Receipt
from queue_monitor.runtime.pipeline import Pipeline
from queue_monitor.runtime.spill import Spill
from queue_monitor.store import SqlStore, open_store
from tests.scenario import Scenario
from tests.store.calls import rows

ZONE: Final = ZoneInfo("Europe/Stockholm")
SOURCE: Final = "urn:kc:test:luleå"
QUEUES: Final = ("kundcenter", "bygglov")


class Call(NamedTuple):
    """One caller: when he or she entered, how it ended, and after how many ms."""

    name: str
    queue: str
    entered: datetime
    how: str
    waited_ms: int
    talked_ms: int = 60_000

    def events(self) -> list[Event]:
        told: list[Event] = [self._event(CallEntered, self.entered, queue=self.queue, contact_id=f"pbx:{self.name}")]
        ended = self.entered + timedelta(milliseconds=self.waited_ms)
        if self.how == "answered":
            told.append(self._event(CallAnswered, ended, agent_id="pbx:agent 1"))
            told.append(self._event(CallCompleted, ended + timedelta(milliseconds=self.talked_ms)))
        elif self.how != "waits":
            told.append(self._event(CallLeft, ended, outcome=LeftOutcome(self.how)))
        return told

    def _event(self, kind: Any, at: datetime, **fields: Any) -> Event:
        visit = f"pbx:{self.name}/1"
        made: Event = kind(
            id=event_id(SOURCE, kind.__name__, visit),
            source=SOURCE,
            switch="pbx",
            observed_at=at,
            switch_time=at,
            visit_id=visit,
            **fields,
        )
        return made


def connected(now: datetime) -> Event:
    """Return the word of the switch that it is there, as after each start."""
    made = event_id(SOURCE, "connected", now.isoformat())
    return SourceConnected(id=made, source=SOURCE, switch="pbx", observed_at=now, time_basis=TimeBasis.MONITOR)


class Monitor:
    """One run: from a start to a kill or an end."""

    def __init__(self, live: Live, clock: ManualClock, store: SqlStore, spill: Path) -> None:
        self.live = live
        self.clock = clock
        self.store = store
        self.pipeline = Pipeline(live, clock, store, Spill(spill))
        self.receipts: list[Receipt] = []

    async def tell(self, events: Iterable[Event], *, write: bool = True) -> None:
        async def ack(receipt: Receipt) -> None:
            self.receipts.append(receipt)

        self.pipeline.take(Delivery(items=tuple(events), received_at=self.clock.now(), ack=ack))
        if write:
            await self.pipeline.write()

    async def day(self, day: date, queue: str | None = None, level: Level = Level.CONTACT) -> Period:
        start = datetime.combine(day, time(), ZONE).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), time(), ZONE).astimezone(UTC)
        return (await self.pipeline.intervals(start, end, "day", level, queue))[0]

    def counts(self) -> int:
        """All that the board says of today, in one number."""
        return self.pipeline.publish().total.periods["day"].counts.entered


@asynccontextmanager
async def monitor(url: str, at: datetime, folder: Path, rules: Rules | None = None) -> AsyncIterator[Monitor]:
    """A run that is killed at the end: nothing is drained, as at kill -9."""
    store = await open_store(url, zone=ZONE, agent_key=folder / "agent.key")
    try:
        clock = ManualClock(at)
        run = Monitor(Live(rules or Scenario().rules), clock, store, folder / "spill.jsonl")
        await run.pipeline.rebuild()
        yield run
    finally:
        await store.close()


# ---- the recount


def journal_of(url: str) -> list[dict[str, Any]]:
    """Every event of a journal as plain JSON, packed or not."""
    bodies = [bytes(body) for (body,) in rows(url, "SELECT body FROM journal")]
    for (body,) in rows(url, "SELECT body FROM pack"):
        bodies += [line.partition(b" ")[2] for line in zlib.decompress(bytes(body)).splitlines()]
    return [json.loads(body) for body in bodies]


def recount(events: Iterable[dict[str, Any]], now: datetime) -> dict[tuple[date, str], Counts]:
    """Counts of contacts within opening hours by local day of entry and queue, out of plain events."""
    visits: dict[str, dict[str, Any]] = {}
    seen: set[tuple[str, str]] = set()
    for event in events:
        key = event["source"], event["id"]
        if key in seen or ".call." not in event["type"]:
            continue
        seen.add(key)
        visits.setdefault(event["data"]["visit_id"], {})[event["type"].rpartition(".")[2]] = event
    found: dict[tuple[date, str], dict[str, int]] = {}
    for told in visits.values():
        if "entered" not in told:
            continue
        entered = datetime.fromisoformat(told["entered"]["time"])
        begins, early = entered, False
        if not _is_open(entered):
            begins, early = _next_opening(entered), True
            if _end(told, now) <= begins:
                continue
        day = found.setdefault((begins.astimezone(ZONE).date(), told["entered"]["data"]["queue"]), {})
        for field in (_field(told, begins, now), *(["early"] if early else [])):
            day[field] = day.get(field, 0) + 1
    return {key: Counts(**numbers) for key, numbers in found.items()}


def _field(told: dict[str, Any], entered: datetime, now: datetime) -> str:
    if "answered" in told:
        return "answered_in_time" if _ms(entered, told["answered"]) <= 300_000 else "answered_late"
    if "left" in told:
        outcome = str(told["left"]["data"]["outcome"])
        if outcome != "abandoned":
            return outcome
        waited = _ms(entered, told["left"])
        return "abandoned_late" if waited > 300_000 else "abandoned_short" if waited < 20_000 else "abandoned_in_time"
    return "waiting_late" if now - entered > timedelta(seconds=300) else "waiting_in_time"


def _is_open(at: datetime) -> bool:
    local = at.astimezone(ZONE)
    return local.weekday() < 5 and time(8) <= local.time() < time(17)


def _next_opening(at: datetime) -> datetime:
    day = at.astimezone(ZONE).date()
    while True:
        opening = datetime.combine(day, time(8), ZONE).astimezone(UTC)
        if opening > at and day.weekday() < 5:
            return opening
        day += timedelta(days=1)


def _end(told: dict[str, Any], now: datetime) -> datetime:
    """When the wait ended, or now."""
    ended = told.get("answered") or told.get("left")
    return now if ended is None else datetime.fromisoformat(ended["time"])


def _ms(entered: datetime, event: dict[str, Any]) -> int:
    return (datetime.fromisoformat(event["time"]) - entered) // timedelta(milliseconds=1)


async def figures(run: Monitor, days: Iterable[date]) -> dict[tuple[date, str], Counts]:
    """What the monitor says of these days, in the recount's form."""
    found: dict[tuple[date, str], Counts] = {}
    for day in days:
        for queue in QUEUES:
            if queue in run.live.queues():
                counts = (await run.day(day, queue)).counts
                if counts.entered:
                    found[day, queue] = counts
    return found


def random_calls(chance: random.Random, first: datetime, days: int, number: int) -> list[Call]:
    """Callers of some days, in and outside opening hours."""
    calls = []
    for name in range(number):
        entered = first + timedelta(seconds=round(chance.uniform(0, days * 86_400), 3))
        how = chance.choice(("answered", "answered", "answered", "abandoned", "timeout", "exit_key", "waits"))
        waited = chance.choice((0, 5_000, 19_999, 20_000, 120_000, 299_999, 300_000, 300_001, 900_000))
        calls.append(Call(f"c{name}", chance.choice(QUEUES), entered, how, waited))
    return calls
