"""A made-up autumn month in a real store: calls day and night, the night with the double hour, a day nobody saw, and a
crisis; and what it adds up to, counted from the calls themselves.
"""

import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

from queue_monitor.core.rules import Rules
from queue_monitor.model import (
    Alert,
    AlertBatch,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    Coverage,
    CoverageRecord,
    Crisis,
    JournalBatch,
)
from queue_monitor.queues import queues_in
from queue_monitor.reports.desk import Reports
from queue_monitor.reports.figures import ReportRules
from queue_monitor.reports.period import parsed
from queue_monitor.store import SqlStore
from tests.runtime.lasting import QUEUES, ZONE, Call, Monitor, monitor

FIRST: Final = date(2026, 10, 1)
DAYS: Final = 31
BLIND: Final = date(2026, 10, 14)
DOUBLE_HOUR: Final = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
CRISIS: Final = (datetime(2026, 10, 20, 8, 20, tzinfo=UTC), datetime(2026, 10, 21, 13, 5, tzinfo=UTC))
NOVEMBER: Final = datetime(2026, 11, 5, 11, tzinfo=UTC)
OCTOBER: Final = parsed("2026-10", "period")


def calls_of_october() -> list[Call]:
    """Some hundred in opening hours, some at night, and one in each half of the double hour."""
    dice = random.Random(18)
    found = []
    for number in range(DAYS):
        midnight = datetime.combine(FIRST + timedelta(days=number), time(), ZONE).astimezone(UTC)
        for one in range(18):
            hour = dice.choice((7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 20))
            entered = midnight + timedelta(hours=hour, seconds=dice.randrange(3_600))
            how = dice.choice(("answered", "answered", "answered", "answered", "abandoned", "timeout"))
            waited = dice.choice((0, 9_000, 19_999, 20_000, 120_000, 299_999, 300_000, 300_001, 700_000))
            found.append(Call(f"{number}-{one}", dice.choice(QUEUES), entered, how, waited))
    found += [
        Call(f"double-{part}", "kundcenter", DOUBLE_HOUR + timedelta(hours=part), "answered", 5_000) for part in (0, 1)
    ]
    return sorted(found, key=lambda call: call.entered)


async def write(run: Monitor, calls: Iterable[Call]) -> None:
    """Let the calls come day by day, each told that evening; and note how each day was seen."""
    by_day: dict[date, list[Call]] = {}
    for call in calls:
        by_day.setdefault(call.entered.astimezone(ZONE).date(), []).append(call)
    for day, its in sorted(by_day.items()):
        run.clock.advance_to(datetime.combine(day, time(23, 45), ZONE).astimezone(UTC))
        await run.tell(event for call in its for event in call.events())
    await note_coverage(run.store)


async def note_coverage(store: SqlStore) -> None:
    open_days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    records = tuple(
        CoverageRecord(queue=queue, day=day, coverage=_seen(day))
        for day in open_days
        if day.weekday() < 5
        for queue in QUEUES
    )
    await store.commit(JournalBatch(received_at=NOVEMBER, days=records))


def _seen(day: date) -> Coverage:
    if day == BLIND:
        return Coverage(seen_minutes=200, blind_minutes=340)
    return Coverage(seen_minutes=500, recovered_minutes=40)


def alert(
    kind: AlertKind, change: AlertChange, at: datetime, queue: str = "", episode: str = "", **figures: object
) -> Alert:
    return Alert(
        episode=episode or f"{kind} {queue}",
        at=at,
        queue=queue,
        label=queue.capitalize(),
        queues=queues_in(queue),
        kind=kind,
        period="day",
        level=AlertLevel.ALARM,
        change=change,
        reason=AlertReason.DECLARED,
        figures=AlertFigures(**figures),  # type: ignore[arg-type]
    )


async def declare_crisis(store: SqlStore) -> None:
    """A crisis of a day and some hours, which the record holds in two episodes: it is sent anew after a day."""
    crisis = Crisis(since=CRISIS[0], reason="Vattenläcka", by="Anna")
    raised = alert(AlertKind.CRISIS, AlertChange.RAISED, CRISIS[0] + timedelta(seconds=30), crisis=crisis)
    anew = CRISIS[0] + timedelta(hours=25)
    passed = alert(AlertKind.CRISIS, AlertChange.CLEARED, anew, crisis=crisis)
    again = alert(AlertKind.CRISIS, AlertChange.RAISED, anew, episode="crisis, day 2", crisis=crisis)
    cleared = alert(AlertKind.CRISIS, AlertChange.CLEARED, CRISIS[1], episode="crisis, day 2", crisis=crisis)
    late = alert(AlertKind.TARGET_AT_RISK, AlertChange.RAISED, CRISIS[0] + timedelta(hours=1), "bygglov")
    over = alert(AlertKind.TARGET_AT_RISK, AlertChange.CLEARED, CRISIS[0] + timedelta(hours=3), "bygglov")
    await store.save_alerts(AlertBatch(alerts=(raised, late, over, passed, again, cleared)))


@asynccontextmanager
async def october(
    folder: Path, at: datetime = NOVEMBER, rules: Rules | None = None, **made_by: object
) -> AsyncIterator[tuple[Reports, Monitor]]:
    """The month in a store, and whoever makes reports of it; `at` is now. The store is that of the folder, where there
    is one already.
    """
    if not (folder / "store.db").exists():
        await put(folder)
    async with monitor(f"sqlite:///{folder}/store.db", at, folder, rules) as run:
        by = ReportRules(rules=run.live.rules, **made_by)  # type: ignore[arg-type]
        yield Reports(run.store, by, run.clock), run


_store: list[tempfile.TemporaryDirectory[str]] = []


async def put(folder: Path) -> None:
    """Put the month into a folder, as a store that nobody has open."""
    shutil.copytree(await _made(), folder, dirs_exist_ok=True)


async def _made() -> Path:
    """A folder with the month in a store, made once for all tests of a process."""
    if not _store:
        _store.append(tempfile.TemporaryDirectory(prefix="queue-monitor-october-"))
        folder = Path(_store[0].name)
        async with monitor(f"sqlite:///{folder}/store.db", datetime(2026, 9, 30, 20, tzinfo=UTC), folder) as run:
            await write(run, calls_of_october())
            await declare_crisis(run.store)
    return Path(_store[0].name)


# ---- the recount: of calls, with sets and sorting, and nothing of the monitor's


def begins(call: Call) -> datetime | None:
    """When a call of opening hours is judged from; None of one that is outside."""
    local = call.entered.astimezone(ZONE)
    if local.weekday() >= 5:
        return None
    opens = local.replace(hour=8, minute=0, second=0, microsecond=0)
    if local >= opens:
        return call.entered if local.hour < 17 else None
    return opens.astimezone(UTC) if call.entered + timedelta(milliseconds=call.waited_ms) > opens else None


def judged(calls: Iterable[Call], which: Callable[[Call], bool] = lambda call: True) -> list[tuple[Call, int]]:
    """The calls of opening hours, each with the wait that counts, ms."""
    found = []
    for call in filter(which, calls):
        since = begins(call)
        if since is not None:
            found.append((call, call.waited_ms - round((since - call.entered).total_seconds() * 1000)))
    return found


def in_time(calls: Iterable[tuple[Call, int]], limit_ms: int = 300_000) -> int:
    return len([1 for call, waited in calls if call.how == "answered" and waited <= limit_ms])
