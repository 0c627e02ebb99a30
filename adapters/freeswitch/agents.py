"""The agents: the state of each, from mod_callcenter's two axes, and who answers which queue.

An agent's *status* is the person's own choice (Available, On Break …), the *state* is the switch's (Waiting, Receiving
…). No event reports a deleted agent or a change of queues: the lists show it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from adapters.freeswitch.moments import from_seconds
from queue_monitor.events import AgentActivity, AgentMember, AgentState, Event, MemberAction, QueueAgent
from queue_monitor.stamp import Stamp

_STATUSES: Final = frozenset(("Logged Out", "Available", "Available (On Demand)", "On Break"))
_BY_STATE: Final = {
    "Receiving": AgentActivity.RINGING,
    "Reserved": AgentActivity.RINGING,
    "In a queue call": AgentActivity.BUSY,
    # The agent gets no calls, whatever the status, and the switch does not say for how long.
    "Idle": AgentActivity.PAUSED,
}

Tiers = dict[tuple[str, str], int | None]


@dataclass(slots=True)
class _Agent:
    status: str = ""
    state: str = ""
    wrapup_seconds: int = 0
    wrapup_until: datetime | None = None
    told: tuple[AgentActivity, str | None] | None = None


class Agents:
    """Keeps the state of each agent, so that only changes become events, and ends wrap-up in time."""

    def __init__(self, switch: str, emit: Callable[[Event], None]) -> None:
        self._switch = switch
        self._emit = emit
        self._agents: dict[str, _Agent] = {}
        self._tiers: Tiers | None = None

    def agent_id(self, name: str) -> str:
        return f"{self._switch}:{name}"

    def change(self, message: Mapping[str, str], stamp: Stamp) -> bool:
        """Take an `agent-status-change` or `agent-state-change`. Return False if it names no agent."""
        name = message.get("CC-Agent", "")
        if not name:
            return False
        agent = self._agents.setdefault(name, _Agent())
        agent.status = message.get("CC-Agent-Status") or agent.status
        agent.state = message.get("CC-Agent-State") or agent.state
        if agent.state != "Waiting":
            agent.wrapup_until = None
        self._tell(name, agent, stamp)
        return True

    def talked(self, name: str, stamp: Stamp) -> None:
        """Note the end of a talk: the agent gets no call for as long as the wrap-up time lasts."""
        agent = self._agents.get(name)
        if agent and agent.wrapup_seconds:
            agent.wrapup_until = stamp.at + timedelta(seconds=agent.wrapup_seconds)

    def listed(self, lines: Iterable[Mapping[str, str] | None], stamp: Stamp) -> bool:
        """Take the lines of `agent list`, in which a missing agent is deleted. Return False if a line could not be
        read.
        """
        seen, understood = set(), True
        for line in lines:
            if line is None or not line.get("name"):
                understood = False
                continue
            name = line["name"]
            seen.add(name)
            agent = self._agents.setdefault(name, _Agent())
            agent.status, agent.state = line.get("status", ""), line.get("state", "")
            agent.wrapup_seconds = _whole(line.get("wrap_up_time", "")) or 0
            if agent.state == "Waiting" and agent.wrapup_until is None and (ended := _ended(line)):
                until = ended + timedelta(seconds=agent.wrapup_seconds)
                agent.wrapup_until = until if until > stamp.at else None
            self._tell(name, agent, stamp)
        if understood:
            for name in sorted(self._agents.keys() - seen):
                gone = self._agents.pop(name)
                gone.status, gone.state = "Logged Out", ""
                self._tell(name, gone, stamp)
        return understood

    def tiers_listed(self, lines: Iterable[Mapping[str, str] | None], stamp: Stamp) -> bool:
        """Take the lines of `tier list` and report the changes. Return False, and report none, if a line is
        unreadable.
        """
        tiers: Tiers = {}
        for line in lines:
            if line is None or not line.get("queue") or not line.get("agent"):
                return False
            level = line.get("level", "")
            tiers[line["queue"], line["agent"]] = (
                int(level) if len(level) < 6 and level.isascii() and level.isdigit() else None
            )
        before = self._tiers or {}
        for (queue, name), now in tiers.items():
            if (queue, name) not in before:
                self._member(name, queue, MemberAction.ADDED, now, stamp)
            elif before[queue, name] != now:
                self._member(name, queue, MemberAction.CHANGED, now, stamp)
        for queue, name in sorted(before.keys() - tiers.keys()):
            self._member(name, queue, MemberAction.REMOVED, None, stamp)
        self._tiers = tiers
        return True

    def of_queue(self, queue: str) -> tuple[QueueAgent, ...]:
        """Return who answers a queue, by the latest list, and the state of each."""
        found = []
        for (name_of_queue, name), level in (self._tiers or {}).items():
            if name_of_queue == queue:
                agent = self._agents.get(name, _Agent())
                state, reason = _activity(agent)
                found.append(
                    QueueAgent(
                        agent_id=self.agent_id(name), state=state, reason=reason, state_raw=_raw(agent), level=level
                    )
                )
        return tuple(found)

    def end_wrapups(self, stamp: Stamp) -> None:
        """Make agents available whose wrap-up is over at the stamp's time; the switch sends no event for it."""
        for name, agent in self._agents.items():
            if agent.wrapup_until and agent.wrapup_until <= stamp.at:
                over = replace(stamp, switch_time=agent.wrapup_until, derived=True)
                agent.wrapup_until = None
                self._tell(name, agent, over)

    def forget(self) -> None:
        """Forget all agents, because a restarted switch reports each anew."""
        self._agents.clear()
        self._tiers = None

    def _tell(self, name: str, agent: _Agent, stamp: Stamp) -> None:
        now = _activity(agent)
        if now == agent.told:
            return
        agent.told = now
        self._emit(
            AgentState(
                # Two changes of one agent may share a microsecond, so the new state is part of the event's id.
                **stamp.envelope("agent.state", name, *now, _raw(agent)),
                agent_id=self.agent_id(name),
                state=now[0],
                reason=now[1],
                state_raw=_raw(agent),
            )
        )

    def _member(self, name: str, queue: str, action: MemberAction, level: int | None, stamp: Stamp) -> None:
        self._emit(
            AgentMember(
                **stamp.envelope("agent.member", name, queue, action),
                agent_id=self.agent_id(name),
                queue=queue,
                action=action,
                level=level,
            )
        )


def _activity(agent: _Agent) -> tuple[AgentActivity, str | None]:
    """Return one state from the two axes: logged out and on break win; without a known status only work is certain."""
    if agent.status == "Logged Out":
        return AgentActivity.LOGGED_OUT, None
    if agent.status == "On Break":
        return AgentActivity.PAUSED, "On Break"
    if agent.state in _BY_STATE:
        activity = _BY_STATE[agent.state]
        return activity, "Idle" if activity is AgentActivity.PAUSED else None
    if agent.status not in _STATUSES or agent.state not in ("Waiting", ""):
        return AgentActivity.UNKNOWN, None
    return (AgentActivity.WRAPUP if agent.wrapup_until else AgentActivity.AVAILABLE), None


def _raw(agent: _Agent) -> str:
    return f"{agent.status or '?'} / {agent.state or '?'}"


def _ended(line: Mapping[str, str]) -> datetime | None:
    return from_seconds(line.get("last_bridge_end", ""))


def _whole(text: str) -> int | None:
    return int(text) if len(text) < 6 and text.isascii() and text.isdigit() else None
