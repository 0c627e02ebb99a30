"""The history page: any kept period of a queue, a pool or all, for those who may read everything."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool

from queue_monitor import texts
from queue_monitor.api.error_page import wants_page
from queue_monitor.api.json.intervals import OverTime, in_words
from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.api.pages.history_file import XLSX, about_words, imported_words, written_csv, written_xlsx
from queue_monitor.api.pages.history_page import HistoryChoice, HistoryPage, chosen_target
from queue_monitor.api.pages.lead import unknown_words
from queue_monitor.api.pages.offered_report import OfferedReport, offered_report
from queue_monitor.api.pages.past_queues import chosen_of_past, is_pool, past_pools, past_queues, shown_queues
from queue_monitor.api.pages.periods import MAX_DAYS, ChosenPeriod, PeriodKind, free_period, period_of
from queue_monitor.api.responses import YEARS, Problem, as_file, as_table, kept_note
from queue_monitor.api.templating import template
from queue_monitor.model import DefinitionId, Level, QueueNow, RecordedAlert, Snapshot, Target
from queue_monitor.ports import AlertHistory, Clock, Figures, StoreError
from queue_monitor.queues import queue_key
from queue_monitor.reports.desk import Reports

ADDRESS: Final = "/history"
YEARS_COMPARED: Final = 2


class _Unreadable(Exception):
    """Raised for a choice that cannot be shown; the message is for the reader."""


def history_routes(
    figures: Figures, clock: Clock, history: AlertHistory, language: str, reports: Reports | None = None
) -> APIRouter:
    """Return the routes of `/history`, for those who may read everything. `reports` is None without a database."""
    routes = APIRouter(include_in_schema=False)
    over_time = OverTime(figures, clock)

    @routes.get(ADDRESS, response_class=HTMLResponse)
    async def history_page(
        request: Request,
        period: str = "",
        day: str = "",
        until: str = "",
        queue: str = "",
        definition: str = "",
        lang: str | None = None,
    ) -> Response:
        """Show one period; by default the newest complete month with calls."""
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        notice, status = "", HTTPStatus.OK
        face = chosen_of_past(snapshot, queue, reports)
        if face is None:
            notice, status = unknown_words(snapshot, queue, reply_language), HTTPStatus.NOT_FOUND
            face = snapshot.total
        shown = _last_month(snapshot)
        target = _target(snapshot, shown, reports)
        chosen_definition = target.definition
        try:
            shown = _period(snapshot, period, day, until, reply_language)
            if not period and not day:
                shown = await _opening_period(over_time, snapshot, face)
            target = _target(snapshot, shown, reports)
            chosen_definition = _definition(target, definition, reply_language)
        except _Unreadable as error:
            notice, status = str(error), HTTPStatus.BAD_REQUEST
        if notice and not wants_page(request.headers):
            word = "unknown_queue" if status is HTTPStatus.NOT_FOUND else "bad_request"
            raise Problem(status, word, notice)
        choice = HistoryChoice(
            period=shown, queue=face.name, definition=chosen_definition, queues=face.queues if face.name else ()
        )
        pen = Formatter(reply_language, snapshot.time_zone, chosen_target(target, chosen_definition))
        page: HistoryPage | None = None
        offered: OfferedReport | None = None
        try:
            page = await _page(over_time, figures, history, snapshot, face, choice, pen)
            offered = await offered_report(reports, choice, pen)
        except StoreError:
            notice, status = pen.say("history.away"), HTTPStatus.SERVICE_UNAVAILABLE
        html = await run_in_threadpool(
            template("history.html").render,
            page=page,
            offered=offered,
            choice=choice,
            face=face,
            snapshot=snapshot,
            pools=past_pools(snapshot, reports),
            past_queues=past_queues(snapshot),
            queues_of_pool=shown_queues(snapshot, face.queues) if is_pool(face) else "",
            pen=pen,
            notice=notice,
            kinds=list(PeriodKind),
            definitions=list(DefinitionId),
            other="en" if reply_language == "sv" else "sv",
        )
        return HTMLResponse(html, status_code=status)

    _add_files(routes, figures, over_time, language, reports)
    return routes


def _add_files(
    routes: APIRouter, figures: Figures, over_time: OverTime, language: str, reports: Reports | None
) -> None:
    """Add `/history/file`: the same choice as a file for a spreadsheet, of one queue or of all of them."""

    @routes.get(ADDRESS + "/file")
    async def history_file(
        request: Request,
        period: str = "",
        day: str = "",
        until: str = "",
        queue: str = "",
        definition: str = "",
        step: str = "",
        format: str = "xlsx",  # noqa: A002 -- as every other address calls it
        lang: str | None = None,
    ) -> Response:
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        face = chosen_of_past(snapshot, queue, reports)
        if face is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown_queue", unknown_words(snapshot, queue, reply_language))
        try:
            shown = _period(snapshot, period, day, until, reply_language)
            if not period and not day:
                shown = await _opening_period(over_time, snapshot, face)
            target = _target(snapshot, shown, reports)
            formula = _definition(target, definition, reply_language)
            usual = "hour" if shown.kind is PeriodKind.DAY else "day"
            wanted = _one_of(step or usual, ("hour", "day", "week", "month", "whole"), reply_language)
            kind = _one_of(format, ("xlsx", "csv"), reply_language)
        except _Unreadable as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "impossible", str(error)) from error
        pen = Formatter(reply_language, snapshot.time_zone, chosen_target(target, formula))
        zone = ZoneInfo(snapshot.time_zone)
        start, end = shown.bounds(zone)
        faces = (face,) if face.name else (snapshot.total, *snapshot.queues, *past_queues(snapshot))
        rows = []
        try:
            for each in faces:
                scope = each.queues if each.name else None
                label = pen.label(each) if each.name else pen.say("lead.all")
                found = await over_time.intervals(start, end, wanted, Level.CONTACT, scope)
                if found[0].start < start or found[-1].end > end:
                    words = pen.say("history.step_outside", period=shown.label(reply_language), step=wanted)
                    raise Problem(HTTPStatus.BAD_REQUEST, "impossible", words)
                rows.append((label, found))
        except ValueError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "impossible", in_words(error, reply_language)) from error
        title = pen.say("file.title", period=shown.label(reply_language), queue=rows[0][0])
        imports = await figures.imports(shown.first, shown.last)
        kept = kept_note(snapshot, start, reply_language)
        earlier = texts.earlier_target_words(
            snapshot.targets_before(shown.first, shown.last, target), target, reply_language
        )
        of_pool = [f"{pen.say('queues')}: {shown_queues(snapshot, face.queues)}"] if is_pool(face) else []
        notes = (*of_pool, *about_words(pen, kept, earlier), *imported_words(pen, imports))
        name = f"{ADDRESS[1:]}-{shown.first.isoformat()}-{shown.last.isoformat()}"

        def written() -> Response:
            if kind == "csv":
                return as_table(request, written_csv(rows, pen, (title, *notes)), name)
            return as_file(request, written_xlsx(rows, pen, title, notes, end), f"{name}.xlsx", XLSX)

        return await run_in_threadpool(written)


def _one_of(asked: str, choices: Sequence[str], language: str) -> str:
    if asked not in choices:
        raise _Unreadable(texts.say("history.bad_choice", language, value=asked, choices=", ".join(choices)))
    return asked


async def _page(
    over_time: OverTime,
    figures: Figures,
    history: AlertHistory,
    snapshot: Snapshot,
    face: QueueNow,
    choice: HistoryChoice,
    pen: Formatter,
) -> HistoryPage:
    """Return the page with all its figures. Raises `StoreError`."""
    zone = ZoneInfo(snapshot.time_zone)
    scope = face.queues if face.name else None
    start, end = choice.period.bounds(zone)
    if start > snapshot.at:
        return HistoryPage(snapshot, choice, pen, whole=None, parts=(), earlier=(), week=(), record=())
    step = "hour" if choice.period.kind is PeriodKind.DAY else "day"
    today_ends = ChosenPeriod(
        kind=PeriodKind.DAY, first=snapshot.at.astimezone(zone).date(), last=snapshot.at.astimezone(zone).date()
    ).bounds(zone)[1]
    [whole] = await over_time.intervals(start, end, "whole", Level.CONTACT, scope)
    parts = await over_time.intervals(start, min(end, today_ends), step, Level.CONTACT, scope)
    earlier = []
    for years in range(1, YEARS_COMPARED + 1):
        before = choice.period.year_before(years)
        [found] = await over_time.intervals(*before.bounds(zone), "whole", Level.CONTACT, scope)
        earlier.append((before, found))
    week = await figures.week_map(start, min(end, today_ends), scope)
    record = await _record(history, start, end)
    imports = await figures.imports(choice.period.first, choice.period.last)
    again = await figures.repeat_callers(choice.period.first, choice.period.last)
    wanted = None if scope is None else set(map(queue_key, scope))
    return HistoryPage(
        snapshot,
        choice,
        pen,
        whole=whole,
        parts=parts,
        earlier=earlier,
        week=week,
        record=record,
        imports=imports,
        again=[each for each in again if wanted is None or queue_key(each.queue) in wanted],
    )


async def _record(history: AlertHistory, start: datetime, end: datetime) -> Sequence[RecordedAlert] | None:
    try:
        return await history.alert_record(start, end)
    except StoreError:
        return None


def _last_month(snapshot: Snapshot) -> ChosenPeriod:
    today = snapshot.at.astimezone(ZoneInfo(snapshot.time_zone)).date()
    return period_of(PeriodKind.MONTH, today).before()


async def _opening_period(over_time: OverTime, snapshot: Snapshot, face: QueueNow) -> ChosenPeriod:
    """Return the newest complete month with calls of the last two years, which is what a controller comes for.

    Without any it is the running month; last month where the store is away.
    """
    zone = ZoneInfo(snapshot.time_zone)
    last = _last_month(snapshot)
    scope = face.queues if face.name else None
    since = period_of(PeriodKind.MONTH, last.first.replace(year=last.first.year - 2))
    try:
        for first in (last, since):  # most often last month has calls, and one month is soon read
            found = await over_time.intervals(
                first.bounds(zone)[0], last.bounds(zone)[1], "month", Level.CONTACT, scope
            )
            with_calls = [month for month in found if month.counts.dialled or month.outside_hours.dialled]
            if with_calls:
                return period_of(PeriodKind.MONTH, with_calls[-1].start.astimezone(zone).date())
    except StoreError:
        return last
    return last.after()


def _period(snapshot: Snapshot, kind: str, day: str, until: str, language: str) -> ChosenPeriod:
    if not kind and not day:
        return _last_month(snapshot)
    kinds = [each.value for each in PeriodKind]
    if kind and kind not in kinds:
        raise _Unreadable(texts.say("history.bad_choice", language, value=kind, choices=", ".join(kinds)))
    wanted = PeriodKind(kind or PeriodKind.MONTH)
    first = _day(day, language) if day else snapshot.at.astimezone(ZoneInfo(snapshot.time_zone)).date()
    if wanted is not PeriodKind.FREE:
        return period_of(wanted, first)
    try:
        return free_period(first, _day(until, language) if until else first)
    except ValueError as error:
        raise _Unreadable(texts.say(f"history.{error}", language, days=MAX_DAYS)) from error


def _day(text: str, language: str) -> date:
    """Return a day that can be chosen, with room for the years that it is compared with."""
    try:
        found = date.fromisoformat(text.strip())
    except ValueError as error:
        raise _Unreadable(texts.say("history.bad_day", language, value=text)) from error
    if found.year not in YEARS or (found - timedelta(days=366 * (YEARS_COMPARED + 1))).year not in YEARS:
        raise _Unreadable(texts.say("history.bad_day", language, value=text))
    return found


def _target(snapshot: Snapshot, period: ChosenPeriod, reports: Reports | None) -> Target:
    """Return the target of a period: the one that held on its last day."""
    today = snapshot.at.astimezone(ZoneInfo(snapshot.time_zone)).date()
    return snapshot.target if reports is None or period.last >= today else reports.target_of(period.last)


def _definition(target: Target, asked: str, language: str) -> DefinitionId:
    if not asked:
        return target.definition
    choices = [each.value for each in DefinitionId]
    if asked.upper() not in choices:
        raise _Unreadable(texts.say("history.bad_choice", language, value=asked, choices=", ".join(choices)))
    return DefinitionId(asked.upper())
