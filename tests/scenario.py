"""Stories of callers, told in seconds from a moment in opening hours; the canonical events are made from them."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from queue_monitor.core.calendar import Calendar, DayHours
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRefused,
    CallRingEnded,
    CallRinging,
    EndedBy,
    Event,
    LeftOutcome,
    MemberAction,
    QueueSnapshot,
    RefusalReason,
    RingResult,
    SourceConnected,
    SourceDisconnected,
    SourceRestarted,
    WaitingCaller,
    event_id,
    type_of,
)
from queue_monitor.model import Contact, Counts, ExitPolicy, Level, Period, Target, Visit

STOCKHOLM = ZoneInfo("Europe/Stockholm")
TEN = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
"""Monday 23 November 2026, 10.00 in Luleå."""

SOURCE = "urn:kc:test:luleå"


def office_hours() -> Calendar:
    day = DayHours(opens=time(8), closes=time(17))
    return Calendar(STOCKHOLM, (day,) * 5 + (DayHours(),) * 2)


class Scenario:
    """Tell what happens to callers; ask what is true afterwards. Moments are seconds after `start`."""

    def __init__(self, start: datetime = TEN, exit_policy: ExitPolicy | None = None, **target: Any) -> None:
        self.start = start
        self.rules = Rules(
            target=Target(**target),
            calendar=office_hours(),
            organisation="Kundcenter",
            exit_policy=exit_policy or ExitPolicy(),
        )
        self.live = Live(self.rules)
        self.events: list[Event] = []

    def at(self, seconds: float) -> datetime:
        return self.start + timedelta(milliseconds=round(seconds * 1000))

    def add(self, event: Event) -> "Scenario":
        self.events.append(event)
        self.live.apply(event)
        return self

    def _tell(self, kind: type[Event], seconds: float, *key: object, source: str = SOURCE, **fields: Any) -> "Scenario":
        moment = self.at(seconds)
        name = str(kind.__struct_config__.tag)
        fields.setdefault("switch", "luleå")
        event = kind(
            id=event_id(source, name, moment.isoformat(), *key),
            source=source,
            observed_at=moment,
            switch_time=moment,
            **fields,
        )
        return self.add(event)

    def connected(self, seconds: float, **fields: Any) -> "Scenario":
        return self._tell(SourceConnected, seconds, **fields)

    def disconnected(self, seconds: float, **fields: Any) -> "Scenario":
        return self._tell(SourceDisconnected, seconds, **fields)

    def restarted(self, seconds: float, **fields: Any) -> "Scenario":
        return self._tell(SourceRestarted, seconds, **fields)

    def entered(
        self, seconds: float, who: str, queue: str = "kundcenter", visit: str = "", **fields: Any
    ) -> "Scenario":
        visit_id = visit or f"luleå:{who}@{queue}"
        fields = {"contact_id": f"luleå:{who}", "leg_id": f"luleå:{who}"} | fields
        return self._tell(CallEntered, seconds, visit_id, visit_id=visit_id, queue=queue, **fields)

    def answered(
        self, seconds: float, who: str, queue: str = "kundcenter", visit: str = "", **fields: Any
    ) -> "Scenario":
        visit_id = visit or f"luleå:{who}@{queue}"
        fields = {"agent_id": "luleå:agent 1"} | fields
        return self._tell(CallAnswered, seconds, visit_id, visit_id=visit_id, **fields)

    def completed(
        self, seconds: float, who: str, queue: str = "kundcenter", visit: str = "", **fields: Any
    ) -> "Scenario":
        visit_id = visit or f"luleå:{who}@{queue}"
        fields = {"ended_by": EndedBy.CALLER} | fields
        return self._tell(CallCompleted, seconds, visit_id, visit_id=visit_id, **fields)

    def left(
        self,
        seconds: float,
        who: str,
        outcome: str = "abandoned",
        queue: str = "kundcenter",
        visit: str = "",
        **fields: Any,
    ) -> "Scenario":
        visit_id = visit or f"luleå:{who}@{queue}"
        return self._tell(
            CallLeft, seconds, visit_id, outcome, visit_id=visit_id, outcome=LeftOutcome(outcome), **fields
        )

    def _ring(self, seconds: float, who: str, ring: str, result: str, after: float) -> "Scenario":
        visit_id = f"luleå:{who}@kundcenter"
        self._tell(CallRinging, seconds, ring, visit_id=visit_id, ring_id=ring, agent_id="luleå:agent 1")
        return self._tell(CallRingEnded, seconds + after, ring, ring_id=ring, result=RingResult(result))

    def refused(
        self, seconds: float, who: str, reason: str = "full", queue: str = "kundcenter", source: str = SOURCE
    ) -> "Scenario":
        its: dict[str, Any] = {"contact_id": f"luleå:{who}", "queue": queue, "reason": RefusalReason(reason)}
        return self._tell(CallRefused, seconds, who, source=source, **its)

    def snapshot(
        self, seconds: float, *who: str, queue: str = "kundcenter", waited: float = 0, **fields: Any
    ) -> "Scenario":
        waiting = tuple(
            WaitingCaller(leg_id=f"luleå:{name}", position=place, waited_ms=round(waited * 1000))
            for place, name in enumerate(who, start=1)
        )
        return self._tell(QueueSnapshot, seconds, queue, queue=queue, as_of=self.at(seconds), waiting=waiting, **fields)

    def agent(self, seconds: float, who: str, state: str, *queues: str) -> "Scenario":
        agent_id = f"luleå:{who}"
        for queue in queues:
            self._tell(AgentMember, seconds, agent_id, queue, agent_id=agent_id, queue=queue, action=MemberAction.ADDED)
        return self._tell(AgentState, seconds, agent_id, state, agent_id=agent_id, state=AgentActivity(state))

    # ---- what is true

    def visits(self) -> list[Visit]:
        return sorted(self.live.ledger.visits(), key=lambda v: (v.entered_at or self.start, v.visit_id))

    def visit(self, who: str, queue: str = "kundcenter") -> Visit:
        return next(v for v in self.visits() if v.leg_id == f"luleå:{who}" and v.queue == queue)

    def contact(self, who: str) -> Contact:
        return next(c for c in self.live.ledger.contacts() if c.contact_id == f"luleå:{who}")

    def day(self, at: float, queue: str | None = None, level: Level = Level.CONTACT) -> Period:
        snapshot = self.live.snapshot(self.at(at))
        view = snapshot.total if queue is None else next(q for q in snapshot.queues if q.name == queue)
        return view.periods["day"] if level is Level.CONTACT else view.visits_today

    def counts(self, at: float, queue: str | None = None, level: Level = Level.CONTACT) -> Counts:
        return self.day(at, queue, level).counts


__all__ = ["SOURCE", "STOCKHOLM", "TEN", "Scenario", "office_hours", "type_of"]
