"""The agents as app_queue reports them: one id for each, and a state for each agent in each queue."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from adapters.asterisk_ami.messages import whole
from queue_monitor.events import AgentActivity, AgentMember, AgentState, Event, MemberAction, QueueAgent
from queue_monitor.queues import agent_key, queue_key
from queue_monitor.stamp import Stamp

_BY_DEVICE: Final = {
    "0": AgentActivity.UNKNOWN,
    "1": AgentActivity.AVAILABLE,
    "2": AgentActivity.BUSY,
    "3": AgentActivity.BUSY,
    "4": AgentActivity.UNREACHABLE,
    "5": AgentActivity.UNREACHABLE,
    "6": AgentActivity.RINGING,
    "7": AgentActivity.BUSY,
    "8": AgentActivity.BUSY,
}
"""The agent's state by Asterisk's device state (AST_DEVICE_*): 3 is its "busy", 7 in use and ringing, 8 on hold."""

_ACTIONS: Final = {
    "QueueMemberAdded": MemberAction.ADDED,
    "QueueMemberRemoved": MemberAction.REMOVED,
    "QueueMemberPenalty": MemberAction.CHANGED,
    "QueueMemberRinginuse": MemberAction.CHANGED,
}

_Key = tuple[str, str]


class Agents:
    """Keeps each agent's state in each queue, so that only changes become events, and ends wrap-up in time."""

    def __init__(self, switch: str, wrapup_seconds: Mapping[str, int], emit: Callable[[Event], None]) -> None:
        self._switch = switch
        self._emit = emit
        self._queue_wrapup = {queue_key(queue): seconds for queue, seconds in wrapup_seconds.items()}
        self._names: dict[str, str] = {}
        self._states: dict[_Key, tuple[AgentActivity, str | None]] = {}
        self._wrapups: dict[_Key, tuple[datetime, str]] = {}

    def agent_id(self, name: str, interface: str) -> str:
        """Return the agent's id, made from the member's name (as in queue_log), else from the interface's known name.

        Where neither is known, the interface itself is used; "" when that is missing too.
        """
        self._learn(name, interface, "")
        known = name or self._names.get(interface.casefold()) or interface
        return agent_key(f"{self._switch}:{known}") if known else ""

    def behind(self, channel: str) -> str | None:
        """Return the agent whose phone a channel is (`PJSIP/1003-0000014f`), or None when it is no agent's."""
        name = self._names.get(channel.rpartition("-")[0].casefold())
        return agent_key(f"{self._switch}:{name}") if name else None

    def listed(self, message: Mapping[str, str], at: datetime) -> QueueAgent | None:
        """Return one member of a QueueStatus list; None when it names no agent."""
        name, interface = message.get("Name", ""), message.get("Location", "")
        self._learn(name, interface, message.get("StateInterface", ""))
        agent = self.agent_id(name, interface)
        if not agent:
            return None
        queue = message.get("Queue", "")
        activity, reason = self._settle(agent, queue, message, at)
        return QueueAgent(
            agent_id=agent,
            state=activity,
            reason=reason,
            state_raw=_raw(message),
            level=whole(message.get("Penalty")),
        )

    def change(self, kind: str, message: Mapping[str, str], stamp: Stamp, now: datetime) -> bool:
        """Take a QueueMember* event; `now` is the switch's clock. Return False if it names no agent or no queue."""
        name, interface, queue = message.get("MemberName", ""), message.get("Interface", ""), message.get("Queue", "")
        self._learn(name, interface, message.get("StateInterface", ""))
        agent = self.agent_id(name, interface)
        if not agent or not queue:
            return False
        action = _ACTIONS.get(kind)
        if action:
            self._emit(
                AgentMember(
                    **stamp.envelope("agent.member", agent, queue, action),
                    agent_id=agent,
                    queue=queue,
                    action=action,
                    level=whole(message.get("Penalty")),
                )
            )
        if action is MemberAction.REMOVED:
            self._states.pop((agent, queue_key(queue)), None)
            self._wrapups.pop((agent, queue_key(queue)), None)
            return True
        before = self._states.get((agent, queue_key(queue)))
        after = self._settle(agent, queue, message, now)
        if after != before:
            self._emit(
                AgentState(
                    **stamp.envelope("agent.state", agent, queue),
                    agent_id=agent,
                    state=after[0],
                    reason=after[1],
                    queues=(queue,),
                    state_raw=_raw(message),
                )
            )
        return True

    def end_wrapups(self, stamp: Stamp) -> None:
        """Make agents available whose wrap-up is over at the stamp's time; Asterisk sends no event for it."""
        for key, (until, queue) in [item for item in self._wrapups.items() if item[1][0] <= stamp.at]:
            del self._wrapups[key]
            self._states[key] = (AgentActivity.AVAILABLE, None)
            over = replace(stamp, switch_time=until, derived=True)
            self._emit(
                AgentState(
                    **over.envelope("agent.state", key[0], queue, "wrapup over"),
                    agent_id=key[0],
                    state=AgentActivity.AVAILABLE,
                    queues=(queue,),
                )
            )

    def forget(self) -> None:
        """Forget all states, because a restarted switch reports every agent anew."""
        self._states.clear()
        self._wrapups.clear()

    def _learn(self, name: str, interface: str, state_interface: str) -> None:
        if name:
            for one in (interface, state_interface):
                if one:
                    self._names[one.casefold()] = name

    def _settle(
        self, agent: str, queue: str, message: Mapping[str, str], now: datetime
    ) -> tuple[AgentActivity, str | None]:
        key = (agent, queue_key(queue))
        self._wrapups.pop(key, None)
        activity, reason = self._activity(message), None
        if activity is AgentActivity.PAUSED:
            reason = message.get("PausedReason") or None
        elif activity is AgentActivity.AVAILABLE and (until := self._wrapup_until(queue, message)) and now < until:
            activity = AgentActivity.WRAPUP
            self._wrapups[key] = (until, queue)
        self._states[key] = (activity, reason)
        return activity, reason

    def _activity(self, message: Mapping[str, str]) -> AgentActivity:
        if message.get("Paused") == "1":
            return AgentActivity.PAUSED
        activity = _BY_DEVICE.get(message.get("Status", ""), AgentActivity.UNKNOWN)
        # A Local member's device may be "not in use" while its call goes on; app_queue's own `InCall` is right.
        if activity is AgentActivity.AVAILABLE and message.get("InCall") == "1":
            return AgentActivity.BUSY
        return activity

    def _wrapup_until(self, queue: str, message: Mapping[str, str]) -> datetime | None:
        last = whole(message.get("LastCall"))
        seconds = whole(message.get("Wrapuptime")) or self._queue_wrapup.get(queue_key(queue))
        return datetime.fromtimestamp(last + seconds, UTC) if last and seconds else None


def _raw(message: Mapping[str, str]) -> str:
    """Return the switch's own numbers for a state; they hold no name."""
    return " ".join(f"{key}={whole(message.get(key))}" for key in ("Status", "Paused", "InCall"))
