"""Kinds of what is kept for a time, and from when on each of them is complete."""

from datetime import date
from enum import StrEnum
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from queue_monitor.store.state import States

RETENTION: Final = "retention"
"""The act under which the audit tells of a deletion."""


class Kind(StrEnum):
    """What is kept for a time of its own. `backups` and `number_keys` are files. With `sums` go the coverage, the
    imported days and the differences to the switches' own totals.
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
    """Everything of a kind from before the local midnight that begins `until` is to go, by this decision."""

    kind: Kind
    until: date
    decision: str


def kept_from(connection: Connection, kind: Kind, states: States) -> int | None:
    """From when on a kind is complete; None where nothing of it has been deleted."""
    value = states.mark(connection, kept_mark(kind))
    return None if value is None else int(value)


def kept_mark(kind: Kind) -> str:
    """The name of the mark that says from when on a kind is complete."""
    return f"{kind} kept from"
