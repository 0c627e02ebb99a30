"""Runs a simulated day, one event after another, and records what the switch reports of it.

Longer than 450 lines because one made-up day is one loop of events over one state.
"""

import heapq
import random
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from functools import partial
from itertools import count
from operator import attrgetter
from typing import Any, Final

from msgspec import Struct

from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    Caller,
    CallLeft,
    CallRefused,
    CallRingEnded,
    CallRinging,
    CallTransferred,
    EndedBy,
    EntryReason,
    Event,
    LeftOutcome,
    MemberAction,
    QueueAgent,
    QueueSnapshot,
    RefusalReason,
    RingResult,
    SourceClock,
    SourceConnected,
    SourceDisconnected,
    SourceRestarted,
    TransferKind,
    TransferTarget,
    WaitingCaller,
    event_id,
    milliseconds,
)
from queue_monitor.model import Outcome
from queue_monitor.simulation.callers import Incident, Person
from queue_monitor.simulation.crew import RING_SECONDS, Agent
from queue_monitor.simulation.day import (
    CLOSES,
    CONNECTS,
    LINES_QUIET,
    MINUTE,
    OPENS,
    SECOND,
    ZONE,
    CallTruth,
    ClockOffset,
    Config,
    Kind,
    SourceOutage,
    SwitchRestart,
    generator,
)

_NO_ANSWER_SHARE: Final = 0.015
_NO_ANSWER_SECONDS: Final = 15.0
_KEY_AFTER: Final = 90 * SECOND
_SLOW_FACTOR: Final = 1.35
_PHONES_BACK: Final = 20 * SECOND

_UNIX: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LETTERS: Final = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def _place_of(visit: "Visit") -> dict[str, str]:
    """Return the fields that place an event of a visit that began unseen."""
    return {"queue": visit.queue, "leg_id": visit.contact_id, "contact_id": visit.contact_id}


def _since_midnight(at: time) -> int:
    return (at.hour * 60 + at.minute) * MINUTE + at.second * SECOND + at.microsecond // 1000


class Visit(Struct):
    """One stay in one queue, or a refused try (then without a visit id)."""

    caller: Person
    contact_id: str
    visit_id: str
    queue: str
    entered: int
    gives_up: int
    outcome: Outcome = Outcome.WAITING
    entry_reason: EntryReason = EntryReason.DIRECT
    prev_visit_id: str | None = None
    refused: RefusalReason | None = None
    ended: int | None = None
    reached: int | None = None
    rung: int = 0
    ringing: Agent | None = None
    ring_began: int = 0
    agent: Agent | None = None
    completed: int | None = None

    @property
    def waits(self) -> bool:
        return self.outcome is Outcome.WAITING

    @property
    def ring_id(self) -> str:
        return f"{self.visit_id}/{self.rung}"

    def truth(self, at: Callable[[int], datetime]) -> CallTruth:
        return CallTruth(
            contact_id=self.contact_id,
            visit_id=self.visit_id,
            queue=self.queue,
            entered_at=at(self.entered),
            outcome=self.outcome,
            entry_reason=self.entry_reason,
            prev_visit_id=self.prev_visit_id,
            refused=self.refused,
            wait_ms=None if self.ended is None else self.ended - self.entered,
            offered_wait_ms=None if self.reached is None else self.reached - self.entered,
            agent_id=self.agent.agent_id if self.agent else None,
            completed_at=None if self.completed is None else at(self.completed),
            redial_of=self.caller.redial_of,
            person=self.caller.person,
            withheld=self.caller.withheld,
        )


