"""The content of the wallboard, made once for each snapshot: only what it shows, the same bytes for every screen."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, structs

from queue_monitor import texts
from queue_monitor.api.json.shapes import StaffShape
from queue_monitor.api.json.status import staff_shape
from queue_monitor.api.pages.comparison import NOTHING, Comparisons, DaysBefore
from queue_monitor.api.pages.outlook import advice, fact_beside, reason
from queue_monitor.core import service_level
from queue_monitor.model import (
    BAR_MINUTES,
    UNHEARD,
    Alert,
    AlertChange,
    AlertKind,
    AlertsNow,
    Bar,
    BoardLayout,
    BoardPart,
    Hours,
    Period,
    QueueNow,
    Snapshot,
    SourceNow,
    Target,
)
from queue_monitor.model import Board as Wall
from queue_monitor.queues import keys_of, queue_key

AMBER: Final = 0.7
"""The share of the limit from which a wait is shown in amber: 3:30 of 5:00."""

_SHORTEST_CURVE: Final = timedelta(hours=4)
_NOT_FOR_THE_ROOM: Final = frozenset({AlertKind.SOURCE_SILENT, AlertKind.EVENT_SKIPPED, AlertKind.HEARTBEAT})
"""The alerts that no wall lists: a silent switch has its own banner, and a sign of life is for its recipient."""


def page_version() -> str:
    """Return a mark of the page's own files: a screen with older files reloads them by itself."""
    folder = Path(__file__).parents[1]
    files = sorted(file for part in ("static", "templates") for file in (folder / part).iterdir())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file())).hexdigest()[:16]


_OTHER_PAGES: Final = ("ack.", "alert.", "docs.", "error.", "lead.", "outcome.", "ready.", "sign_in.")
_PAGE: Final = page_version()

_ALL: Final = Wall(name="")
_encoder = msgspec.json.Encoder()


class BoardTarget(Struct, frozen=True, kw_only=True):
    ratio: float
    limit_seconds: int
    amber_seconds: float
    definition: str
    short_abandon_seconds: int
    refused_limit_ratio: float
    since: date | None


class BoardHours(Struct, frozen=True, kw_only=True):
    """The opening hours. `opening` is words by language; `open_queues` are open though the rest is closed."""

    open: bool
    open_queues: tuple[str, ...]
    closes_at: datetime | None
    note: str
    opening: dict[str, str]


class BoardPeriod(Struct, frozen=True, kw_only=True):
    """The numbers of one period, as the wallboard shows them."""

    entered: int
    answered: int
    abandoned: int
    left_otherwise: int
    refused: int
    refused_ratio: float | None
    headline: float | None
    meets_target: bool | None
    floor: float | None
    ceiling: float | None
    service_level: dict[str, float | None]
    coverage_ratio: float | None
    precision_seconds: float


class BoardQueue(Struct, frozen=True, kw_only=True):
    """One queue as shown. `trusted` is false when nobody can say whether these figures still hold.

    `unheard`: those among the waiting of whom nothing has been heard since their switch fell silent.
    """

    name: str
    open: bool
    trusted: bool
    waiting: int
    waiting_late: int
    unheard: int
    oldest_wait_ms: int | None
    talking: int
    expected_wait_seconds: float | None
    status: str
    reason: str
    under_target_now: bool
    staff: StaffShape
    day: BoardPeriod | None


class BoardBar(Struct, frozen=True, kw_only=True):
    """One bar of the day: each call that entered is in one of its parts.

    `in_time`: also those who were called back in time, where a setting counts that.
    `lost`: all others who no longer wait, those answered after a wait that is not known among them.
    """

    at: datetime
    in_time: int
    late: int
    lost: int
    waiting: int
    headline: float | None


