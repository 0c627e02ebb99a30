"""Calls as the pipeline hands them to the store, and what their sums must be, added up one by one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import structs

from queue_monitor.events import Event, RefusalReason
from queue_monitor.model import (
    CallRecord,
    Contact,
    Counts,
    JournalBatch,
    Level,
    Outcome,
    Placement,
    Refusal,
    RefusalRecord,
    SumRow,
    Visit,
)
from queue_monitor.store import SqlStore
from queue_monitor.waits import WaitTally
from tests.store.calls import START

ZONE = ZoneInfo("Europe/Stockholm")
EVER = datetime(1990, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def placement(
    seconds: float, field: str = "answered_in_time", *, level: Level = Level.CONTACT, queue: str = "kundcenter",
    inside: bool = True, early: bool = False, wait_ms: int | None = None, brought_by: str = "",
) -> Placement:  # fmt: skip
    minute = int((START + timedelta(seconds=seconds)).timestamp()) // 60
    recorded = wait_ms is not None and field.startswith("answered")
    return Placement(level, queue, inside, minute, field, early, wait_ms, recorded, brought_by)


def call(
    name: str, seconds: float = 0, field: str = "answered_in_time", *, queue: str = "kundcenter",
    wait_ms: int | None = 12_000, inside: bool = True, known: bool = False, agent: str | None = "växel:anna",
    evidence: bytes | None = None, visits: int = 1, brought_by: str = "",
) -> CallRecord:  # fmt: skip
    """A caller with that many visits, each a minute after the one before; waits still when `field` is empty."""
    entered = START + timedelta(seconds=seconds)
    waits = not field
    outcome = Outcome.WAITING if waits else Outcome.ANSWERED if field.startswith("answered") else Outcome.ABANDONED
    ended = None if waits else entered + timedelta(milliseconds=wait_ms or 0)
    its = tuple(
        Visit(
            visit_id=f"växel:{name}@{number}", contact_id=f"växel:{name}", leg_id=f"växel:{name}", switch="växel",
            source="urn:kc:test:växel", queue=queue, entered_at=entered + timedelta(minutes=number),
            ended_wait_at=ended, outcome=outcome, wait_ms=None if waits else wait_ms, agent_id=agent,
        )
        for number in range(visits)
    )  # fmt: skip
    placed = [
        None
        if waits
        else placement(
            seconds + 60 * number, field, level=Level.VISIT, queue=queue, inside=inside, wait_ms=wait_ms,
            brought_by=brought_by if number else "",
        )
        for number in range(visits)
    ]  # fmt: skip
    return CallRecord(
        contact_id=f"växel:{name}",
        contact=Contact(
            contact_id=f"växel:{name}", first_queue=queue, entered_at=entered, outcome=outcome,
            visit_ids=tuple(visit.visit_id for visit in its), wait_ms=None if waits else wait_ms, settled_at=ended,
        ),
        visits=its,
        placed=None if waits else placement(seconds, field, queue=queue, inside=inside, wait_ms=wait_ms),
        visits_placed=tuple(placed),
        evidence=evidence if evidence is not None else f"{name} {seconds} {field}".encode(),
        keys=(f"växel {name}", *(f"växel {visit.visit_id}" for visit in its)),
        last_at=ended or entered,
        is_open=waits,
        is_known=known,
        rules="r1",
    )  # fmt: skip


def gone(name: str) -> CallRecord:
    return CallRecord(contact_id=f"växel:{name}", contact=None, is_known=True)


def refused(name: str, seconds: float = 0, reason: RefusalReason = RefusalReason.CLOSED) -> RefusalRecord:
    at = START + timedelta(seconds=seconds)
    return RefusalRecord(
        refusal=Refusal(
            source="urn:kc:test:växel", switch="växel", contact_id=f"växel:{name}", leg_id=f"växel:{name}",
            queue="kundcenter", reason=reason, at=at,
        ),
        placed=placement(seconds, f"refused_{reason.value}", inside=False),
    )  # fmt: skip


def batch(*calls: CallRecord, events: Iterable[Event] = (), **others: object) -> JournalBatch:
    return JournalBatch(events=tuple(events), received_at=START, calls=calls, **others)  # type: ignore[arg-type]


async def all_sums(store: SqlStore, step: str) -> list[SumRow]:
    found = [row for level in Level for row in await store.sums(level, None, *EVER, step)]
    return sorted(found, key=_order)


def recounted(placements: Iterable[Placement], step: str) -> list[SumRow]:
    """The sums of these, each added up by itself."""
    counts: dict[tuple[Level, str, bool, datetime], dict[str, int]] = {}
    waits: dict[tuple[Level, str, bool, datetime], WaitTally] = {}
    for each in placements:
        start = datetime.fromtimestamp(each.minute * 60, UTC)
        if step == "quarter":
            start = start.replace(minute=start.minute // 15 * 15)
        else:
            local = start.astimezone(ZONE)
            start = local.replace(hour=0, minute=0, second=0, fold=0).astimezone(UTC)
        key = each.level, each.queue, each.inside, start
        its = counts.setdefault(key, {})
        for field in (each.field, "early" if each.early else "", each.brought_by):
            if field:
                its[field] = its.get(field, 0) + 1
        tally = waits.setdefault(key, WaitTally())
        if each.recorded and each.judged_ms is not None:
            tally.record(each.judged_ms)
    rows = [
        SumRow(
            level=key[0],
            queue=key[1],
            inside=key[2],
            start=key[3],
            counts=Counts(**counts[key]),
            waits=waits[key].sums(),
        )
        for key in counts
    ]
    return sorted(rows, key=_order)


def placements_of(calls: Iterable[CallRecord], refusals: Iterable[RefusalRecord] = ()) -> list[Placement]:
    found = [each for call in calls for each in (call.placed, *call.visits_placed) if each is not None]
    return found + [structs.replace(record.placed, level=level) for record in refusals for level in Level]


def _order(row: SumRow) -> tuple[object, ...]:
    return row.level, row.queue, row.inside, row.start
