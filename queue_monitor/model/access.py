"""Roles, tokens, and the record of what somebody with one has done."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """What a token's holder may do: look at the wallboard; read everything; scrape metrics; lead a shift, which is to
    read and to act (acknowledge, declare a crisis); everything. Who sends events is a source, and shows no token.
    """

    WALLBOARD = "wallboard"
    STATUS = "status"
    METRICS = "metrics"
    LEAD = "lead"
    ADMIN = "admin"


class Access(Struct, frozen=True, kw_only=True):
    """One who may come in: a name for the record, the role, and the SHA-256 of the token, in hex."""

    name: str
    role: Role
    token_sha256: str


class AdminAct(Struct, frozen=True, kw_only=True):
    """Something that was done: who did it (a token's name, or the recipient of a link; empty for the monitor itself),
    from which address, what (a stable word) and to what. Nothing of callers.
    """

    at: datetime
    who: str
    origin: str
    act: str
    subject: str
    detail: str = ""
