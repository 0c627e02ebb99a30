"""The outcomes of calls and the counts of calls by outcome: the one place where an outcome is declared.

A new way to leave a queue is a line in `LeftOutcome`, in `Outcome` and in `Counts`, and its words `outcome.NAME` in
`texts`. Formulas, sums, the API, metrics, tables and reports take it from here; `tests/test_outcomes.py` walks every
outcome through all of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from operator import add, attrgetter
from types import MappingProxyType
from typing import Final

from msgspec import Struct, structs


class LeftOutcome(StrEnum):
    """The way in which a caller left a queue without an answer.

    `lost` = cut off by the switch's own restart or crash; `unknown` = the monitor lost track, a later and better source
    may amend it; `closed` = the switch emptied the queue at closing.
    """

    ABANDONED = "abandoned"
    TIMEOUT = "timeout"
    OVERFLOW = "overflow"
    NO_AGENTS = "no_agents"
    EXIT_KEY = "exit_key"
    WITHDRAWN = "withdrawn"
    CALLBACK = "callback"
    TRANSFERRED_OUT = "transferred_out"
    CLOSED = "closed"
    SYSTEM = "system"
    LOST = "lost"
    UNKNOWN = "unknown"
    # a new one goes here, to the end: the store writes the place in this list


class Outcome(StrEnum):
    """The state of a visit or a contact: waiting, or how it ended.

    `refused` occurs in lists of calls only: a refused caller has no visit.
    """

    WAITING = "waiting"
    ANSWERED = "answered"
    ABANDONED = LeftOutcome.ABANDONED.value
    TIMEOUT = LeftOutcome.TIMEOUT.value
    OVERFLOW = LeftOutcome.OVERFLOW.value
    NO_AGENTS = LeftOutcome.NO_AGENTS.value
    EXIT_KEY = LeftOutcome.EXIT_KEY.value
    WITHDRAWN = LeftOutcome.WITHDRAWN.value
    CALLBACK = LeftOutcome.CALLBACK.value
    TRANSFERRED_OUT = LeftOutcome.TRANSFERRED_OUT.value
    CLOSED = LeftOutcome.CLOSED.value
    SYSTEM = LeftOutcome.SYSTEM.value
    LOST = LeftOutcome.LOST.value
    UNKNOWN = LeftOutcome.UNKNOWN.value
    REFUSED = "refused"


LEFT_OTHERWISE: Final = tuple(left for left in LeftOutcome if left not in (LeftOutcome.ABANDONED, LeftOutcome.UNKNOWN))
"""The ways to leave that are neither a hang-up nor unknown. Each has a field of its own name in `Counts`, and is a miss
by every formula but D1, which counts answered calls only.
"""

LOST_OUTCOMES: Final = frozenset(Outcome) - {Outcome.WAITING, Outcome.ANSWERED, Outcome.UNKNOWN}
"""The outcomes of calls that nobody answered. `unknown` is not one of them: how the call ended is not known, and no
formula counts it.
"""


class Counts(Struct, frozen=True, gc=False):
    """Exact whole numbers of calls that entered in a stretch of time.

    Each entered call is in exactly one field: one that begins with the name of its outcome (`FIELDS`), or `excluded` or
    `called_back`; `entered` is their sum. `refused_*`, `early` and `by_*` are not part of that sum.
    `answered_unjudged`: answered, but the wait is not known.
    `excluded`: left out of the target by a setting.
    `called_back`: left, and was called back within the time that a setting asks for; every formula counts it as
        answered in time.
    `early`: entered before opening and judged from opening; also counted in one of the other fields.
    `by_*`: at visit level only, the reason why a visit that did not come directly began; also counted in one of the
        other fields.
    A new field goes to the end: the store writes a field's place in this list.
    """

    answered_in_time: int = 0
    answered_late: int = 0
    answered_unjudged: int = 0
    abandoned_short: int = 0
    abandoned_in_time: int = 0
    abandoned_late: int = 0
    abandoned_unjudged: int = 0
    timeout: int = 0
    overflow: int = 0
    no_agents: int = 0
    exit_key: int = 0
    withdrawn: int = 0
    callback: int = 0
    transferred_out: int = 0
    closed: int = 0
    system: int = 0
    lost: int = 0
    unknown: int = 0
    excluded: int = 0
    called_back: int = 0
    waiting_in_time: int = 0
    waiting_late: int = 0
    refused_full: int = 0
    refused_no_agents: int = 0
    refused_closed: int = 0
    refused_unknown: int = 0
    early: int = 0
    by_overflow: int = 0
    by_transfer: int = 0
    by_reentry: int = 0
    by_resume: int = 0
    by_callback: int = 0
    by_unknown: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*map(add, structs.astuple(self), structs.astuple(other)))

    @property
    def answered(self) -> int:
        return self.answered_in_time + self.answered_late + self.answered_unjudged

    @property
    def abandoned(self) -> int:
        return self.abandoned_short + self.abandoned_in_time + self.abandoned_late + self.abandoned_unjudged

    @property
    def abandoned_later(self) -> int:
        """Return how many hung up past the limit, or after a wait that is not known."""
        return self.abandoned_late + self.abandoned_unjudged

    @property
    def left_otherwise(self) -> int:
        """Return how many left without an answer and without hanging up: F in docs/definitions.md. Each is a miss."""
        return sum(_of_left(self))

    @property
    def waiting(self) -> int:
        return self.waiting_in_time + self.waiting_late

    @property
    def unjudged(self) -> int:
        """Return how many calls no formula counts; they lower the floor and raise the ceiling."""
        return self.unknown + self.answered_unjudged + self.abandoned_unjudged

    @property
    def entered(self) -> int:
        return sum(_of_entered(self))

    @property
    def entered_directly(self) -> int:
        """Return how many visits began directly, not from another queue, a transfer or an earlier call."""
        brought = self.by_overflow + self.by_transfer + self.by_reentry + self.by_resume + self.by_callback
        return self.entered - brought - self.by_unknown

    @property
    def refused(self) -> int:
        return self.refused_full + self.refused_no_agents + self.refused_closed + self.refused_unknown

    @property
    def dialled(self) -> int:
        return self.entered + self.refused


FIELDS: Final[Mapping[Outcome, tuple[str, ...]]] = MappingProxyType(
    {
        outcome: tuple(
            field
            for field in Counts.__struct_fields__
            if field == outcome.value or field.startswith(f"{outcome.value}_")
        )
        for outcome in Outcome
    }
)
"""The fields of `Counts` in which the calls of each outcome stand."""

_of_left: Final = attrgetter(*(left.value for left in LEFT_OTHERWISE))
_of_entered: Final = attrgetter(
    *(field for outcome in Outcome if outcome is not Outcome.REFUSED for field in FIELDS[outcome]),
    "excluded",
    "called_back",
)
