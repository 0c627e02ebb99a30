"""Made-up snapshots for tests and screenshots: no engine stands behind them, but their numbers agree."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import anyio
from msgspec.structs import replace

from queue_monitor.events import EntryReason
from queue_monitor.model import (
    Acknowledgement,
    Alert,
    AlertChange,
    AlertFigures,
    AlertKind,
    AlertLevel,
    AlertReason,
    AlertsNow,
    Attempt,
    Banner,
    Bar,
    CalendarDay,
    Counts,
    Coverage,
    Crisis,
    Difference,
    DifferenceCause,
    DifferenceRecord,
    Disagreement,
    Hours,
    HoursDoubt,
    ImportRecord,
    JournalNow,
    Level,
    LostCall,
    Notice,
    NoticeState,
    Outcome,
    Period,
    QueueNow,
    RecordedAlert,
    RepeatDay,
    RiskCause,
    RiskFigures,
    Snapshot,
    SourceNow,
    Staff,
    Status,
    StatusReason,
    StoredCall,
    StoredVisit,
    Target,
    TransferWaits,
    Verdict,
    WaitBuckets,
    WaitFigures,
    WaitingNow,
    WeekSlot,
)
from queue_monitor.ports import StoreError
from tests.scenario import office_hours

ZONE = ZoneInfo("Europe/Stockholm")
MONDAY = date(2026, 3, 2)
EDGES = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0)
TARGET = Target(since=date(2026, 1, 1))
MONTH = Counts(answered_in_time=8200, answered_late=700, abandoned_short=500, abandoned_in_time=450, abandoned_late=150)
DAY = Counts(
    answered_in_time=232,
    answered_late=9,
    abandoned_short=4,
    abandoned_in_time=3,
    abandoned_late=1,
    timeout=1,
    refused_full=2,
    refused_unknown=1,
    waiting_in_time=3,
)
NAMES = (
    "Kundcenter",
    "Bygglov",
    "Socialtjänst",
    "Förskola och skola",
    "support|luleå",
    "Avfall och återvinning",
    "Parkering",
    "Tomter och mark",
    "Överförmyndare",
    "Färdtjänst",
    "Bostadsanpassning",
    "Vatten och avlopp",
    "Kultur och fritid",
    "Näringsliv",
    "Gator och vägar",
    "Äldreomsorg",
    "Försörjningsstöd",
    "Miljö och hälsa",
    "Konsument- och skuldrådgivning",
    "Växel internt",
)


def local(hour: int, minute: int = 0, second: int = 0, day: date = MONDAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=ZONE).astimezone(UTC)


def shares(counts: Counts) -> dict[str, float | None]:
    """D1 to D5 (docs/definitions.md), for a sample only; those who wait within the limit are not counted yet."""
    good, late = counts.answered_in_time, counts.answered_late
    short, middle, long = counts.abandoned_short, counts.abandoned_in_time, counts.abandoned_late
    others = long + counts.left_otherwise + counts.waiting_late

    def of(part: int, whole: int) -> float | None:
        return part / whole if whole else None

    return {
        "D1": of(good, good + late),
        "D2": of(good, good + late + short + middle + others),
        "D3": of(good, good + late + middle + others),
        "D4": of(good, good + late + others),
        "D5": of(good + short + middle, good + late + short + middle + others),
    }


def period(
    name: str,
    counts: Counts,
    *,
    at: datetime,
    level: Level = Level.CONTACT,
    coverage: Coverage | None = None,
    outside_hours: Counts | None = None,
    precision_seconds: float = 0.0,
) -> Period:
    levels = shares(counts)
    settled = counts.entered - counts.unjudged - counts.excluded
    good = counts.answered_in_time
    answered = counts.answered_in_time + counts.answered_late
    return Period(
        name=name,
        level=level,
        start=at - timedelta(hours=2),
        end=at,
        counts=counts,
        outside_hours=outside_hours or Counts(),
        service_level=levels,
        headline=levels["D2"],
        floor=good / settled if settled else None,
        ceiling=(good + counts.waiting_in_time) / settled if settled else None,
        misses=settled - good - counts.waiting_in_time,
        refused_ratio=counts.refused / counts.dialled if counts.dialled else None,
        including_refused=good / (settled + counts.refused) if settled else None,
        waits=WaitFigures(
            answered=answered,
            mean_seconds=81.5,
            p50_seconds=48.0,
            p90_seconds=262.0,
            p99_seconds=511.0,
            max_seconds=604.2,
            over_10_min_ratio=0.004,
        )
        if answered
        else WaitFigures(),
        coverage=coverage or (Coverage(seen_minutes=130, recovered_minutes=2) if counts.entered else Coverage()),
        precision_seconds=precision_seconds,
    )


def periods(day: Counts, month: Counts, at: datetime) -> dict[str, Period]:
    short = Counts(answered_in_time=9, answered_late=2, abandoned_in_time=1) if day.entered else Counts()
    return {
        "15min": period("15min", short, at=at),
        "30min": period("30min", short + short, at=at),
        "60min": period("60min", short + short + short, at=at),
        "day": period("day", day, at=at),
        "month": period("month", month, at=at),
        "tertial": period("tertial", month + month, at=at),
    }


def waiting(queue: str, *seconds: float, ringing: int = 0) -> tuple[WaitingNow, ...]:
    return tuple(
        WaitingNow(
            visit_id=f"pbx:{queue}-{position}",
            queue=queue,
            position=position,
            entered_at=None,
            wait_ms=int(wait * 1000),
            queue_wait_ms=int(wait * 1000),
            ringing=position <= ringing,
            start_known=True,
        )
        for position, wait in enumerate(seconds, start=1)
    )


OK = Verdict(status=Status.OK, reason=StatusReason.WITHIN_TARGET)
RISK = Verdict(status=Status.AT_RISK, reason=StatusReason.UNDER_TARGET_SO_FAR, under_target_now=True)
LOST = Verdict(status=Status.OUT_OF_REACH, reason=StatusReason.PERIOD_LOST, under_target_now=True)
EARLY = Verdict(status=Status.TOO_EARLY, reason=StatusReason.TOO_EARLY)
REFUSED = Verdict(status=Status.AT_RISK, reason=StatusReason.MANY_REFUSED)
NO_CALLS = Verdict(status=Status.NO_DATA, reason=StatusReason.NO_CALLS)
DOWN = Verdict(status=Status.NO_DATA, reason=StatusReason.SOURCE_DOWN)
STAFF = Staff(known=True, staffed=9, available=3, ringing=1, busy=3, wrapup=1, paused=1, logged_out=4)


def queue(
    name: str,
    *callers: WaitingNow,
    day: Counts = DAY,
    month: Counts = MONTH,
    at: datetime,
    verdict: Verdict = OK,
    staff: Staff = STAFF,
    talking: int = 4,
    open: bool = True,  # noqa: A002
    queues: tuple[str, ...] = (),
    expected_wait_seconds: float | None = None,
) -> QueueNow:
    return QueueNow(
        name=name,
        label=name,
        queues=queues or (name,),
        waiting=callers,
        oldest_wait_ms=max((caller.wait_ms for caller in callers), default=None),
        ringing=sum(caller.ringing for caller in callers),
        talking=talking,
        staff=staff,
        verdict=verdict,
        periods=periods(day, month, at),
        visits_today=period("day", day, at=at, level=Level.VISIT),
        open=open,
        expected_wait_seconds=expected_wait_seconds,
    )


def curve(until: datetime, scale: float = 1.0) -> tuple[Bar, ...]:
    """Half hours of a whole day, as a day at a municipality goes: two tops, a dip at lunch."""
    shape = (14, 26, 31, 34, 29, 24, 19, 16, 21, 27, 25, 22, 18, 15, 12, 10, 8, 5)
    bars = []
    for half in range(48):
        start = local(0) + timedelta(minutes=30 * half)
        place = half - 16
        if not 0 <= place < len(shape) or start > until:
            bars.append(Bar(start=start, counts=Counts(), headline=None, floor=None))
            continue
        calls = int(shape[place] * scale)
        late = {2: 5, 3: 8, 4: 4, 9: 2}.get(place, 0)
        lost = {2: 2, 3: 4, 4: 2, 8: 1, 9: 1}.get(place, 0)
        still = 3 if start + timedelta(minutes=30) > until else 0
        counts = Counts(
            answered_in_time=max(0, calls - late - lost - still),
            answered_late=late,
            abandoned_in_time=lost,
            waiting_in_time=still,
        )
        bars.append(Bar(start=start, counts=counts, headline=shares(counts)["D2"], floor=None))
    return tuple(bars)


def buckets(*answered: float) -> WaitBuckets:
    def cumulative(waits: Sequence[float]) -> tuple[int, ...]:
        return (*(sum(wait <= edge for wait in waits) for edge in EDGES), len(waits))

    return WaitBuckets(
        edges=EDGES,
        answered=cumulative(answered),
        answered_sum_seconds=float(sum(answered)),
        abandoned=cumulative((12.0, 320.0)),
        abandoned_sum_seconds=332.0,
    )


def source(
    at: datetime,
    *,
    up: bool = True,
    switch: str = "pbx",
    name: str = "urn:kc:asterisk_ami:pbx",
    since: datetime | None = None,
) -> SourceNow:
    return SourceNow(
        name=name,
        switch=switch,
        up=up,
        since=since or local(6),
        last_event_at=at if up else since,
        reason="" if up else "Connection refused",
        clock_offset_ms=-12.5 if up else None,
        gap_seconds_total=0.0 if up else 95.0,
        is_log=False,
        precision_ms=1,
    )


def snapshot(
    at: datetime,
    queues: Sequence[QueueNow],
    total: QueueNow,
    *,
    sources: Sequence[SourceNow] | None = None,
    hours: Hours | None = None,
    today: Sequence[Bar] | None = None,
    pools: Sequence[QueueNow] = (),
    totals: Mapping[str, Counts] | None = None,
) -> Snapshot:
    return Snapshot(
        at=at,
        rate=1.0,
        version="0.2.0",
        target=TARGET,
        organisation="Luleå kommun Kundcenter",
        time_zone="Europe/Stockholm",
        hours=hours or Hours(open=True, opens_at=local(8), closes_at=local(17)),
        total=total,
        queues=tuple(queues),
        pools=tuple(pools),
        agents=(),
        sources=(source(at),) if sources is None else tuple(sources),
        today=curve(at) if today is None else tuple(today),
        events={"applied": 2412, "duplicate": 31, "late": 2, "orphan": 0, "invalid": 1},
        rejected={"urn:kc:asterisk_ami:pbx bad_timestamp": 1},
        totals=dict(totals) if totals is not None else {face.name: face.visits_today.counts for face in queues},
        totals_waits={face.name: buckets(3.0, 48.0, 300.0, 300.001) for face in queues},
        ring_results={face.name: {"answered": 229, "no_answer": 14} for face in queues},
        journal=JournalNow(),
    )


def calm(at: datetime | None = None) -> Snapshot:
    """One queue, three wait, all is well."""
    at = at or local(10, 12)
    callers = waiting("Kundcenter", 102.4, 64.0, 8.0, ringing=1)
    one = queue("Kundcenter", *callers, at=at, expected_wait_seconds=95.0)
    return snapshot(at, [one], replace(one, name=""))


def no_calls() -> Snapshot:
    """Just opened: everybody is there, nobody has called."""
    at = local(8, 0, 20)
    free = Staff(known=True, staffed=6, available=6)
    one = queue("Kundcenter", at=at, day=Counts(), verdict=NO_CALLS, staff=free, talking=0)
    return snapshot(at, [one], replace(one, name=""), today=curve(local(7)))


def blind(face: QueueNow) -> QueueNow:
    """A queue of which nothing was seen today while it was open."""
    day = replace(face.periods["day"], coverage=Coverage(blind_minutes=120))
    return replace(face, periods=face.periods | {"day": day}, verdict=DOWN)


def empty() -> Snapshot:
    """The first start: no source, no queue, no call, no agent ever heard of."""
    at = local(10, 12)
    nothing = queue(
        "",
        at=at,
        day=Counts(),
        month=Counts(),
        verdict=Verdict(status=Status.NO_DATA, reason=StatusReason.NO_SOURCE),
        staff=Staff(),
        talking=0,
    )
    return snapshot(at, [], nothing, sources=[], today=())


def seen() -> Snapshot:
    """The rush, of a switch whose log shows some of those who answer."""

    def only_seen(face: QueueNow) -> QueueNow:
        return replace(face, staff=replace(face.staff, known=False, seen=True))

    shown = rush()
    return replace(shown, total=only_seen(shown.total), queues=tuple(map(only_seen, shown.queues)))


def rush() -> Snapshot:
    """Six queues at ten in the morning; somebody has waited past five minutes."""
    at = local(10, 42)
    busy = Staff(known=True, staffed=9, available=0, ringing=1, busy=7, wrapup=1, paused=2)
    day = Counts(
        answered_in_time=245,
        answered_late=31,
        abandoned_short=7,
        abandoned_in_time=9,
        abandoned_late=6,
        callback=2,
        waiting_in_time=8,
        waiting_late=3,
        refused_full=4,
    )
    some = Counts(answered_in_time=38, answered_late=2, abandoned_short=1, waiting_in_time=1)
    bad = Counts(answered_in_time=60, answered_late=19, abandoned_late=4, waiting_in_time=3, waiting_late=3)
    waits: dict[str, tuple[float, ...]] = {
        "Kundcenter": (342.0, 318.0, 305.0, 280.0, 190.0, 44.0),
        "Bygglov": (241.0, 120.0),
        "Socialtjänst": (61.0,),
        "Förskola och skola": (15.0, 4.0),
        "support|luleå": (),
        "Avfall och återvinning": (),
    }
    queues = [
        queue(
            name,
            *waiting(name, *seconds),
            at=at,
            day=bad if name == "Kundcenter" else some,
            verdict=RISK if name == "Kundcenter" else OK,
            staff=replace(busy, staffed=4, available=1 if not seconds else 0, busy=3),
        )
        for name, seconds in waits.items()
    ]
    everybody = [caller for one in queues for caller in one.waiting]
    total = queue(
        "",
        *everybody,
        at=at,
        day=day,
        verdict=RISK,
        staff=busy,
        talking=7,
        queues=tuple(waits),
        expected_wait_seconds=310,
    )
    pool = replace(total, name="Bygglov, Kundcenter", queues=("Bygglov", "Kundcenter"))
    return snapshot(at, queues, total, pools=[pool])


def out_of_reach() -> Snapshot:
    """Half past three on a day that cannot be saved."""
    at = local(15, 30)
    day = replace(DAY, answered_late=96, abandoned_late=41)
    one = queue("Kundcenter", *waiting("Kundcenter", 222.0), at=at, day=day, verdict=LOST)
    return snapshot(at, [one], replace(one, name=""))


def too_early() -> Snapshot:
    """Ten minutes after opening, with a few calls."""
    at = local(8, 10)
    one = queue("Kundcenter", *waiting("Kundcenter", 12.0), at=at, day=Counts(answered_in_time=6), verdict=EARLY)
    return snapshot(at, [one], replace(one, name=""))


def dead_source() -> Snapshot:
    """The switch has not been reached since 10.12; what was last heard is not vouched for."""
    before, at = local(10, 12), local(10, 15)
    one = queue("Kundcenter", *waiting("Kundcenter", 240.0, 190.0), at=at, verdict=DOWN)
    return snapshot(at, [one], replace(one, name=""), sources=[source(at, up=False, since=before)])


def night() -> Snapshot:
    """Friday evening: closed, nobody waits."""
    friday, monday = date(2026, 3, 6), date(2026, 3, 9)
    at = local(21, 4, day=friday)
    nobody = Staff(known=True, logged_out=13)
    day = replace(DAY, waiting_in_time=0)
    one = queue("Kundcenter", at=at, day=day, staff=nobody, talking=0, open=False)
    hours = Hours(open=False, opens_at=local(8, day=monday), closes_at=None)
    return snapshot(at, [one], replace(one, name=""), hours=hours)


def crisis_at_night() -> Snapshot:
    """The same evening while a crisis goes on that somebody declared in the afternoon."""
    declared = Crisis(since=local(15, 20, day=date(2026, 3, 6)), reason="vattenläcka på Porsön, inget vatten i natt")
    stands = replace(
        alert(AlertKind.CRISIS, since=declared.since), queue="", queues=(), figures=AlertFigures(crisis=declared)
    )
    return replace(night(), alerts=AlertsNow(open=(stands,), crisis=declared))


def refused(base: Snapshot) -> Snapshot:
    """The same where nearly all who entered were answered in time, and far more were refused."""
    reason = StatusReason.MANY_REFUSED if base.hours.open else StatusReason.PERIOD_REFUSED
    verdict = Verdict(status=Status.AT_RISK, reason=reason, under_target_now=False)
    day = Counts(answered_in_time=1185, refused_full=6815)
    return replace(base, total=replace(base.total, verdict=verdict, periods=periods(day, day, base.at)))


def long_names() -> Snapshot:
    """Six queues whose names hardly fit anywhere, where somebody waits too long in each."""
    return many(tuple(f"Samhällsbyggnadsförvaltningens expedition för bygglov och kartor {n}" for n in range(6)), 6)


def alert(
    kind: AlertKind,
    label: str = "Kundcenter",
    *,
    level: AlertLevel = AlertLevel.ALARM,
    period: str = "now",
    since: datetime | None = None,
    change: AlertChange = AlertChange.RAISED,
) -> Alert:
    """One that stands. Its own title and text hold advice and margin, which are not for the room."""
    return Alert(
        episode=f"{kind.value}-{label}".replace(" ", "_"),
        at=since or local(10, 31),
        queue=label,
        label=label,
        kind=kind,
        period=period,
        level=level,
        change=change,
        reason=AlertReason.CHANCE_OF_MISSING,
        figures=AlertFigures(limit_seconds=300),
        title=f"Kl. 10.31 – {label}: hemlig rubrik.",
        text="Två till i telefonkön fram till kl. 11.30 beräknas räcka.",
    )


def alerted() -> Snapshot:
    """The rush, with what stands at the time: worst first, as the lifecycle sorts them."""
    standing = (
        alert(AlertKind.TARGET_AT_RISK, period="day"),
        alert(AlertKind.LONG_WAIT, level=AlertLevel.WARNING, since=local(10, 40)),
        alert(AlertKind.SURGE, "Bygglov", change=AlertChange.EASED),
    )
    taken = Acknowledgement(episode=standing[0].episode, at=local(10, 35), by="Anna Berg")
    return replace(rush(), alerts=AlertsNow(open=standing, acknowledgements={taken.episode: taken}))


def twenty(late: int = 2) -> Snapshot:
    """Twenty queues; in the last `late` of them somebody has waited past five minutes."""
    return many(NAMES, late)


def many(names: tuple[str, ...], late: int = 2) -> Snapshot:
    """The same with queues of these names."""
    at = local(10, 42)
    queues = []
    for number, name in enumerate(names):
        past = number >= len(names) - late
        callers = waiting(name, 330.0 + number, 20.0) if past else waiting(name, *(25.0 * n for n in range(number % 4)))
        day = Counts(answered_in_time=20 + number, answered_late=number % 4, abandoned_short=number % 3)
        few = Staff(known=True, staffed=3 + number % 5, available=number % 4, busy=2)
        queues.append(queue(name, *callers, at=at, day=day, staff=few, verdict=RISK if past else OK))
    everybody = [caller for one in queues for caller in one.waiting]
    total = queue("", *everybody, at=at, verdict=OK, talking=31, queues=names)
    return snapshot(at, queues, total)


def lost(queue: str, entered_at: datetime, seconds: float, counted_as: str) -> LostCall:
    return LostCall(
        queue=queue,
        last_queue=queue,
        entered_at=entered_at,
        lost_at=entered_at + timedelta(seconds=seconds),
        wait_seconds=seconds,
        outcome=Outcome.ABANDONED,
        counted_as=counted_as,
        is_short=counted_as == "abandoned_short",
        is_late=seconds > TARGET.limit_seconds,
        early=False,
        in_opening_hours=True,
    )


PASSED_ON = (TransferWaits(queue="Bygglov", calls=7, answered=5, waiting=1, mean_seconds=94.0, longest_seconds=311.0),)
DIFFERENCES = tuple(
    DifferenceRecord(
        day=date(2026, 3, 1),
        difference=Difference(
            switch="pbx",
            queue=queue,
            counter="completed",
            switch_says=412,
            ledger_says=412 + difference,
            difference=difference,
            since=local(6) - timedelta(days=4),
            until=local(0) - timedelta(seconds=3),
            cause=cause,
        ),
    )
    for queue, difference, cause in (
        ("Bygglov", 0, DifferenceCause.NONE),
        ("Kundcenter", -3, DifferenceCause.GAP),
    )
)
"""Yesterday's; there are some where the snapshot has comparisons."""

