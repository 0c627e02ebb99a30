"""Alerts over HTTP: those that stand, their record, their acknowledgement, and the audit."""

import logging
from collections.abc import Awaitable
from datetime import UTC
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from msgspec import structs

from queue_monitor import texts
from queue_monitor.api.json import shapes
from queue_monitor.api.json.status import alert_shape
from queue_monitor.api.json.written import on_one_line, refuse_numbers, unfit
from queue_monitor.api.responses import (
    SAME,
    UNREADABLE,
    Answers,
    FromQuery,
    LangQuery,
    Problem,
    ToQuery,
    as_list,
    plain,
    stretch,
)
from queue_monitor.model import Access, AdminAct, Alert, AlertChange, RecordedAlert
from queue_monitor.ports import Acknowledger, AlertHistory, AuditLog, Clock, Figures, StoreError

T = TypeVar("T")
ACKNOWLEDGE: Final = "acknowledge"
AWAY: Final[Answers] = {503: shapes.answer(shapes.ErrorBody, "The database is away.")}
_BACKWARDS: Final[Answers] = {400: shapes.answer(shapes.ErrorBody, "from lies after to.")}

log = logging.getLogger(__name__)


def alert_routes(
    figures: Figures, clock: Clock, acknowledger: Acknowledger, history: AlertHistory, audit: AuditLog, language: str
) -> APIRouter:
    """Return the routes `/api/v1/alerts`, its acknowledgement (roles lead and admin), and `/api/v1/audit`."""
    routes = APIRouter(prefix="/api/v1", tags=["alerts"], responses=UNREADABLE)

    @routes.get(
        "/alerts",
        responses={200: shapes.answer(shapes.AlertsBody, "Alerts that stand, and the record.")}
        | SAME
        | _BACKWARDS
        | AWAY,
    )
    async def alerts(request: Request, from_: FromQuery = None, to: ToQuery = None, lang: LangQuery = None) -> Response:
        """Return the alerts that stand, alarms first, and the record of every alert in a span of time (by default
        today).

        The record has its changes, its messages with their recipients and results, and who has acknowledged it.
        """
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        start, end = stretch(snapshot, clock, from_, to, reply_language)
        record = await _from_store(history.alert_record(start, end), reply_language)
        body = shapes.AlertsBody(
            generated_at=snapshot.at.astimezone(UTC),
            from_=start.astimezone(UTC),
            to=end.astimezone(UTC),
            open=tuple(alert_shape(alert, snapshot.alerts) for alert in snapshot.alerts.open),
            record=tuple(map(_recorded, record)),
        )
        return as_list(request, body)

    @routes.post(
        "/alerts/{episode}/acknowledge",
        responses={
            200: shapes.answer(shapes.AlertShape, "It is acknowledged, by this or an earlier request."),
            404: shapes.answer(shapes.ErrorBody, "No such alert stands."),
            **AWAY,
        },
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": shapes.reference(shapes.AcknowledgeBody)}}}
        },
    )
    async def acknowledge(request: Request, episode: str, lang: LangQuery = None) -> Response:
        """Acknowledge an alert, so that it is not escalated to anybody else. For the roles lead and admin; saved first.

        The body may name who: `{"by": "Anna"}`; else it is the token's name.
        """
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        found = next((alert for alert in snapshot.alerts.open if alert.episode == episode), None)
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no_such_alert", texts.say("error.no_alert", reply_language))
        by = await _by(request, reply_language)
        await acknowledge_for(request, found, clock, acknowledger, audit, reply_language, by)
        return plain(structs.replace(alert_shape(found, snapshot.alerts), acknowledged=True))

    @routes.get(
        "/audit",
        responses={
            200: shapes.answer(shapes.AuditBody, "What was done, oldest first."),
            **SAME,
            **_BACKWARDS,
            **AWAY,
        },
    )
    async def what_was_done(
        request: Request, from_: FromQuery = None, to: ToQuery = None, lang: LangQuery = None
    ) -> Response:
        """Return what people have done: who, when, from which address, and to what. For admins.

        Each start is listed too, without a name, with the settings that differ from the start before.
        """
        snapshot, reply_language = figures.latest(), texts.known_language(lang, language)
        start, end = stretch(snapshot, clock, from_, to, reply_language)
        body = shapes.AuditBody(
            generated_at=snapshot.at.astimezone(UTC),
            from_=start.astimezone(UTC),
            to=end.astimezone(UTC),
            acts=tuple(map(_done, await _from_store(audit.acts(start, end), reply_language))),
        )
        return as_list(request, body)

    return routes


