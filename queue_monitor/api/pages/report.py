"""The route of reports: the report of a period in any of its forms, sealed where the period is over."""

import logging
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from queue_monitor import texts
from queue_monitor.api.pages.lead import unknown_words
from queue_monitor.api.pages.past_queues import chosen_of_past
from queue_monitor.api.responses import Problem
from queue_monitor.ports import Figures, StoreError
from queue_monitor.reports.beside import PdfPress
from queue_monitor.reports.desk import Report, ReportError, Reports
from queue_monitor.reports.forms import MEDIA_TYPES, Form, file_name, html, style_hash, written
from queue_monitor.reports.pdf import MissingPdf
from queue_monitor.reports.period import PeriodError, parsed

ADDRESS: Final = "/history/report"
log = logging.getLogger(__name__)


def report_routes(figures: Figures, reports: Reports | None, language: str) -> APIRouter:
    """Return the route `/history/report`, for those who may read everything. `reports` is None without a database."""
    routes = APIRouter(include_in_schema=False)
    press = PdfPress()

    @routes.get(ADDRESS)
    async def report_file(
        request: Request,
        period: str = "",
        queue: str = "",
        format: str = "html",  # noqa: A002 -- as every other address calls it
        version: str = "",
        lang: str | None = None,
    ) -> Response:
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        if reports is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no_store", texts.say("report.no_store", reply_language))
        face = chosen_of_past(snapshot, queue, reports)
        if face is None:
            raise Problem(HTTPStatus.NOT_FOUND, "unknown_queue", unknown_words(snapshot, queue, reply_language))
        form, number = _form(format, reply_language), _number(version, reply_language)
        try:
            wanted = parsed(period, "period", reply_language)
            report = await reports.report(wanted, reports.scope(face.queues if face.name else ()), number)
            return await _answer(report, form, reply_language, press)
        except PeriodError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, "impossible", str(error)) from error
        except ReportError as error:
            raise Problem(HTTPStatus.NOT_FOUND, "no_report", error.words(reply_language)) from error
        except StoreError as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "away", texts.say("history.away", reply_language)) from error
        except MissingPdf as error:
            log.warning("no PDF made: %s", error)
            raise Problem(HTTPStatus.NOT_IMPLEMENTED, "no_pdf", texts.say("report.no_pdf", reply_language)) from error

    return routes


def _form(asked: str, language: str) -> Form:
    if asked not in set(Form):
        words = texts.say("history.bad_choice", language, value=asked, choices=", ".join(Form))
        raise Problem(HTTPStatus.BAD_REQUEST, "impossible", words)
    return Form(asked)


def _number(asked: str, language: str) -> int:
    if asked and not (asked.isascii() and asked.isdecimal() and len(asked) < 6 and int(asked)):
        words = texts.say("history.bad_choice", language, value=asked, choices="1, 2, 3 …")
        raise Problem(HTTPStatus.BAD_REQUEST, "impossible", words)
    return int(asked or 0)


async def _answer(report: Report, form: Form, language: str, press: PdfPress) -> Response:
    """Return the report in its form; a page is shown, the others are saved as files."""
    name = file_name(report, form)
    if form is Form.PDF:
        page = await run_in_threadpool(html, report, language)
        body = await press.pdf_of(page)
    else:
        body = (await run_in_threadpool(written, report, form, language)).body
    answer = Response(body, media_type=MEDIA_TYPES[form])
    if form is Form.HTML:
        policy = f"default-src 'none'; style-src '{style_hash()}'; base-uri 'none'; frame-ancestors 'self'"
        answer.headers["Content-Security-Policy"] = policy
    else:
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
