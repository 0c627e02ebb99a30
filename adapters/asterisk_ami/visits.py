"""The state of a caller: the leg, its stays in queues, and the phones that ring."""

from dataclasses import dataclass, field
from typing import Any

from queue_monitor.stamp import Stamp

Place = tuple[str, str, str]
"""A step of the dialplan: context, extension and priority."""


@dataclass(slots=True, eq=False)
class Ring:
    ring_id: str
    agent_id: str
    visit: "Visit"
    began: Stamp


@dataclass(slots=True, eq=False)
class Visit:
    visit_id: str
    queue: str
    leg: "Leg"
    joined: Stamp | None = None
    guessed_ms: int | None = None
    rings: dict[str, Ring] = field(default_factory=dict)
    abandoned: Stamp | None = None
    hold_ms: int | None = None
    left: Stamp | None = None
    status: str = ""
    key: str | None = None
    inferred: bool = False
    greeted: bool = False
    was_hanging_up: bool = False
    was_sent_elsewhere: bool = False
    told_gone: bool = False
    entered_in: "Place | None" = None
    left_in: "Place | None" = None
    agent_id: str = ""

    def placed(self) -> dict[str, Any]:
        """Return the fields that place the visit, for a reader who did not see it begin."""
        return {
            "visit_id": self.visit_id,
            "queue": self.queue,
            "leg_id": self.leg.leg_id,
            "contact_id": self.leg.contact_id,
        }


@dataclass(slots=True, eq=False)
class Leg:
    unique: str
    leg_id: str
    channels: list[str] = field(default_factory=list)
    contact_id: str = ""
    asked: str = ""
    refused: bool = False
    requested: bool = False
    hung_up: Stamp | None = None
    softly: bool = False
    key: str | None = None
    waiting: Visit | None = None
    leaving: Visit | None = None
    last: Visit | None = None
    talking: dict[str, Visit] = field(default_factory=dict)
    last_id: str = ""
    ids: int = 1
    gone: Stamp | None = None

    def is_on(self, unique: str) -> bool:
        """Return whether the caller is on this channel now; a transfer moves the caller to another one."""
        return unique == (self.channels[-1] if self.channels else self.unique)

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.leaving or self.talking)