DOUBTS = (
    Disagreement(
        queue="Bygglov",
        day=MONDAY,
        doubt=HoursDoubt.REFUSED_WHILE_OPEN,
        calls=3,
        first=local(9, 2),
        last=local(9, 20),
    ),
)
LOST_CALLS = (
    lost("Kundcenter", local(8, 3), 12.5, "abandoned_short"),
    lost("Bygglov", local(9, 14), 341.0, "abandoned_late"),
)


def stored(number: int, queue: str, at: datetime, wait_seconds: float, counted_as: str) -> StoredCall:
    """A call as history lists it, with its one stay."""
    outcome = Outcome.ANSWERED if counted_as.startswith("answered") else Outcome.ABANDONED
    ended, wait_ms = at + timedelta(seconds=wait_seconds), round(wait_seconds * 1000)
    stay = StoredVisit(
        queue=queue,
        switch="pbx",
        entered_at=at,
        ended_wait_at=ended,
        completed_at=ended + timedelta(minutes=3) if outcome is Outcome.ANSWERED else None,
        outcome=outcome,
        counted_as=counted_as,
        inside=True,
        early=False,
        wait_ms=wait_ms,
        judged_ms=wait_ms,
        talk_ms=180_000 if outcome is Outcome.ANSWERED else None,
        ended_by=None,
        agent="5f1c2ab87d90e3f4" if outcome is Outcome.ANSWERED else None,
        entry_reason=EntryReason.DIRECT,
        next_queue=None,
        key=None,
        rings=1,
        precision_ms=1,
        start_known=True,
    )
    return StoredCall(
        id=f"{number:032x}",
        at=at.replace(second=0, microsecond=0),
        first_queue=queue,
        entered_at=at,
        settled_at=ended,
        outcome=outcome,
        counted_as=counted_as,
        inside=True,
        early=False,
        wait_ms=wait_ms,
        judged_ms=wait_ms,
        wait_after_transfer_ms=0,
        called_back_ms=None,
        start_known=True,
        precision_ms=1,
        reached_later=None,
        rules="3f8d21c0aa17",
        is_derived=True,
        visits=(stay,),
    )


