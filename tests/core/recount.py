"""The slow and plain way to every count: each call is placed by itself, and each question looks at all of them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

from msgspec import structs

from queue_monitor.core.live import Live
from queue_monitor.core.service_level import judge
from queue_monitor.events import EntryReason
from queue_monitor.model import CallsOfMinute, Counts, Level, Outcome, Placement, SumRow, WaitFigures
from queue_monitor.waits import WaitTally
from tests.scenario import STOCKHOLM

BROUGHT_BY = {
    reason: f"by_{reason.value}"
    for reason in EntryReason
    if reason in ("overflow", "transfer", "reentry", "resume", "callback", "unknown")
}


def placements(live: Live) -> Iterator[Placement]:
    """Where every settled call that the ledger holds counts, and every refused caller at both levels."""
    windows = live.windows
    for contact in live.ledger.contacts():
        if contact.outcome is not Outcome.WAITING and (judged := windows.place_settled(contact)):
            recorded = contact.outcome is Outcome.ANSWERED and contact.start_known and judged.wait_ms is not None
            field = windows.field_of(contact, judged)
            yield Placement(*judged.place, field, judged.early, judged.wait_ms, recorded)
    for visit in live.ledger.visits():
        ended = visit.ended_wait_at or visit.entered_at or datetime(1970, 1, 1, tzinfo=UTC)
        if visit.outcome is not Outcome.WAITING and (judged := windows.place_visit(visit, ended)):
            recorded = visit.outcome is Outcome.ANSWERED and visit.start_known and judged.wait_ms is not None
            minute = judged.place.minute
            exits = windows.exit_policy(visit.queue, minute)
            field = judge(visit.outcome, judged.wait_ms, windows.target_at(minute), exits)
            brought_by = BROUGHT_BY.get(visit.entry_reason, "")
            yield Placement(*judged.place, field, judged.early, judged.wait_ms, recorded, brought_by)
    for refusal in live.ledger.refusals():
        judged = windows.place_refusal(refusal)
        for level in Level:
            yield Placement(*judged.place._replace(level=level), f"refused_{refusal.reason.value}")


def minutes(found: Iterable[Placement]) -> list[CallsOfMinute]:
    """The same calls as a store adds them up."""
    alike: defaultdict[CallsOfMinute, list[Placement]] = defaultdict(list)
    for p in found:
        alike[CallsOfMinute(p.level, p.queue, p.inside, p.minute, p.field, p.early, p.brought_by, 0)].append(p)
    return [structs.replace(its, number=len(ps), waits_ms=tuple(waited(ps))) for its, ps in alike.items()]


def counted(found: Iterable[Placement]) -> Counts:
    """The counts of some calls."""
    fields: Counter[str] = Counter()
    for placement in found:
        fields[placement.field] += 1
        fields["early"] += placement.early
        if placement.brought_by:
            fields[placement.brought_by] += 1
    return Counts(**fields)


def waited(found: Iterable[Placement]) -> list[int]:
    """The waits in ms that a histogram of some calls holds, shortest first."""
    return sorted(p.judged_ms for p in found if p.recorded and p.judged_ms is not None)


def is_within_one_percent(figures: WaitFigures, waits: list[int]) -> bool:
    """Whether figures of waits are those of these waits: exact, percentiles within 1 %."""
    if not waits:
        return figures == WaitFigures()
    if (figures.answered, figures.max_seconds) != (len(waits), waits[-1] / 1000):
        return False
    for percent, found in ((50, figures.p50_seconds), (90, figures.p90_seconds), (99, figures.p99_seconds)):
        right = waits[max(0, -(-len(waits) * percent // 100) - 1)] / 1000
        if found is None or abs(found - right) > 0.01 * right:
            return False
    return figures.mean_seconds is not None and abs(figures.mean_seconds * 1000 * len(waits) - sum(waits)) < 1e-3


def day_of(placement: Placement) -> date:
    return datetime.fromtimestamp(placement.minute * 60, STOCKHOLM).date()


def sums_by_day(found: Iterable[Placement]) -> list[SumRow]:
    """The rows that a store would hold of some calls."""
    parts: defaultdict[tuple[Level, str, bool, date], list[Placement]] = defaultdict(list)
    for placement in found:
        parts[placement.level, placement.queue, placement.inside, day_of(placement)].append(placement)
    rows = []
    for (level, queue, inside, day), its in parts.items():
        tally = WaitTally()
        for wait in waited(its):
            tally.record(wait)
        start = datetime(day.year, day.month, day.day, tzinfo=STOCKHOLM).astimezone(UTC)
        rows.append(
            SumRow(level=level, queue=queue, inside=inside, start=start, counts=counted(its), waits=tally.sums())
        )
    return rows
