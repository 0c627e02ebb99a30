"""Sealed reports, and what a report reads of the store besides its sums."""

from datetime import datetime

from msgspec import Struct


class SealedReport(Struct, frozen=True, kw_only=True):
    """A version of a report as it was sealed. `period` is written as reports are asked for (`2026-10`), `scope` the
    keys of its queues ("" of all). `sha256` is of `data`, its figures as JSON; `changed`: which parts of them differ
    from the version before; `program`: which version of the monitor sealed it.
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
    """Of the answered calls of a stretch: how many, how many of them were sent on to another queue or number, and of
    how many nothing says how they ended. `precision_ms`: how exact the least exact of their waits is.
    """

    answered: int = 0
    sent_on: int = 0
    untold: int = 0
    precision_ms: int = 1


class RulesUsed(Struct, frozen=True, kw_only=True):
    """The calls of a stretch that were judged under one version of the rules: how many, and when the first and the last
    of them counted. `body` is the rules as JSON, "" where they are not known.
    """

    version: str
    calls: int
    first: datetime
    last: datetime
    body: str = ""