CALLS = (
    stored(1, "Kundcenter", local(8, 3), 12.5, "abandoned_short"),
    stored(2, "Kundcenter", local(8, 3), 30.0, "answered_in_time"),
    stored(3, "Bygglov", local(9, 14), 341.0, "abandoned_late"),
)


def all_at_once() -> Snapshot:
    """The worst screenful: twenty queues, all late, alerts, a switch away and a journal that cannot be written."""
    crowded = twenty(20)
    away = source(crowded.at, up=False, switch="gamla", name="urn:kc:freeswitch:gamla", since=local(9, 58))
    return replace(
        crowded,
        alerts=alerted().alerts,
        sources=(source(crowded.at), away),
        journal=JournalNow(up=False, pending=12, lag_seconds=40.0, error="away"),
    )


def quarters(start: datetime, end: datetime, step: timedelta) -> list[Period]:
    """The made-up day of `curve`, cut otherwise."""
    bars, found = curve(end), []
    while start < end:
        counts = sum((bar.counts for bar in bars if start <= bar.start < start + step), Counts())
        cut = period("quarter", counts, at=start + step)
        found.append(replace(cut, start=start, end=start + step))
        start += step
    return found


RISK_AHEAD = RiskFigures(
    p_miss=0.91,
    expected_share=0.868,
    low=0.827,
    high=0.903,
    expected_calls=612.4,
    cause=RiskCause.CALLS,
    agents_for_queue=3,
    agents_for_day=2,
    agents_at_most=6,
    until=local(11, 30),
    margin_ends_at=local(10, 50),
)