class BoardCurve(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The day's picture. `yesterday` and `typical` (of the same weekday) are the calls of each step from `from_` on;
    empty where there is no history. `weekday`: Monday is 0.
    """

    from_: datetime
    to: datetime
    step_seconds: float
    bars: tuple[BoardBar, ...]
    weekday: int
    yesterday: tuple[float, ...] = ()
    typical: tuple[float, ...] = ()


class BoardAlert(Struct, frozen=True, kw_only=True):
    """One alert that stands, as the room may see it: no advice, no margin, and nobody's name.

    `episode`: the same for as long as the alert stands, so that a wall sounds once for it.
    `lower`: the trouble is less now than the level that raised the alert.
    `crisis`: somebody has declared it; it is shown at night too.
    `words`: the trouble in words, by language; shown before `label`.
    `label`: the queue or pool concerned, by language.
    """

    episode: str
    since: datetime
    level: str
    lower: bool
    lost: bool
    crisis: bool
    acknowledged: bool
    words: dict[str, str]
    label: dict[str, str]


class BoardSource(Struct, frozen=True, kw_only=True):
    """One source as the wall shows it; `silent`: it is not up because nothing has come, though nobody hung up on us."""

    switch: str
    up: bool
    silent: bool
    is_log: bool
    since: datetime | None
    last_event_at: datetime | None


class BoardBanner(Struct, frozen=True, kw_only=True):
    words: str
    until: datetime


class Board(Struct, frozen=True, kw_only=True):
    """The wallboard's whole content at one moment.

    `page`: marks the files that draw it.
    `why`: the reason for the status, by language.
    `fact`: that it is under the target now, by language; empty where the reason says so, or it is not known or not so.
    `advice`: words by language; None unless switched on.
    `unseen`: the queues that the wall names and no switch has; empty as long as none has named any.
    """

    at: datetime
    rate: float
    version: str
    page: str
    organisation: str
    zone: str
    target: BoardTarget
    hours: BoardHours
    night: bool
    total: BoardQueue
    why: dict[str, str]
    fact: dict[str, str]
    month: BoardPeriod | None
    queues: tuple[BoardQueue, ...]
    curve: BoardCurve | None
    sources: tuple[BoardSource, ...]
    several_switches: bool
    journal_up: bool
    alerts: tuple[BoardAlert, ...]
    advice: dict[str, str] | None
    banner: BoardBanner | None
    unseen: tuple[str, ...]


def board_words(language: str) -> dict[str, str]:
    """Return the texts that the board may show, without the other pages' texts."""
    return {key: said for key, said in texts.words(language).items() if not key.startswith(_OTHER_PAGES)}


def board_body(
    snapshot: Snapshot, wall: Wall = _ALL, *, show_advice: bool = False, comparisons: Comparisons | None = None
) -> bytes:
    """Return the JSON of one wallboard event."""
    shows_curve = wall.layout is BoardLayout.DAY and BoardPart.CURVE not in wall.hide
    before = comparisons.of(wall.queues, snapshot) if comparisons is not None and shows_curve else NOTHING
    return _encoder.encode(board(narrowed(snapshot, wall), wall, show_advice=show_advice, before=before))


def narrowed(snapshot: Snapshot, wall: Wall) -> Snapshot:
    """Return a snapshot of only the queues that a wall shows, with their pools; the whole one where it names none."""
    now = next((each for each in snapshot.walls if each.name == wall.name), None)
    if now is None:
        return snapshot
    keys, hours, total = keys_of(wall.queues), snapshot.hours, now.total
    opens, closes = total.day_hours or (None, None)
    if closes is not None and closes <= snapshot.at:
        opens = None
    alerts = tuple(
        alert for alert in snapshot.alerts.open if not alert.queues or not keys.isdisjoint(keys_of(alert.queues))
    )
    return structs.replace(
        snapshot,
        total=total,
        today=now.today,
        queues=tuple(queue for queue in snapshot.queues if queue_key(queue.name) in keys),
        pools=tuple(pool for pool in snapshot.pools if not keys.isdisjoint(keys_of(pool.queues))),
        alerts=structs.replace(snapshot.alerts, open=alerts),
        hours=structs.replace(
            hours,
            open=total.open,
            opens_at=opens if opens is not None and opens > snapshot.at else hours.opens_at,
            closes_at=closes if total.open else None,
        ),
    )


def board(snapshot: Snapshot, wall: Wall = _ALL, *, show_advice: bool = False, before: DaysBefore = NOTHING) -> Board:
    """Return what a wall shows of a snapshot that was narrowed to it, beside the days before."""
    target, total = snapshot.target, _queue(snapshot.total, snapshot.target)
    unseen = _unseen(snapshot, wall)
    if unseen and not snapshot.queues:
        total = structs.replace(total, trusted=False)
    month = snapshot.total.periods.get("month")
    return Board(
        at=snapshot.at.astimezone(UTC),
        rate=snapshot.rate,
        version=snapshot.version,
        page=_PAGE,
        organisation=snapshot.organisation,
        zone=snapshot.time_zone,
        target=BoardTarget(
            ratio=target.ratio,
            limit_seconds=target.limit_seconds,
            amber_seconds=target.limit_seconds * AMBER,
            definition=target.definition.value,
            short_abandon_seconds=target.short_abandon_seconds,
            refused_limit_ratio=target.refused_limit_ratio,
            since=target.since,
        ),
        hours=_hours(snapshot),
        night=not _is_open_anywhere(snapshot) and not snapshot.total.waiting_count,
        total=total,
        why={language: reason(snapshot.total, snapshot, language) for language in texts.LANGUAGES},
        fact={language: fact_beside(snapshot.total, snapshot, language) for language in texts.LANGUAGES},
        month=None if month is None else _period(month, target),
        queues=tuple(_queue(queue, target) for queue in snapshot.queues),
        curve=_curve(snapshot.today, snapshot.hours, snapshot.at, ZoneInfo(snapshot.time_zone), before),
        sources=tuple(map(_source, snapshot.sources)),
        several_switches=len({source.switch for source in snapshot.sources}) > 1,
        journal_up=snapshot.journal.up,
        alerts=tuple(_alerts(snapshot.alerts)),
        advice={language: advice(snapshot, language) for language in texts.LANGUAGES} if show_advice else None,
        banner=_banner(snapshot),
        unseen=unseen,
    )


def _unseen(snapshot: Snapshot, wall: Wall) -> tuple[str, ...]:
    known = keys_of(queue.name for queue in snapshot.queues)
    return tuple(queue for queue in wall.queues if queue_key(queue) not in known) if snapshot.sources else ()


def _banner(snapshot: Snapshot) -> BoardBanner | None:
    banner = snapshot.alerts.banner
    return None if banner is None else BoardBanner(words=banner.words, until=banner.until.astimezone(UTC))


def _is_open_anywhere(snapshot: Snapshot) -> bool:
    return snapshot.hours.open or any(queue.open for queue in snapshot.queues)


def _rank(alert: Alert) -> tuple[bool, bool, bool]:
    """Return the place in the strip: a crisis first, what has lessened last, a month after what can be helped today."""
    return alert.kind is not AlertKind.CRISIS, alert.lower or alert.change is AlertChange.EASED, alert.period == "month"


def _alerts(alerts: AlertsNow) -> Iterator[BoardAlert]:
    for alert in sorted(alerts.open, key=_rank):
        if alert.kind not in _NOT_FOR_THE_ROOM:
            yield BoardAlert(
                episode=alert.episode,
                since=alert.at.astimezone(UTC),
                level=alert.level.value,
                lower=alert.lower,
                lost=alert.kind is AlertKind.TARGET_OUT_OF_REACH,
                crisis=alert.kind is AlertKind.CRISIS,
                acknowledged=alert.episode in alerts.acknowledged,
                words={language: texts.alert_message(alert, language) for language in texts.LANGUAGES},
                label={language: texts.label(alert, language) for language in texts.LANGUAGES},
            )


def _hours(snapshot: Snapshot) -> BoardHours:
    hours, at, zone = snapshot.hours, snapshot.at, snapshot.time_zone
    return BoardHours(
        open=hours.open,
        open_queues=() if hours.open else tuple(queue.label for queue in snapshot.queues if queue.open),
        closes_at=hours.closes_at,
        note=hours.note,
        opening={language: texts.opening(hours.opens_at, at, zone, language) for language in texts.LANGUAGES},
    )


def _queue(queue: QueueNow, target: Target) -> BoardQueue:
    day = queue.periods.get("day")
    return BoardQueue(
        name=queue.label,
        open=queue.open,
        trusted=queue.verdict.reason not in UNHEARD,
        waiting=queue.waiting_count,
        waiting_late=_late(queue, target.limit_seconds * 1000),
        unheard=sum(line.unheard for line in queue.waiting),
        oldest_wait_ms=queue.oldest_wait_ms,
        talking=queue.talking,
        expected_wait_seconds=queue.expected_wait_seconds,
        status=queue.verdict.status.value,
        reason=queue.verdict.reason.value,
        under_target_now=queue.verdict.under_target_now,
        staff=staff_shape(queue.staff),
        day=None if day is None else _period(day, target),
    )


def _late(queue: QueueNow, limit_ms: int) -> int:
    """Return the number of callers past the limit; of a queue known by counts only, 1 if its longest wait is past
    it.
    """
    late = sum(caller.wait_ms > limit_ms for caller in queue.waiting)
    return late or int(queue.counted is not None and (queue.oldest_wait_ms or 0) > limit_ms)


def _period(period: Period, target: Target) -> BoardPeriod:
    return BoardPeriod(
        entered=period.counts.entered,
        answered=period.counts.answered,
        abandoned=period.counts.abandoned,
        left_otherwise=period.counts.left_otherwise,
        refused=period.counts.refused,
        refused_ratio=period.refused_ratio,
        headline=period.headline,
        meets_target=service_level.meets_target(period.counts, target),
        floor=period.floor,
        ceiling=period.ceiling,
        service_level=period.service_level,
        coverage_ratio=period.coverage.ratio,
        precision_seconds=period.precision_seconds,
    )


def _source(source: SourceNow) -> BoardSource:
    return BoardSource(
        switch=source.switch,
        up=source.up,
        silent=source.is_silent,
        is_log=source.is_log,
        since=source.since,
        last_event_at=source.last_event_at,
    )


def _curve(today: Sequence[Bar], hours: Hours, at: datetime, zone: ZoneInfo, before: DaysBefore) -> BoardCurve | None:
    """Return the day's bars, from opening or the first hour with calls, to closing or the last call.

    The hours of the night, in which nobody calls, would press the day together.
    """
    if not today:
        return None
    step = today[1].start - today[0].start if len(today) > 1 else timedelta(minutes=BAR_MINUTES)
    busy = [bar for bar in today if bar.counts.entered]
    first, last = (busy[0].start, busy[-1].start + step) if busy else (at, at)
    for edge in (hours.opens_at, hours.closes_at):
        if edge is not None and edge.astimezone(zone).date() == at.astimezone(zone).date():
            first, last = min(first, edge), max(last, edge)
    first = max(first.astimezone(zone).replace(minute=0, second=0, microsecond=0), today[0].start)
    last = max(last, min(first + _SHORTEST_CURVE, today[0].start + timedelta(days=1)))
    steps = -((first - last) // step)
    starts = [(first.astimezone(UTC) + n * step).astimezone(zone) for n in range(steps)]
    minutes, length = [start.hour * 60 + start.minute for start in starts], int(step.total_seconds()) // 60
    return BoardCurve(
        from_=first.astimezone(UTC),
        to=last.astimezone(UTC),
        step_seconds=step.total_seconds(),
        bars=tuple(_bar(bar) for bar in today if first <= bar.start < last and bar.counts.entered),
        weekday=at.astimezone(zone).weekday(),
        yesterday=before.line_of_yesterday(minutes, length),
        typical=before.typical_line(minutes, length),
    )


def _bar(bar: Bar) -> BoardBar:
    counts = bar.counts
    in_time = counts.answered_in_time + counts.called_back
    return BoardBar(
        at=bar.start.astimezone(UTC),
        in_time=in_time,
        late=counts.answered_late,
        lost=counts.entered - in_time - counts.answered_late - counts.waiting,
        waiting=counts.waiting,
        headline=bar.headline,
    )
