"""Counts the same calls by another definition, where one was changed, so that old and new can be compared."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct, structs

from queue_monitor.core.calendar import month_start, next_month
from queue_monitor.core.rules import Rules
from queue_monitor.core.service_level import judge
from queue_monitor.model import Counts, StoredCall, Target
from queue_monitor.ports import ReportStore
from queue_monitor.reports.data import BridgeFigure, RulesFact, Scope, fraction
from queue_monitor.reports.period import ReportPeriod

_KEPT: Final = ("excluded", "called_back")
"""The values of a call's `counted_as` that come from an exit setting and not from a limit."""


BESIDE_MONTHS: Final = 3
"""The months after a change in which a report has the earlier definition beside the new one."""


class Wanted(NamedTuple):
    """A target to count by, and the reason: `rules`, `report` or `replaced`."""

    target: Target
    reason: str


class _Limits(Struct):
    limit_seconds: int | None = None
    short_abandon_seconds: int | None = None


def limits_of(body: str) -> tuple[int | None, int | None]:
    """Return limit and short limit of the rules in the store; None where they cannot be read."""
    try:
        found = msgspec.json.decode(body, type=_Limits)
    except msgspec.DecodeError:
        return None, None
    return found.limit_seconds, found.short_abandon_seconds


def targets_of(rules: Rules, period: ReportPeriod, through: date) -> tuple[Target, tuple[Target, ...]]:
    """Return the target of a period, which is that of its last day, and those it took the place of lately.

    A target stands beside the one that followed it in the periods that end within three months of the change.
    """
    target = rules.on(through).target
    changes = [(first, before.target) for (_, before), (first, _) in pairwise(rules.dated)]
    lately = [earlier for first, earlier in changes if first <= through < _months_after(first, BESIDE_MONTHS)]
    return target, tuple(earlier for earlier in lately if _terms(earlier) != _terms(target))


def _months_after(day: date, months: int) -> date:
    start = month_start(day)
    for _ in range(months):
        start = next_month(start)
    return start if day.day == 1 else next_month(start)


def wanted(
    target: Target, used: Sequence[RulesFact], earlier: Target | None, replaced: Iterable[Target] = ()
) -> tuple[Wanted, ...]:
    """Return the other targets by which the period is to be counted.

    `rules`: where calls were judged by several limits, or by another than the target's, each of them and the target's.
    `report`: the target of the report before, where it differs. `replaced`: those that the target took the place of.
    """
    limits = _limits(used)
    found = []
    if limits and limits != {(target.limit_seconds, target.short_abandon_seconds)}:
        every = sorted(limits | {(target.limit_seconds, target.short_abandon_seconds)})
        for limit, short in every:
            found.append(Wanted(structs.replace(target, limit_seconds=limit, short_abandon_seconds=short), "rules"))
    known = {_terms(target), *(_terms(each.target) for each in found)}
    others = [Wanted(earlier, "report")] if earlier is not None else []
    for other in (*others, *(Wanted(each, "replaced") for each in replaced)):
        if _terms(other.target) not in known:
            known.add(_terms(other.target))
            found.append(other)
    return tuple(found)


def _limits(used: Iterable[RulesFact]) -> set[tuple[int, int]]:
    return {
        (rules.limit_seconds, rules.short_abandon_seconds)
        for rules in used
        if rules.limit_seconds is not None and rules.short_abandon_seconds is not None
    }


def _terms(target: Target) -> tuple[object, ...]:
    return target.definition, target.limit_seconds, target.short_abandon_seconds


async def counted(
    store: ReportStore,
    scope: Scope,
    targets: Sequence[Wanted],
    used: Sequence[RulesFact],
    counts: Counts,
    bounds: tuple[datetime, datetime],
    calls_are_kept: bool,
) -> tuple[BridgeFigure, ...]:
    """Return the period counted by each of these targets.

    Where only the formula differs its own counts are used, else the calls one by one. Raises `StoreError`.
    """
    calls: list[StoredCall] | None = None
    found = []
    for target, reason in targets:
        parts: tuple[int, int] | None = None
        if _limits(used) == {(target.limit_seconds, target.short_abandon_seconds)}:
            parts = fraction(counts, target.definition)
        elif calls_are_kept:
            calls = await _calls(store, scope, bounds) if calls is None else calls
            parts = fraction(_judged(calls, target), target.definition)
        found.append(
            BridgeFigure(
                definition=target.definition,
                limit_seconds=target.limit_seconds,
                short_abandon_seconds=target.short_abandon_seconds,
                reason=reason,
                good=parts[0] if parts else None,
                of=parts[1] if parts else None,
            )
        )
    return tuple(found)


async def _calls(store: ReportStore, scope: Scope, bounds: tuple[datetime, datetime]) -> list[StoredCall]:
    found = []
    for queue in scope.queues or (None,):
        found += [call for call in await store.calls(*bounds, queue, visits_from=None) if call.inside]
    return found


def _judged(calls: Iterable[StoredCall], target: Target) -> Counts:
    numbers: dict[str, int] = {}
    for call in calls:
        if call.is_derived and call.counted_as:
            kept = call.counted_as in _KEPT
            field = call.counted_as if kept else judge(call.outcome, call.judged_ms, target)
            numbers[field] = numbers.get(field, 0) + 1
    return Counts(**numbers)