def lead() -> Snapshot:
    """The rush with everything that the lead's page can show: forecast, chances, alerts, differences."""
    base = alerted()
    chances = (0.0, 0.0, 0.0, 0.04, 0.31, 0.78, 0.12, 0.66, 0.97, 0.99, 1.0)
    ordered = sorted(base.total.waiting, key=lambda caller: -caller.wait_ms)
    waits = tuple(
        replace(caller, position=place, in_time_chance=chance)
        for place, (caller, chance) in enumerate(zip(ordered, chances, strict=True), start=1)
    )
    outside = Counts(answered_in_time=1, abandoned_in_time=2, refused_closed=3)
    hours = (local(8), local(17))

    def ahead(face: QueueNow) -> QueueNow:
        day = replace(face.periods["day"], outside_hours=outside)
        return replace(
            face,
            waiting=tuple(caller for caller in waits if caller.queue in face.queues),
            day_hours=hours,
            risk=RISK_AHEAD,
            month_risk=RiskFigures(p_miss=0.12, expected_share=0.924, expected_calls=11_200.0),
            margins={"day": 14, "month": 203},
            wait_range_seconds=(150.0, 420.0),
            unlikely=5,
            periods=face.periods | {"day": day},
        )

    queues = tuple(map(ahead, base.queues))
    total = ahead(base.total)
    pool = replace(total, name=" + ".join(total.queues), label="Alla köer")
    differences = (
        Difference(
            switch="pbx",
            queue="Kundcenter",
            counter="let_go",
            switch_says=19,
            ledger_says=17,
            difference=-2,
            since=local(6),
            until=base.at,
            cause=DifferenceCause.BOOKING,
        ),
    )
    return replace(base, total=total, queues=queues, pools=(pool,), reconciliation=differences)


