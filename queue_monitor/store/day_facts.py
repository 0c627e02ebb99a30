"""The facts in the rows of an imported day, added up: by them a row that was changed afterwards is found."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Connection, exists, select

from queue_monitor.store.schema import SITE, contact, refusal, visit

_FACTS_OF_CALLS: Final = (
    "key", "queue", "entered_us", "settled_us", "outcome", "wait_ms", "wait_after_transfer_ms", "called_back_ms",
    "start_known", "precision_ms",
)  # fmt: skip
_FACTS_OF_STAYS: Final = (
    "contact", "number", "queue", "entered_us", "ended_wait_us", "completed_us", "outcome", "wait_ms", "talk_ms",
    "ended_by", "entry_reason", "next_queue", "exit_key", "rings", "position", "after_answer", "start_known",
    "precision_ms",
)  # fmt: skip
_FACTS_OF_REFUSED: Final = ("key", "at_us", "queue", "reason", "precision_ms")
"""The reported facts of a call. Its judgement may change with the rules, and is compared with the sums."""


class DayFacts:
    """The rows of a day and queue, added up. The digest is a sum of hashes, so that their order does not matter."""

    def __init__(self) -> None:
        self.calls = self.stays = self.refused = 0
        self._sum = 0

    def add(self, row: Sequence[Any]) -> None:
        """Add a row, whose first value is the only one that is bytes."""
        plain = (bytes(row[0]), *row[1:])
        self._sum += int.from_bytes(blake2b(repr(plain).encode(), digest_size=8).digest(), "little")

    def values(self) -> dict[str, int]:
        digest = (self._sum + 2**63) % 2**64 - 2**63
        return {"calls": self.calls, "stays": self.stays, "refused": self.refused, "digest": digest}


def day_facts(connection: Connection, number: int, start_us: int, end_us: int) -> dict[int, DayFacts]:
    """Return the facts in the rows of one source between two moments, by queue."""
    found: dict[int, DayFacts] = {}
    within = (contact.c.site == SITE, contact.c.at_us >= start_us, contact.c.at_us < end_us)
    columns = [contact.c[name] for name in _FACTS_OF_CALLS]
    for row in connection.execute(select(*columns).where(*within, of_source(number))):
        its = found.setdefault(row.queue or 0, DayFacts())
        its.calls += 1
        its.add(row)
    of_day = (visit.c.site == SITE, visit.c.at_us >= start_us, visit.c.at_us < end_us, visit.c.source == number)
    for row in connection.execute(select(*[visit.c[name] for name in _FACTS_OF_STAYS]).where(*of_day)):
        its = found.setdefault(row.queue, DayFacts())
        its.stays += 1
        its.add(row)
    refused = (refusal.c.site == SITE, refusal.c.counted_us >= start_us, refusal.c.counted_us < end_us)
    columns = [refusal.c[name] for name in _FACTS_OF_REFUSED]
    for row in connection.execute(select(*columns).where(*refused, refusal.c.source == number)):
        its = found.setdefault(row.queue, DayFacts())
        its.refused += 1
        its.add(row)
    return found


def of_source(number: int) -> Any:
    """Return the condition that this source was the first to report a contact."""
    its = (visit.c.site == SITE, visit.c.contact == contact.c.key, visit.c.number == 0, visit.c.source == number)
    return exists(select(visit.c.number).where(*its))
