"""Roles, tokens, and the record of the acts of their holders."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """The rights of a token's holder. A sender of events is a source and shows no token.

    `wallboard`: look at the wallboard.
    `status`: read everything.
    `metrics`: scrape the metrics.
    `lead`: lead a shift: read and act (acknowledge, declare a crisis).
    `admin`: do everything.
    """

    WALLBOARD = "wallboard"
    STATUS = "status"
    METRICS = "metrics"
    LEAD = "lead"
    ADMIN = "admin"


class Access(Struct, frozen=True, kw_only=True):
    """A holder of a token: a name for the record, the role, and the SHA-256 of the token in hex."""

    name: str
    role: Role
    token_sha256: str


class AdminAct(Struct, frozen=True, kw_only=True):
    """One act in the record. It says nothing of callers.

    `who`: a token's name, or the recipient of a link; empty for the monitor itself.
    `origin`: the address that the act came from.
    `act`: a stable word.
    `subject`: the thing that the act was done to.
    """

    at: datetime
    who: str
    origin: str
    act: str
    subject: str
    detail: str = ""
