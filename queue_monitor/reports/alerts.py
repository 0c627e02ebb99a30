"""The alerts, outages and crises of a period from the record up to its end, and its calls without the crises."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import add
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import structs

from queue_monitor.history import PastSums, past_sums
from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertKind,
    AlertLevel,
    Counts,
    Level,
    RecordedAlert,
    SumRow,
    whole_crises,
)
from queue_monitor.ports import ReportStore
from queue_monitor.queues import keys_of
from queue_monitor.reports.data import AlertFact, CrisisStretch, Scope, WithoutCrises, waits_of
from queue_monitor.waits import WaitTally

MAX_LENGTH: Final = timedelta(days=92)
"""The age at the period's start from which an alert without later events is no longer searched for."""

_QUARTER: Final = 900
Bounds = tuple[datetime, datetime]


async def asked(
    store: ReportStore, scope: Scope, start: datetime, end: datetime
) -> tuple[tuple[CrisisStretch, ...], tuple[AlertFact, ...]]:
    """Return the crises and the alerts of a period. Raises `StoreError`."""
    crises, facts = [], []
    for found in whole_crises(await store.alert_changes(start - MAX_LENGTH, end)):
        changes = [change for change in found.changes if change.at < end]
        if not changes or not _is_of(scope, found) or (_ended(changes) or start) < start:
            continue
        ended = _ended(changes)
        worst = structs.replace(found, changes=tuple(changes)).worst
        declared = next((change.figures.crisis for change in changes if change.figures.crisis), None)
        if worst.kind is AlertKind.CRISIS:
            reason = declared.reason if declared else ""
            crises.append(CrisisStretch(since=declared.since if declared else worst.at, ended=ended, reason=reason))
        if worst.kind is not AlertKind.HEARTBEAT and (
            worst.level is AlertLevel.ALARM or worst.kind is AlertKind.SOURCE_SILENT
        ):
            facts.append(
                AlertFact(
                    kind=worst.kind.value,
                    level=worst.level.value,
                    period=worst.period,
                    label=worst.label if worst.queue else "",
                    since=changes[0].at,
                    ended=ended,
                )
            )
    crises.sort(key=lambda crisis: crisis.since)
    facts.sort(key=lambda fact: (fact.since, fact.kind, fact.label))
    return tuple(crises), tuple(facts)


def _ended(changes: Sequence[Alert]) -> datetime | None:
    return changes[-1].at if changes[-1].change is AlertChange.CLEARED else None


def _is_of(scope: Scope, found: RecordedAlert) -> bool:
    """Return whether an alert is about these queues: one about no queue is about all."""
    wanted = keys_of(scope.queues)
    return not wanted or any(not change.queues or wanted & keys_of(change.queues) for change in found.changes)


async def without(
    store: ReportStore,
    zone: ZoneInfo,
    queues: Sequence[str] | None,
    bounds: Bounds,
    crises: Iterable[CrisisStretch],
    waiting: Iterable[SumRow] = (),
) -> WithoutCrises | None:
    """Return the period's calls in two parts: of the quarters that a crisis touched, and of the others.

    `waiting`: the callers who wait now, of these queues. None without a crisis. Raises `StoreError`.
    """
    touched = _touched(crises, bounds)
    if not touched:
        return None
    pieces, at = [], bounds[0]
    for low, high in touched:
        pieces += [(at, low), (low, high)]
        at = high
    pieces.append((at, bounds[1]))
    sums = await past_sums(store, zone, Level.CONTACT, queues, pieces)
    for row in waiting:
        next(its for its, (_, end) in zip(sums, pieces, strict=True) if row.start < end).add(row)
    others, within = _together(sums[::2]), _together(sums[1::2])
    return WithoutCrises(
        within=within[0],
        within_waits=waits_of(within[1].figures()),
        without=others[0],
        without_waits=waits_of(others[1].figures()),
    )


def _touched(crises: Iterable[CrisisStretch], bounds: Bounds) -> list[Bounds]:
    """Return the whole quarters of an hour within the bounds, in order; adjoining ones are joined."""
    found: list[Bounds] = []
    for crisis in sorted(crises, key=lambda crisis: crisis.since):
        low = max(bounds[0], _quarter(crisis.since, up=False))
        high = min(bounds[1], _quarter(crisis.ended, up=True) if crisis.ended else bounds[1])
        if low >= high:
            continue
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found


def _quarter(at: datetime, *, up: bool) -> datetime:
    seconds = int(at.timestamp())
    whole = seconds - seconds % _QUARTER
    if up and whole < at.timestamp():
        whole += _QUARTER
    return datetime.fromtimestamp(whole, UTC)


def _together(parts: Iterable[PastSums]) -> tuple[Counts, WaitTally]:
    numbers, waits = [0] * len(Counts.__struct_fields__), WaitTally()
    for part in parts:
        numbers = list(map(add, numbers, structs.astuple(part.inside)))
        waits.merge(part.waits)
    return Counts(*numbers), waits
