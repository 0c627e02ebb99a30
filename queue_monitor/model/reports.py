"""Sealed reports, and the figures that a report reads from the store besides the sums."""

from datetime import datetime

from msgspec import Struct


class SealedReport(Struct, frozen=True, kw_only=True):
    """A version of a report as it was sealed.

    `period`: written as reports are asked for (`2026-10`).
    `scope`: the keys of its queues, "" for all.
    `sha256`: the hash of `data`, its figures as JSON.
    `changed`: the parts of the figures that differ from the version before.
    `program`: the version of the monitor that sealed it.
    """

    period: str
    scope: str
    version: int
    sha256: str
    sealed_at: datetime
    program: str
    changed: tuple[str, ...] = ()
    data: bytes = b""


class PassedOn(Struct, frozen=True, kw_only=True):
    """The answered calls of a stretch, and how many of them were passed on.

    `sent_on`: sent on to another queue or number.
    `untold`: no event says how they ended.
    `precision_ms`: the uncertainty of the least exact of their waits.
    """

    answered: int = 0
    sent_on: int = 0
    untold: int = 0
    precision_ms: int = 1


class RulesUsed(Struct, frozen=True, kw_only=True):
    """The calls of a stretch that were judged under one version of the rules.

    `calls`: their number.
    `first`, `last`: when the first and the last of them counted.
    `body`: the rules as JSON, "" where they are not known.
    """

    version: str
    calls: int
    first: datetime
    last: datetime
    body: str = ""
