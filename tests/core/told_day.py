"""A day told to a live state by its bare facts, and looked at as the forecast sees it."""

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    Event,
    LeftOutcome,
    MemberAction,
)
from queue_monitor.forecast import DayState, QueueState
from queue_monitor.forecast.day import WaitingLine
from queue_monitor.forecast.forecaster import Forecaster
from queue_monitor.model import Target
from queue_monitor.queues import Pool
from tests.scenario import STOCKHOLM, office_hours

SOURCE = "urn:kc:test:pbx"


class ToldDay:
    """Moments are seconds after local midnight; `queues` are the pool that is looked at, empty: all."""

    def __init__(self, day: date, target: Target, queues: Iterable[str] = ()) -> None:
        forecaster = Forecaster(target, Calendars(office_hours()))
        self.live = Live(Rules(calendar=office_hours(), target=target), forecaster)
        self._forecaster = forecaster
        self._scope = Pool("", tuple(queues))
        self._midnight = day_bounds(day, STOCKHOLM)[0]
        self._count = 0
        self.live.start_day(self._midnight + timedelta(hours=1))

    def apply(self, events: Iterable[Event]) -> "ToldDay":
        for event in events:
            self.live.apply(event)
        return self

    def entered(self, at: float, visit: str, contact: str = "", queue: str = "kundcenter") -> None:
        self._tell(CallEntered, at, visit_id=visit, contact_id=contact or visit, leg_id=visit, queue=queue)

    def answered(self, at: float, visit: str, agent: str = "") -> None:
        self._tell(CallAnswered, at, visit_id=visit, agent_id=agent)

    def left(self, at: float, visit: str, outcome: LeftOutcome = LeftOutcome.ABANDONED) -> None:
        self._tell(CallLeft, at, visit_id=visit, outcome=outcome)

    def completed(self, at: float, visit: str) -> None:
        self._tell(CallCompleted, at, visit_id=visit)

    def agent(self, at: float, agent: str, activity: AgentActivity) -> None:
        self._tell(AgentState, at, agent_id=agent, state=activity)

    def joins(self, at: float, agent: str, queue: str, action: MemberAction = MemberAction.ADDED) -> None:
        self._tell(AgentMember, at, agent_id=agent, queue=queue, action=action)

    def _tell(self, kind: type[Event], at: float, **fields: Any) -> None:
        self._count += 1
        when = self._midnight.astimezone(UTC) + timedelta(seconds=at)
        self.live.apply(kind(id=str(self._count), source=SOURCE, observed_at=when, switch_time=when, **fields))

    def state(self, at: float) -> QueueState:
        return self.day.state(at)

    def line(self, at: float) -> WaitingLine:
        return self.day.line(at)

    @property
    def day(self) -> DayState:
        """What the forecast sees of it now."""
        self.live.settle()
        today = self._forecaster.today
        assert today is not None
        day = self._forecaster.day_of(self._scope, today)
        assert day is not None
        return day


def fed(day: date, events: Iterable[Event], target: Target, queues: Iterable[str], until: float = math.inf) -> DayState:
    """A pool's day, told up to a moment."""
    midnight = datetime.combine(day, time(), STOCKHOLM)
    told = ToldDay(day, target, queues)
    return told.apply(event for event in events if (event.at - midnight).total_seconds() <= until).day
