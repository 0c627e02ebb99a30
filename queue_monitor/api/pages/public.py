"""The public summary for the municipality's own web page: how the promise stands, and the wait to expect.

Off unless the settings switch it on. Nothing of single queues, people, sources or alerts; worked out at most every
fifteen seconds, and the months that are over every quarter of an hour, however many ask.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from msgspec import Struct

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.tables import table
from queue_monitor.api.pages.periods import PeriodKind, period_of
from queue_monitor.api.responses import (
    SAME,
    UNREADABLE,
    FormatQuery,
    LangQuery,
    answer_or_table,
    as_list,
    as_table,
    lived_seconds,
    wants_table,
)
from queue_monitor.api.templating import PAGES
from queue_monitor.core import service_level
from queue_monitor.core.calendar import month_start
from queue_monitor.model import UNHEARD, Level, Period, Snapshot, Target
from queue_monitor.ports import Clock, Figures, StoreError

HOLDS_SECONDS: Final = 15
MONTHS_HOLD_SECONDS: Final = 900
WIDE: Final = 720.0
HIGH: Final = 180.0


class _Kept:
    """Keeps one summary for each language for a while. What the store cannot answer is read again for the next one."""

    def __init__(self, figures: Figures, clock: Clock) -> None:
        self._figures = figures
        self._clock = clock
        self._kept: dict[str, tuple[float, shapes.PublicBody]] = {}
        self._months: tuple[float, datetime, list[Period]] | None = None

    async def __call__(self, language: str) -> shapes.PublicBody:
        now = lived_seconds(self._clock.monotonic(), self._clock)
        known = self._kept.get(language)
        if known is None or not self._clock.rate or now - known[0] >= HOLDS_SECONDS:
            months = await self._last_months(now)
            known = self._kept[language] = (now, public_shape(self._figures.latest(), language, months))
        return known[1]

    async def _last_months(self, now: float) -> list[Period]:
        snapshot = self._figures.latest()
        zone = ZoneInfo(snapshot.time_zone)
        this = period_of(PeriodKind.MONTH, snapshot.at.astimezone(zone).date())
        end = this.bounds(zone)[1]
        if self._months is None or self._months[1] != end or now - self._months[0] >= MONTHS_HOLD_SECONDS:
            first = this.first.replace(year=this.first.year - 1)
            start = period_of(PeriodKind.MONTH, first).after().bounds(zone)[0]
            try:
                found = await self._figures.intervals(start, end, "month", Level.CONTACT, None)
            except StoreError:
                return []
            self._months = now, end, found
        return self._months[2]


def public_routes(figures: Figures, clock: Clock, language: str) -> APIRouter:
    """Return the routes `/public`, a page, and `/api/v1/public`; both are open to everybody."""
    routes = APIRouter()
    summary = _Kept(figures, clock)

    @routes.get(
        "/api/v1/public",
        tags=["public"],
        responses={200: answer_or_table(shapes.PublicBody, "The summary; as CSV the months."), **SAME, **UNREADABLE},
    )
    async def summary_for_everybody(request: Request, format_: FormatQuery = None, lang: LangQuery = None) -> Response:
        """Return how the promise stands, for the organisation's own web page. Open to all; may be kept for fifteen
        seconds.

        As CSV with `format=csv` or `Accept: text/csv`: the last twelve months.
        """
        reply_language = texts.known_language(lang, language)
        body = await summary(reply_language)
        if wants_table(request, format_):
            return _may_be_kept(as_table(request, _months_table(body, reply_language), "public"))
        return _may_be_kept(as_list(request, body))

    @routes.get("/public", response_class=HTMLResponse, include_in_schema=False)
    async def page_for_everybody(request: Request, lang: str | None = None) -> Response:
        reply_language = texts.known_language(lang, language)
        body = await summary(reply_language)
        shown: dict[str, object] = {
            "language": reply_language,
            "texts": texts.words(reply_language),
            "summary": body,
            "bars": _bars(body),
        }
        shown |= {"targets": _target_words(body, figures.latest().target, reply_language), "lines": _lines(body)}
        return _may_be_kept(PAGES.TemplateResponse(request, "public.html", shown))

    return routes


class MonthBar(Struct, frozen=True, kw_only=True):
    """One month of the picture, in its own measure (`WIDE` by `HIGH`); no bar where nothing was measured."""

    x: float
    y: float
    width: float
    height: float
    meets: bool | None
    words: str
    short: str


def _bars(body: shapes.PublicBody) -> tuple[MonthBar, ...]:
    step = WIDE / max(1, len(body.months))
    found = []
    for number, month in enumerate(body.months):
        height = round((month.share.ratio or 0.0) * HIGH, 1)
        found.append(
            MonthBar(
                x=round(number * step, 1),
                y=round(HIGH - height, 1),
                width=round(step * 0.7, 1),
                height=height,
                meets=month.share.meets_target,
                words=" ".join(filter(None, (f"{month.words}: {month.share.words}.", month.share.remark))),
                short=month.words[:3],
            )
        )
    return tuple(found)


class TargetLine(Struct, frozen=True, kw_only=True):
    """The target of some months that follow one another, as a line of the picture."""

    x1: float
    x2: float
    y: float


def _lines(body: shapes.PublicBody) -> tuple[TargetLine, ...]:
    step = WIDE / max(1, len(body.months))
    found, first = [], 0
    for ratio, its in groupby(month.target_ratio for month in body.months):
        after = first + len(tuple(its))
        found.append(TargetLine(x1=round(first * step, 1), x2=round(after * step, 1), y=round(HIGH - ratio * HIGH, 1)))
        first = after
    return tuple(found)


def _target_words(body: shapes.PublicBody, target: Target, language: str) -> str:
    """Return the present target, with those that held in earlier months: `80 % (till och med september 2026 90 %)`."""
    runs = [(ratio, tuple(its)) for ratio, its in groupby(body.months, key=lambda month: month.target_ratio)]
    earlier = [
        texts.say("public.target.until", language, month=its[-1].words, target=texts.plain_percent(ratio, language))
        for ratio, its in runs[:-1]
    ]
    now = texts.plain_percent(target.ratio, language)
    return f"{now} ({', '.join(earlier)})" if earlier else now


def _months_table(body: shapes.PublicBody, language: str) -> bytes:
    """Return one row for each month: the month, the share in percent, the percentage of callers refused, the target."""
    headers = [texts.say(f"public.table.{name}", language) for name in ("month", "share", "refused", "target")]
    rows = [
        (
            month.month,
            _percent(month.share.ratio),
            _percent(month.share.refused_ratio),
            _percent(month.target_ratio),
        )
        for month in body.months
    ]
    counted = f"{texts.say('public.counted', language)} {body.definition_words}"
    return table(headers, rows, ". ".join(filter(None, (counted, body.earlier_words, body.limits_words))))


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio * 100, 6)


def _may_be_kept(answer: Response) -> Response:
    answer.headers["Cache-Control"] = f"public, max-age={HOLDS_SECONDS}"
    return answer


def public_shape(snapshot: Snapshot, language: str, months: Sequence[Period] = ()) -> shapes.PublicBody:
    """Return the public figures and the words for them. `months`: the last twelve, oldest first.

    The running one has the snapshot's figure there too: `months` may be a quarter of an hour old.
    """
    total, target, zone = snapshot.total, snapshot.target, snapshot.time_zone
    blind = total.verdict.reason in UNHEARD  # the public page does not name these reasons, nor a number of now
    low, high = total.wait_range_seconds or (None, None)
    if blind or not total.open:
        low = high = None
    status = total.verdict.status
    opens, closes = total.day_hours or (None, None)
    return shapes.PublicBody(
        generated_at=snapshot.at.astimezone(UTC),
        updated=texts.clock(snapshot.at, zone, language),
        organisation=snapshot.organisation,
        language=language,
        status=status.value,
        status_words=texts.status_words(status, total.verdict.reason, language),
        promise=texts.say(
            "public.promise",
            language,
            target=texts.plain_percent(target.ratio, language),
            limit=texts.span(target.limit_seconds, language),
        ),
        today=_share(total.periods["day"], target, language),
        month=_share(total.periods["month"], target, language),
        months=tuple(_month(month, snapshot, language) for month in months),
        definition=target.definition.value,
        definition_words=_definition(target, language),
        earlier_words=_earlier(snapshot, language, months),
        limits_words=_limits(snapshot, language, months),
        expected_wait_low_seconds=low,
        expected_wait_high_seconds=high,
        expected_wait_words=texts.wait_range(low, high, language),
        open=total.open,
        opens_at=_utc(opens),
        closes_at=_utc(closes),
        hours_words=_hours(opens, closes, snapshot.hours.note, zone, language),
    )


def _earlier(snapshot: Snapshot, language: str, months: Sequence[Period]) -> str:
    """Return which months were under another target or formula than the present one, and which; "" for none."""
    zone, found = ZoneInfo(snapshot.time_zone), []
    measured = [month for month in months if month.counts.dialled]
    targets = [(_target_of(month, snapshot), month.start.astimezone(zone).date()) for month in measured]
    for terms, its in groupby(targets, key=lambda each: _terms(each[0])):
        if terms == _terms(snapshot.target):
            continue
        run = tuple(its)
        target, first, last = run[0][0], run[0][1], run[-1][1]
        key = "public.earlier.one" if first == last else "public.earlier.until"
        values = {"first": _month_words(first, language), "last": _month_words(last, language)}
        values |= {"target": texts.plain_percent(target.ratio, language), "definition": _definition(target, language)}
        found.append(texts.say(key, language, **values))
    return " ".join(found)


def _definition(target: Target, language: str) -> str:
    """Return the formula in words that name no other formula: nobody has a list of them here."""
    limits = {"limit": target.limit_seconds, "short": target.short_abandon_seconds}
    spans = {name: texts.span(seconds, language) for name, seconds in limits.items()}
    return texts.say(f"public.definition.{target.definition.value}", language, **spans)


def _terms(target: Target) -> tuple[object, ...]:
    return target.definition, target.ratio, target.limit_seconds, target.short_abandon_seconds


def _target_of(period: Period, snapshot: Snapshot) -> Target:
    """Return the target that held on the last day of a month; that of now for the running one."""
    return (period.target if period.end <= snapshot.at else None) or snapshot.target


def _month_words(first: date, language: str) -> str:
    return f"{texts.say(f'month.{first.month}', language)} {first.year}"


def _limits(snapshot: Snapshot, language: str, months: Sequence[Period]) -> str:
    """Return by which other limits calls of the months, or of the present one alone, were judged; "" for none."""
    today = snapshot.at.astimezone(ZoneInfo(snapshot.time_zone)).date()
    first = months[0].start.astimezone(ZoneInfo(snapshot.time_zone)).date() if months else month_start(today)
    limits = snapshot.targets_before(first, today, snapshot.target)
    return " ".join(texts.limit_words(limits, snapshot.target, language))


def _month(period: Period, snapshot: Snapshot, language: str) -> shapes.PublicMonthShape:
    first = period.start.astimezone(ZoneInfo(snapshot.time_zone)).date()
    is_whole, target = period.end <= snapshot.at, _target_of(period, snapshot)
    return shapes.PublicMonthShape(
        month=f"{first.year:04}-{first.month:02}",
        words=_month_words(first, language),
        share=_share(period if is_whole else snapshot.total.periods["month"], target, language),
        whole=is_whole,
        definition=target.definition.value,
        target_ratio=target.ratio,
    )


def _share(period: Period, target: Target, language: str) -> shapes.PublicShareShape:
    """Return a period's share by the formula of this target, which is the one that held on its last day."""
    share, counts = period.service_level.get(target.definition.value), period.counts
    including = service_level.including_refused(counts, target.definition)
    remark = texts.say(
        "public.refused",
        language,
        refused=texts.percent(period.refused_ratio, None, language),
        including=texts.percent(including, target.ratio, language),
    )
    many_refused = service_level.are_many_refused(counts, target)
    return shapes.PublicShareShape(
        ratio=share,
        words=texts.percent(share, target.ratio, language),
        meets_target=service_level.meets_target(counts, target),
        refused_ratio=period.refused_ratio,
        remark=remark if many_refused else "",
    )


def _hours(opens: datetime | None, closes: datetime | None, note: str, zone: str, language: str) -> str:
    if opens is None or closes is None:
        words = texts.say("public.closed", language)
    else:
        times = {"opens": texts.clock(opens, zone, language), "closes": texts.clock(closes, zone, language)}
        words = texts.say("public.open", language, **times)
    return f"{words} ({note})" if note else words


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