def recorded(alert: Alert, *, by: str = "") -> RecordedAlert:
    """An alarm that failed by SMS, went by mail, and was seen."""
    notice = Notice(
        id=f"n-{alert.episode}",
        alert=alert,
        recipient="teamledare",
        channel="sms",
        made_at=alert.at,
        due_at=alert.at,
        expires_at=alert.at + timedelta(minutes=30),
        state=NoticeState.FAILED,
        attempts=1,
    )
    mail = replace(notice, id=f"m-{alert.episode}", channel="mejl", state=NoticeState.SENT, fallback_of=notice.id)
    later = alert.at + timedelta(seconds=40)

    def tried(what: Notice, at: datetime, result: str) -> Attempt:
        return Attempt(notice=what.id, number=1, at=at, channel=what.channel, recipient=what.recipient, result=result)

    return RecordedAlert(
        episode=alert.episode,
        changes=(alert,),
        notices=(notice, mail),
        attempts=(tried(notice, alert.at, "unreachable"), tried(mail, later, "sent")),
        acknowledgement=Acknowledgement(episode=alert.episode, at=later + timedelta(minutes=3), by=by) if by else None,
    )


class FakeAlerts:
    """The doors of the lead's page to the alerts: the record, who acknowledged what, and the crisis."""

    def __init__(self, record: Sequence[RecordedAlert] = (), away: bool = False) -> None:
        self.record = list(record)
        self.away = away
        self.acknowledged: list[tuple[str, str]] = []
        self.crisis: Crisis | None = None
        self.banner: Banner | None = None

    async def alert_record(self, start: datetime, end: datetime) -> list[RecordedAlert]:
        if self.away:
            raise StoreError("away")
        return self.record

    def find(self, link: str) -> tuple[Alert, str] | None:
        return None

    def is_acknowledged(self, alert: Alert) -> bool:
        return any(alert.episode == episode for episode, _ in self.acknowledged)

    async def acknowledge(self, alert: Alert, by: str = "") -> None:
        self.acknowledged.append((alert.episode, by))

    async def declare(self, crisis: Crisis) -> None:
        self.crisis = crisis

    async def end_crisis(self) -> None:
        self.crisis = None

    async def show_banner(self, banner: Banner | None) -> None:
        self.banner = banner


