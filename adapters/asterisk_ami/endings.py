"""The outcome of a caller who left a queue without an answer, decided from the events around the Leave.

Strongest first: QUEUESTATUS (the switch's own reason); a HangupRequest of the caller's own channel before the Abandon,
or during the greeting of an agent who has picked up (the caller hung up); an Abandon whose channel already stands in
another place of the dialplan than the Join or a ring, or goes on to one (somebody moved the caller there); only a
SoftHangupRequest (the switch cut the call: a restart); an Abandon with none of these; a Leave alone, which is how a
pressed key looks. Where no event of an agent ever comes an answer looks the same, but for the key's step in the
dialplan.
"""

from typing import Final

from adapters.asterisk_ami.messages import Cutter
from adapters.asterisk_ami.visits import Visit
from queue_monitor.events import LeftOutcome, OutcomeBasis, RefusalReason

Ending = tuple[LeftOutcome, OutcomeBasis, str]
"""The outcome, whether the switch stated it, and the evidence for it."""

BY_STATUS: Final = {
    "TIMEOUT": LeftOutcome.TIMEOUT,
    "LEAVEEMPTY": LeftOutcome.NO_AGENTS,
    "LEAVEUNAVAIL": LeftOutcome.NO_AGENTS,
    "WITHDRAW": LeftOutcome.WITHDRAWN,
}
REFUSALS: Final = {
    "FULL": RefusalReason.FULL,
    "JOINEMPTY": RefusalReason.NO_AGENTS,
    "JOINUNAVAIL": RefusalReason.NO_AGENTS,
}


def is_moved(visit: Visit) -> bool:
    """Return whether the caller's channel was at another place of the dialplan when it left the queue.

    `h` does not count: every channel goes there after it has hung up.
    """
    if visit.was_sent_elsewhere:
        return True
    if visit.entered_in is None or visit.left_in is None or visit.left_in[1] == "h":
        return False
    if "" in (visit.entered_in[2], visit.left_in[2]):
        return visit.left_in[:2] != visit.entered_in[:2]
    return visit.left_in != visit.entered_in


def verdict(visit: Visit, seen: Cutter, *, cut: bool = False, restart: bool = False, goes_on: bool = False) -> Ending:
    """Return the outcome of a held visit.

    `seen`: the kinds of messages that have come.
    `cut`: the connection ended while the Leave was held.
    `restart`: the switch went down then.
    `goes_on`: the caller's channel takes another step of the dialplan, so the caller is still on the line.
    """
    leg, inferred, sees_variables = visit.leg, OutcomeBasis.INFERRED, seen.sees_variables
    if visit.status:
        return BY_STATUS.get(visit.status, LeftOutcome.SYSTEM), OutcomeBasis.STATED, visit.status
    has_ended = visit.abandoned is not None or visit.was_hanging_up
    if leg.requested and (has_ended or visit.greeted):
        return LeftOutcome.ABANDONED, OutcomeBasis.STATED, "HangupRequest"
    if visit.abandoned and not leg.softly and (is_moved(visit) or (goes_on and sees_variables)):
        return LeftOutcome.TRANSFERRED_OUT, OutcomeBasis.STATED, "Redirect"
    if restart or (has_ended and leg.softly):
        return LeftOutcome.LOST, inferred, "SoftHangupRequest" if leg.softly else "Shutdown"
    if cut:
        return LeftOutcome.UNKNOWN, inferred, "connection lost"
    if visit.abandoned is None:
        is_no_answer = visit.key is not None or seen.sees_agents or not seen.sees_steps
        return LeftOutcome.EXIT_KEY if is_no_answer else LeftOutcome.UNKNOWN, inferred, "Leave"
    if sees_variables and visit.joined is None and visit.entered_in is None:
        # The caller's earlier place in the dialplan is not known: perhaps somebody moved the channel.
        return LeftOutcome.UNKNOWN, inferred, "Abandon"
    if sees_variables:
        # Had the switch ended the wait, QUEUESTATUS would have said so.
        return LeftOutcome.ABANDONED, inferred, "Abandon"
    return LeftOutcome.SYSTEM, inferred, "Abandon"
