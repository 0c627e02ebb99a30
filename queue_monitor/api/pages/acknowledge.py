"""The page behind a message's link: it shows the alarm, and a button says that somebody has seen it.

Only the button acknowledges: mail programs and scanners open links by themselves, and none of them is a person.
"""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from queue_monitor import texts
from queue_monitor.api.json.alerts import acknowledge_for
from queue_monitor.api.templating import PAGES
from queue_monitor.model import Alert, AlertChange
from queue_monitor.ports import Acknowledger, AuditLog, Clock


def acknowledge_routes(alerts: Acknowledger, clock: Clock, audit: AuditLog, language: str) -> APIRouter:
    """Return the routes of `/alerts/{link}`, which need no role: the recipient of the link may use it.

    Nobody can guess the link. The audit names the recipient to whom it was sent.
    """
    routes = APIRouter(prefix="/alerts", include_in_schema=False)

    def page(request: Request, alert: Alert | None, said: str, lang: str | None) -> Response:
        reply_language = texts.known_language(lang, language)
        return PAGES.TemplateResponse(
            request,
            "acknowledge.html",
            {
                "language": reply_language,
                "alerts_language": language,
                "texts": texts.words(reply_language),
                "alert": alert,
                "words": "" if alert is None else _heading(alert, reply_language),
                "said": said,
            },
            status_code=HTTPStatus.NOT_FOUND if alert is None else HTTPStatus.OK,
        )

    @routes.get("/{link}", response_class=HTMLResponse)
    async def show(request: Request, link: str, lang: str | None = None) -> Response:
        found = alerts.find(link)
        if found is None:
            return page(request, None, "ack.unknown", lang)
        alert, _ = found
        return page(request, alert, _settled(alert), lang)

    @routes.post("/{link}", response_class=HTMLResponse)
    async def acknowledge(request: Request, link: str, lang: str | None = None) -> Response:
        found = alerts.find(link)
        if found is None:
            return page(request, None, "ack.unknown", lang)
        alert, recipient = found
        if said := _settled(alert):
            return page(request, alert, said, lang)
        reply_language = texts.known_language(lang, language)
        await acknowledge_for(request, alert, clock, alerts, audit, reply_language, recipient=recipient)
        return page(request, alert, "ack.done", lang)

    def _settled(alert: Alert) -> str:
        """Return the words for an alert that nobody needs to acknowledge any more, or ""."""
        if alerts.is_acknowledged(alert):
            return "ack.already"
        return "ack.over" if alert.change is AlertChange.CLEARED else ""

    return routes


def _heading(alert: Alert, language: str) -> str:
    is_over = alert.change is AlertChange.CLEARED
    return texts.label(alert, language) if is_over else texts.alert_words(alert, language)
