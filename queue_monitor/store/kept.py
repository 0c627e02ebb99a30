"""The kinds of data that are kept for a time, and since when each of them is complete."""

from datetime import date
from enum import StrEnum
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from queue_monitor.store.state import States

RETENTION: Final = "retention"
"""The act under which the audit records a deletion."""


class Kind(StrEnum):
    """The kinds of data that have a retention time of their own. `backups` and `number_keys` are files. With `sums` go
    the coverage, the imported days, the differences to the switches' own totals and the counts of repeat callers.
    """

    JOURNAL = "journal"
    CALLS = "calls"
    SUMS = "sums"
    ALERTS = "alerts"
    AUDIT = "audit"
    REPORTS = "reports"
    BACKUPS = "backups"
    NUMBER_KEYS = "number_keys"


class Order(Struct, frozen=True, kw_only=True):
    """An order to delete everything of a kind from before the local midnight that begins `until`, by this decision."""

    kind: Kind
    until: date
    decision: str


def kept_from(connection: Connection, kind: Kind, states: States) -> int | None:
    """Return since when a kind is complete; None where nothing of it has been deleted."""
    value = states.mark(connection, kept_mark(kind))
    return None if value is None else int(value)


def kept_mark(kind: Kind) -> str:
    """Return the name of the mark that says since when a kind is complete."""
    return f"{kind} kept from"
