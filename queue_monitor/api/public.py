"""What the municipality's own web page may show anybody: how the promise stands and what a caller should expect.

Off unless the settings switch it on. Nothing of single queues, people, sources or alerts; worked out at most every
fifteen seconds, however many ask.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from fastapi.templating import Jinja2Templates

from queue_monitor import texts
from queue_monitor.api import shapes
from queue_monitor.api.answers import SAME, UNREADABLE, LangQuery, as_list, lived_seconds
from queue_monitor.api.status import meets_target
from queue_monitor.model import Period, Snapshot, StatusReason, Target
from queue_monitor.ports import Clock, Figures

HOLDS_SECONDS: Final = 15
_HERE: Final = Path(__file__).parent
_FOREIGN: Final = frozenset({StatusReason.SOURCE_DOWN, StatusReason.SOURCE_SILENT, StatusReason.NO_SOURCE})
"""Why there is no data is the monitor's own matter; then no number of now is given either."""


class _Kept:
    """One summary a language, held for a while."""

    def __init__(self, figures: Figures, clock: Clock) -> None:
        self._figures = figures
        self._clock = clock
        self._kept: dict[str, tuple[float, shapes.PublicBody]] = {}

    def __call__(self, language: str) -> shapes.PublicBody:
        now = lived_seconds(self._clock.monotonic(), self._clock)
        known = self._kept.get(language)
        if known is None or not self._clock.rate or now - known[0] >= HOLDS_SECONDS:
            known = self._kept[language] = (now, public_shape(self._figures.latest(), language))
        return known[1]


def public_routes(figures: Figures, clock: Clock, language: str) -> APIRouter:
    """`/public`, a page, and `/api/v1/public`; both open to everybody."""
    routes = APIRouter()
    templates = Jinja2Templates(directory=_HERE / "templates")
    summary = _Kept(figures, clock)

    @routes.get(
        "/api/v1/public",
        tags=["public"],
        responses={200: shapes.answer(shapes.PublicBody, "The summary."), **SAME, **UNREADABLE},
    )
    async def summary_for_everybody(request: Request, lang: LangQuery = None) -> Response:
        """How the promise stands, for the organisation's own web page. Open to all; may be kept for fifteen seconds."""
        answer = as_list(request, summary(texts.known_language(lang, language)))
        return _may_be_kept(answer)

    @routes.get("/public", response_class=HTMLResponse, include_in_schema=False)
    async def page_for_everybody(request: Request, lang: str | None = None) -> Response:
        tongue = texts.known_language(lang, language)
        shown = {"language": tongue, "texts": texts.words(tongue), "summary": summary(tongue)}
        return _may_be_kept(templates.TemplateResponse(request, "public.html", shown))

    return routes


def _may_be_kept(answer: Response) -> Response:
    answer.headers["Cache-Control"] = f"public, max-age={HOLDS_SECONDS}"
    return answer


def public_shape(snapshot: Snapshot, language: str) -> shapes.PublicBody:
    """What anybody may know, with the words for it."""
    total, target, zone = snapshot.total, snapshot.target, snapshot.time_zone
    blind = total.verdict.reason in _FOREIGN
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
        status_words=texts.status_words(status, language),
        promise=texts.say(
            "public.promise",
            language,
            target=texts.plain_percent(target.ratio, language),
            limit=texts.span(target.limit_seconds, language),
        ),
        today=_share(total.periods["day"], target, language),
        month=_share(total.periods["month"], target, language),
        definition=target.definition.value,
        definition_words=texts.definition_words(
            target.definition,
            limit_seconds=target.limit_seconds,
            short_abandon_seconds=target.short_abandon_seconds,
            language=language,
        ),
        expected_wait_low_seconds=low,
        expected_wait_high_seconds=high,
        expected_wait_words=texts.wait_range(low, high, language),
        open=total.open,
        opens_at=_utc(opens),
        closes_at=_utc(closes),
        hours_words=_hours(opens, closes, snapshot.hours.note, zone, language),
    )


def _share(period: Period, target: Target, language: str) -> shapes.PublicShareShape:
    return shapes.PublicShareShape(
        ratio=period.headline,
        words=texts.percent(period.headline, target.ratio, language),
        meets_target=meets_target(period.headline, target),
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