class Switchboard:
    """The switch, its queues and its agents, from one simulated step to the next."""

    def __init__(self, config: Config, incident: Incident, callers: list[Person], crew: list[Agent]) -> None:
        self.events: list[Event] = []
        self.visits: list[Visit] = []
        self._config = config
        self._incident = incident
        self._callers = callers
        self._crew = crew
        self._plans = {plan.name: plan for plan in config.queues}
        self._lines: dict[str, list[Visit]] = {plan.name: [] for plan in config.queues}
        self._chance = random.Random(int(generator(config, 4).integers(2**62)))
        self._midnight = datetime.combine(config.date, time(12), ZONE).astimezone(UTC) - timedelta(hours=12)
        offset = sum(fault.seconds for fault in config.faults if isinstance(fault, ClockOffset))
        self._offset = timedelta(seconds=offset)
        self._agenda: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self._now = 0
        self._legs = 0
        self._epoch = 0
        self._connected = False
        self._phones_down_until = 0

    def moment(self, now: int) -> datetime:
        """Return the time by the switch's clock at a millisecond of the local day."""
        return self._midnight + timedelta(milliseconds=now) + self._offset

    def run(self) -> None:
        self._plan_the_day()
        while self._agenda:
            self._now, _, happens = heapq.heappop(self._agenda)
            happens()

    def _at(self, moment: int, happens: Callable[..., None], *what: object) -> None:
        entry: tuple[int, int, Callable[[], None]] = (moment, next(self._order), partial(happens, *what))
        heapq.heappush(self._agenda, entry)

    def _plan_the_day(self) -> None:
        self._at(CONNECTS, self._connect, "start")
        for fault in self._config.faults:
            if isinstance(fault, SourceOutage):
                self._at(_since_midnight(fault.at), self._disconnect)
                self._at(_since_midnight(fault.at) + fault.seconds * SECOND, self._connect, "reconnected")
            elif isinstance(fault, SwitchRestart):
                self._at(_since_midnight(fault.at), self._restart)
        if self._offset:
            for moment in range(CONNECTS, LINES_QUIET, 30 * SECOND):
                self._at(moment, self._tell_clock)
        if step := self._config.snapshot_seconds * SECOND:
            for moment in range(CONNECTS + step, LINES_QUIET, step):
                self._at(moment, self._tell_queues)
        for agent in self._crew:
            self._at(agent.arrives, self._arrive, agent)
        if self._incident.kind is Kind.OUTAGE:
            self._at(self._incident.start, self._lose_phones, self._incident.end)
        for caller in self._callers:
            self._at(caller.rings_at, self._ring_up, caller)

    # callers

    def _ring_up(self, caller: Person) -> None:
        contact_id = self._new_leg()
        if reason := self._refusal(caller.queue):
            self.visits.append(
                Visit(caller, contact_id, "", caller.queue, self._now, self._now, Outcome.REFUSED, refused=reason)
            )
            self._tell(
                CallRefused, contact_id, contact_id=contact_id, leg_id=contact_id, queue=caller.queue, reason=reason
            )
        else:
            self._enter(caller, contact_id, caller.queue, EntryReason.DIRECT, self._now + caller.patience)

    def _refusal(self, queue: str) -> RefusalReason | None:
        if not OPENS <= self._now < CLOSES:
            return RefusalReason.CLOSED
        if self._depth(queue) >= self._plans[queue].places:
            return RefusalReason.FULL
        if not any(agent.on_duty and queue in agent.queues for agent in self._crew):
            return RefusalReason.NO_AGENTS
        return None

    def _enter(
        self,
        caller: Person,
        contact_id: str,
        queue: str,
        why: EntryReason,
        gives_up: int,
        came_from: Visit | None = None,
    ) -> None:
        visit = Visit(
            caller,
            contact_id,
            f"{contact_id}@{milliseconds(self.moment(self._now) - _UNIX)}",
            queue,
            self._now,
            gives_up,
            entry_reason=why,
            prev_visit_id=came_from.visit_id if came_from else None,
        )
        self.visits.append(visit)
        self._lines[queue].append(visit)
        position = self._depth(queue)
        self._tell(
            CallEntered,
            visit.visit_id,
            visit_id=visit.visit_id,
            contact_id=contact_id,
            leg_id=contact_id,
            queue=queue,
            position=position,
            depth_reported=position,
            caller=Caller(withheld=True) if caller.withheld else Caller(pseudonym=self._pseudonym(caller)),
            entry_reason=why,
            prev_visit_id=visit.prev_visit_id,
            contact_started_at=None if came_from else self.moment(self._now - caller.menu),
        )
        self._at(gives_up, self._leave, visit, Outcome.ABANDONED)
        plan = self._plans[queue]
        out = Outcome.OVERFLOW if plan.overflow_to else Outcome.TIMEOUT
        self._at(self._now + plan.timeout_seconds * SECOND, self._leave, visit, out)
        if caller.presses_key and why is EntryReason.DIRECT:
            self._at(self._now + _KEY_AFTER, self._leave, visit, Outcome.EXIT_KEY)
        self._find_agent(queue)

    def _leave(self, visit: Visit, how: Outcome) -> None:
        """End the wait of a caller whose time is up; one who was answered or has left is not touched."""
        if not visit.waits:
            return
        rung = visit.ringing
        if rung:
            self._end_ring(visit, RingResult.CANCELLED)
        visit.outcome, visit.ended = how, self._now
        onward = self._plans[visit.queue].overflow_to if how is Outcome.OVERFLOW else None
        self._tell(
            CallLeft,
            visit.visit_id,
            visit_id=visit.visit_id,
            outcome=LeftOutcome(how),
            key="1" if how is Outcome.EXIT_KEY else None,
            next_queue=onward,
            wait_ms_reported=self._now - visit.entered,
            **_place_of(visit),
        )
        if onward:
            self._enter(visit.caller, visit.contact_id, onward, EntryReason.OVERFLOW, visit.gives_up, visit)
        elif how is Outcome.ABANDONED:
            self._perhaps_again(visit)
        if rung:
            self._ready(rung)

    def _perhaps_again(self, visit: Visit) -> None:
        caller = visit.caller
        if caller.redials_after is not None and caller.again and visit.entry_reason is not EntryReason.TRANSFER:
            caller.again.redial_of = visit.contact_id
            self._at(self._now + caller.redials_after, self._ring_up, caller.again)

    # agents

    def _arrive(self, agent: Agent) -> None:
        for queue in agent.queues:
            self._tell_member(agent, queue, MemberAction.ADDED)
        for pause in agent.breaks:
            self._at(pause.start, self._look_up, agent)
        self._at(agent.goes_home, self._look_up, agent)
        self._ready(agent)

    def _look_up(self, agent: Agent) -> None:
        """Start a due break or the end of the shift: a free agent goes now, a busy one after the call."""
        if agent.state in (AgentActivity.AVAILABLE, AgentActivity.UNREACHABLE):
            self._ready(agent)

    def _ready(self, agent: Agent) -> None:
        """Send an agent home, to a break, or to the next call, after the last work is done."""
        agent.turn += 1
        if self._now >= agent.goes_home and not self._is_needed(agent):
            self._become(agent, AgentActivity.LOGGED_OUT)
            for queue in agent.queues:
                self._tell_member(agent, queue, MemberAction.REMOVED)
        elif agent.breaks and agent.breaks[0].start <= self._now:
            pause = agent.breaks.pop(0)
            self._pause(agent, pause.length, pause.reason)
        elif self._now < self._phones_down_until:
            self._become(agent, AgentActivity.UNREACHABLE)
            self._at(self._phones_down_until, self._resume, agent, agent.turn)
        else:
            self._free(agent)

    def _is_needed(self, agent: Agent) -> bool:
        """Return whether an agent stays on: some do after closing until nobody waits."""
        return agent.stays_on and any(self._depth(queue) for queue in agent.queues)

    def _free(self, agent: Agent) -> None:
        heads = [head for queue in agent.queues if (head := self._head(queue))]
        if heads:
            self._ring(agent, min(heads, key=attrgetter("entered")))
            return
        self._become(agent, AgentActivity.AVAILABLE)
        if self._now >= agent.goes_home:
            self._at(self._now + 15 * SECOND, self._resume, agent, agent.turn)

    def _resume(self, agent: Agent, turn: int) -> None:
        if agent.turn == turn:
            self._ready(agent)

    def _pause(self, agent: Agent, length: int, reason: str) -> None:
        self._become(agent, AgentActivity.PAUSED, reason)
        self._at(self._now + length, self._resume, agent, agent.turn)

    def _lose_phones(self, until: int) -> None:
        self._phones_down_until = max(self._phones_down_until, until)
        for agent in self._crew:
            if agent.state is AgentActivity.AVAILABLE:
                self._ready(agent)

    # calls

    def _find_agent(self, queue: str) -> None:
        """Let the agent who has been free the longest take the first in line."""
        free = [agent for agent in self._crew if agent.state is AgentActivity.AVAILABLE and queue in agent.queues]
        for agent in sorted(free, key=attrgetter("since")):
            if not self._head(queue):
                return
            self._ready(agent)

    def _head(self, queue: str) -> Visit | None:
        """Return the first in line for whom no phone rings, and drop those who have left.

        At that moment the turn of those who left would have come.
        """
        line = self._lines[queue]
        for visit in list(line):
            if visit.waits and not visit.ringing:
                return visit
            if not visit.waits:
                visit.reached = self._now
                line.remove(visit)
        return None

    def _depth(self, queue: str) -> int:
        return sum(visit.waits for visit in self._lines[queue])

    def _ring(self, agent: Agent, visit: Visit) -> None:
        agent.turn += 1
        visit.ringing, visit.ring_began = agent, self._now
        visit.rung += 1
        self._become(agent, AgentActivity.RINGING)
        self._tell(
            CallRinging,
            visit.ring_id,
            visit_id=visit.visit_id,
            ring_id=visit.ring_id,
            agent_id=agent.agent_id,
            **_place_of(visit),
        )
        if self._chance.random() < _NO_ANSWER_SHARE:
            self._at(self._now + int(_NO_ANSWER_SECONDS * SECOND), self._give_back, agent, visit, agent.turn)
        else:
            after = self._chance.uniform(*RING_SECONDS)
            self._at(self._now + int(after * SECOND), self._answer, agent, visit, agent.turn)

    def _end_ring(self, visit: Visit, result: RingResult) -> None:
        agent, visit.ringing = visit.ringing, None
        self._tell(
            CallRingEnded,
            visit.ring_id,
            ring_id=visit.ring_id,
            result=result,
            visit_id=visit.visit_id,
            agent_id=agent.agent_id if agent else None,
            ring_ms=self._now - visit.ring_began,
        )

    def _give_back(self, agent: Agent, visit: Visit, turn: int) -> None:
        """End a ring without an answer: the caller keeps the place in line, the switch pauses the phone for a
        minute.
        """
        if agent.turn != turn:
            return
        self._end_ring(visit, RingResult.NO_ANSWER)
        self._pause(agent, MINUTE, "svarar ej")
        self._find_agent(visit.queue)

    def _answer(self, agent: Agent, visit: Visit, turn: int) -> None:
        if agent.turn != turn:
            return
        agent.turn += 1
        self._end_ring(visit, RingResult.ANSWERED)
        visit.outcome, visit.ended, visit.reached, visit.agent = Outcome.ANSWERED, self._now, visit.ring_began, agent
        self._lines[visit.queue].remove(visit)
        self._become(agent, AgentActivity.BUSY)
        self._tell(
            CallAnswered,
            visit.visit_id,
            visit_id=visit.visit_id,
            agent_id=agent.agent_id,
            ring_id=visit.ring_id,
            wait_ms_reported=self._now - visit.entered,
            ring_ms=self._now - visit.ring_began,
            **_place_of(visit),
        )
        self._at(self._now + self._handle_time(visit.caller.talk), self._hang_up, agent, visit, agent.turn)

    def _handle_time(self, usual: int) -> int:
        slow = self._incident.kind is Kind.SLOW and self._incident.covers(self._now)
        return int(usual * _SLOW_FACTOR) if slow else usual

    def _hang_up(self, agent: Agent, visit: Visit, turn: int) -> None:
        if agent.turn != turn:
            return
        onward = self._passed_on(visit)
        visit.completed = self._now
        if onward:
            self._tell(
                CallTransferred,
                visit.visit_id,
                visit_id=visit.visit_id,
                kind=TransferKind.BLIND,
                to=TransferTarget(queue=onward),
                agent_id=agent.agent_id,
            )
        by_whom = EndedBy.CALLER if visit.caller.hangs_up_first else EndedBy.AGENT
        self._tell(
            CallCompleted,
            visit.visit_id,
            visit_id=visit.visit_id,
            ended_by=EndedBy.TRANSFER if onward else by_whom,
            talk_ms_reported=self._now - (visit.ended or self._now),
            wait_ms_reported=(visit.ended or self._now) - visit.entered,
            agent_id=agent.agent_id,
            **_place_of(visit),
        )
        self._become(agent, AgentActivity.WRAPUP)
        self._at(self._now + self._handle_time(visit.caller.wrapup), self._resume, agent, agent.turn)
        if onward:
            patience = self._now + visit.caller.patience
            self._enter(visit.caller, visit.contact_id, onward, EntryReason.TRANSFER, patience, visit)
        elif visit.caller.back is not None:
            self._at(self._now + visit.caller.returns_after, self._ring_up, visit.caller.back)

    def _passed_on(self, visit: Visit) -> str | None:
        """Return the experts' queue that this call goes on to, if it does."""
        if visit.entry_reason is EntryReason.TRANSFER or self._now >= CLOSES:
            return None
        reached = 0.0
        for plan in self._config.queues:
            reached += plan.transfers
            if visit.caller.passed_on < reached and plan.name != visit.queue:
                return plan.name
        return None

    def _restart(self) -> None:
        """Restart the switch: every call is cut off; the phones log on again after 20 s."""
        self._tell(SourceRestarted, self._now)
        for line in self._lines.values():
            for visit in line:
                if visit.waits:
                    visit.outcome, visit.ended, visit.ringing = Outcome.LOST, self._now, None
            line.clear()
        self._phones_down_until = max(self._phones_down_until, self._now + _PHONES_BACK)
        for agent in self._crew:
            if agent.on_duty and agent.state is not AgentActivity.PAUSED:
                self._ready(agent)

    # the events of the switch

    def _tell(self, event: type[Event], /, *key: object, **fields: Any) -> None:
        if not self._connected:
            return
        now = self._midnight + timedelta(milliseconds=self._now)
        tag = str(event.__struct_config__.tag)
        self.events.append(
            event(
                id=event_id(self._config.source, tag, *key, 1000 * milliseconds(now + self._offset - _UNIX)),
                source=self._config.source,
                switch=self._config.switch,
                switch_time=now + self._offset,
                observed_at=now,
                epoch=f"{self._config.date.isoformat()}/{self._epoch}",
                **fields,
            )
        )

    def _connect(self, reason: str) -> None:
        self._connected = True
        self._epoch += 1
        self._tell(SourceConnected, reason=reason)
        self._tell_queues()

    def _disconnect(self) -> None:
        self._tell(SourceDisconnected, reason="connection lost")
        self._connected = False

    def _tell_clock(self) -> None:
        self._tell(SourceClock, offset_ms=self._offset / timedelta(milliseconds=1), rtt_ms=1.0)

    def _tell_queues(self) -> None:
        for queue, line in self._lines.items():
            waiting = [visit for visit in line if visit.waits]
            self._tell(
                QueueSnapshot,
                queue,
                queue=queue,
                as_of=self.moment(self._now),
                waiting=tuple(self._place(visit, number) for number, visit in enumerate(waiting, 1)),
                agents=tuple(
                    QueueAgent(agent_id=agent.agent_id, state=agent.state, reason=agent.reason)
                    for agent in self._crew
                    if agent.on_duty and queue in agent.queues
                ),
            )

    def _place(self, visit: Visit, position: int) -> WaitingCaller:
        return WaitingCaller(
            leg_id=visit.contact_id,
            visit_id=visit.visit_id,
            contact_id=visit.contact_id,
            position=position,
            waited_ms=self._now - visit.entered,
            entered_at=self.moment(visit.entered),
        )

    def _tell_member(self, agent: Agent, queue: str, action: MemberAction) -> None:
        self._tell(AgentMember, agent.agent_id, queue, action, agent_id=agent.agent_id, queue=queue, action=action)

    def _become(self, agent: Agent, state: AgentActivity, reason: str | None = None) -> None:
        if (agent.state, agent.reason) == (state, reason):
            return
        agent.state, agent.reason, agent.since = state, reason, self._now
        self._tell(AgentState, agent.agent_id, agent.turn, state, agent_id=agent.agent_id, state=state, reason=reason)

    def _new_leg(self) -> str:
        """Return `<switch>:<seconds>.<n>`, the shape of an Asterisk uniqueid: no two days share one."""
        self._legs += 1
        seconds = milliseconds(self.moment(self._now) - _UNIX) // SECOND
        return f"{self._config.switch}:{seconds}.{self._legs}"

    def _pseudonym(self, caller: Person) -> str:
        """Return the same pseudonym for a person all day and another tomorrow, in letters only, without a run of
        digits.
        """
        digest = event_id("pseudonym", str(self._config.seed), self._config.date.toordinal(), caller.person)
        return digest[:16].translate(_LETTERS)
