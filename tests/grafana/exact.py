"""A made-up snapshot whose every number is known, for boards and rules to be held against."""

from datetime import timedelta

from msgspec.structs import replace

from queue_monitor.model import Difference, DifferenceCause, JournalNow, Snapshot
from tests.api import sample


def exact() -> Snapshot:
    """A rush in which much is wrong beside: the journal is away, a second source is down, the sums differ."""
    rush = sample.rush()
    at = rush.at
    difference = Difference(
        switch="pbx",
        queue="Kundcenter",
        counter="abandoned",
        switch_says=12,
        ledger_says=9,
        difference=-3,
        since=at - timedelta(hours=2),
        until=at,
        cause=DifferenceCause.UNEXPLAINED,
    )
    sources = (*rush.sources, sample.source(at, up=False, name="urn:kc:asterisk_queuelog:pbx", since=sample.local(10)))
    journal = JournalNow(up=False, pending=37, lag_seconds=62.5, error="away")
    talking = replace(rush.total, talking=sum(queue.talking for queue in rush.queues))
    return replace(rush, total=talking, reconciliation=(difference,), sources=sources, journal=journal)