class FakeFigures:
    """A reader door that says what it was told; `show` publishes the next snapshot."""

    def __init__(self, first: Snapshot) -> None:
        self._latest = first
        self._news: list[anyio.Event] = []
        self.asked: list[tuple[datetime, datetime, str, Level, str | tuple[str, ...] | None]] = []

    def latest(self) -> Snapshot:
        return self._latest

    def show(self, newer: Snapshot) -> None:
        """Only from the event loop that serves."""
        self._latest = newer
        news, self._news = self._news, []
        for one in news:
            one.set()

    async def changes(self) -> AsyncIterator[Snapshot]:
        seen: Snapshot | None = None
        while True:
            if self._latest is seen:
                one = anyio.Event()
                self._news.append(one)
                await one.wait()
            seen = self._latest
            yield seen

    async def intervals(
        self, start: datetime, end: datetime, step: str, level: Level, queue: str | tuple[str, ...] | None
    ) -> list[Period]:
        self.asked.append((start, end, step, level, queue))
        if end - start > timedelta(days=4000):
            raise ValueError("Så långt tillbaka finns inga siffror.")
        if cut := {"quarter": timedelta(minutes=15), "hour": timedelta(hours=1)}.get(step):
            return quarters(start, end, cut)
        return [period(step, DAY, at=end, level=level)]

    async def week_map(
        self, start: datetime, end: datetime, queue: str | tuple[str, ...] | None = None
    ) -> list[WeekSlot]:
        return []

    async def imports(self, first: date, last: date) -> list[ImportRecord]:
        return []

    async def repeat_callers(self, first: date, last: date) -> list[RepeatDay]:
        return []

    async def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        return [call for call in LOST_CALLS if queue in (None, call.queue)]

    async def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        return list(PASSED_ON)

    async def differences(self, first: date, last: date) -> list[DifferenceRecord]:
        if not self._latest.reconciliation:
            return []
        today = self._latest.at.astimezone(ZONE).date()
        found = [DifferenceRecord(day=today, difference=each) for each in self._latest.reconciliation]
        return [each for each in (*DIFFERENCES, *found) if first <= each.day <= last]

    async def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        return list(DOUBTS)

    async def calls(
        self, start: datetime, end: datetime, queue: str | None, after: tuple[datetime, str] | None, limit: int
    ) -> list[StoredCall]:
        found = [call for call in CALLS if start <= call.at < end and queue in (None, call.first_queue)]
        return [call for call in found if after is None or (call.at, call.id) > after][:limit]

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        return office_hours().days(first, last)