async def acknowledge_for(
    request: Request,
    alert: Alert,
    clock: Clock,
    acknowledger: Acknowledger,
    audit: AuditLog,
    language: str,
    by: str = "",
    recipient: str = "",
) -> None:
    """Acknowledge for the asker, or for `by`; saved first. Raises `Problem` while that is not possible.

    `recipient`: the recipient of the link that is used.
    """
    if acknowledger.is_acknowledged(alert):
        return
    act = await write_down(request, clock, audit, ACKNOWLEDGE, alert.episode, by, language, recipient)
    await acknowledger.acknowledge(alert, by or act.who)


async def _by(request: Request, language: str) -> str:
    body = await request.body()
    try:
        by = on_one_line(msgspec.json.decode(body, type=shapes.AcknowledgeBody).by) if body else ""
    except msgspec.DecodeError as error:
        raise unfit("error.bad_request", language, words=str(error)) from error
    refuse_numbers(language, by)
    return by


async def write_down(
    request: Request,
    clock: Clock,
    audit: AuditLog,
    act: str,
    subject: str,
    detail: str,
    language: str,
    recipient: str = "",
) -> AdminAct:
    """Save who is about to do what, and to what, before it is done. Raises `Problem` while that is not possible."""
    access: Access | None = getattr(request.state, "access", None)
    written = AdminAct(
        at=clock.now(),
        who=recipient or (access.name if access else ""),
        origin=request.client.host if request.client else "",
        act=act,
        subject=subject,
        detail=detail,
    )
    await _from_store(audit.save_act(written), language)
    return written


async def _from_store(asked: Awaitable[T], language: str) -> T:
    try:
        return await asked
    except StoreError as error:
        log.warning("database away for a page error=%s", error)
        words = texts.say("error.database_away", language)
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "database_away", words) from error


def _recorded(recorded: RecordedAlert) -> shapes.RecordedAlertShape:
    first, last, seen = recorded.changes[0], recorded.changes[-1], recorded.acknowledgement
    return shapes.RecordedAlertShape(
        episode=recorded.episode,
        queue=first.queue,
        label=first.label,
        alert=last.kind.value,
        period=first.period,
        began_at=first.at.astimezone(UTC),
        ended_at=last.at.astimezone(UTC) if last.change is AlertChange.CLEARED else None,
        acknowledged_at=seen.at.astimezone(UTC) if seen else None,
        acknowledged_by=seen.by if seen else None,
        changes=tuple(map(_change, recorded.changes)),
        attempts=tuple(
            shapes.AttemptShape(
                at=tried.at.astimezone(UTC),
                channel=tried.channel,
                recipient=tried.recipient,
                number=tried.number,
                result=tried.result,
                detail=tried.detail,
            )
            for tried in recorded.attempts
        ),
    )


def _change(alert: Alert) -> shapes.AlertChangeShape:
    return shapes.AlertChangeShape(
        at=alert.at.astimezone(UTC),
        state=alert.change.value,
        level=alert.level.value,
        reason=alert.reason.value,
        notified=alert.notified,
        title=alert.title,
        text=alert.text,
    )


def _done(act: AdminAct) -> shapes.ActShape:
    return shapes.ActShape(
        at=act.at.astimezone(UTC),
        who=act.who,
        origin=act.origin,
        act=act.act,
        subject=act.subject,
        detail=act.detail,
    )
