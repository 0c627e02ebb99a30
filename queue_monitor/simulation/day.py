"""A simulated day: its settings, its faults, its events and its truth."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from enum import StrEnum
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import numpy as np
from msgspec import Meta, Struct

from queue_monitor.events import EntryReason, Event, RefusalReason
from queue_monitor.model import Outcome

Share = Annotated[float, Meta(ge=0, le=1, description="a share from 0 to 1")]

ZONE: Final = ZoneInfo("Europe/Stockholm")

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
CONNECTS: Final = 7 * HOUR + 45 * MINUTE
OPENS: Final = 8 * HOUR
CLOSES: Final = 17 * HOUR
LINES_QUIET: Final = 17 * HOUR + 30 * MINUTE
"""The moments of a day, this one and those above, are whole milliseconds after local midnight."""


class Kind(StrEnum):
    """The kind of a day."""

    NORMAL = "normal"
    MINI = "mini"
    BURST = "burst"
    SHORTFALL = "shortfall"
    SLOW = "slow"
    OUTAGE = "outage"
    CLOSED = "closed"


MIX: Final = {
    Kind.NORMAL: 0.72,
    Kind.MINI: 0.08,
    Kind.BURST: 0.06,
    Kind.SHORTFALL: 0.05,
    Kind.SLOW: 0.05,
    Kind.OUTAGE: 0.04,
}
"""The share of each kind of day when none is set."""


class QueuePlan(Struct, frozen=True, kw_only=True):
    """One queue. `share` of the callers dial it; `skill` is the share of kundcenter's agents who serve it.

    `experts` serve this queue and no other; `transfers` is the share of the other queues' answered calls that are
    passed on to it. A caller leaves at `timeout_seconds`, to `overflow_to` if there is one. `places`: when this many
    wait, the next is refused.

    `name`: what it is called.
    """

    name: str
    share: Share = 0.0
    skill: Share = 0.0
    experts: Annotated[int, Meta(ge=0, le=1000)] = 0
    transfers: Share = 0.0
    timeout_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 1200
    overflow_to: str | None = None
    places: Annotated[int, Meta(ge=0, le=100_000)] = 60


QUEUES: Final = (
    QueuePlan(name="kundcenter", share=0.94, skill=1.0),
    QueuePlan(name="kundcenter-en", share=0.06, skill=0.4, timeout_seconds=480, overflow_to="kundcenter"),
    QueuePlan(name="kundcenter-expert", experts=2, transfers=0.02, timeout_seconds=600),
)


class SourceOutage(Struct, frozen=True, kw_only=True, tag="source_outage"):
    """The connection to the switch is gone: calls go on, and no event of them comes."""

    at: time
    seconds: Annotated[int, Meta(ge=0, le=86_400)]


class SwitchRestart(Struct, frozen=True, kw_only=True, tag="switch_restart"):
    """The switch starts anew: every call is cut off, the phones are back 20 s later."""

    at: time


class Duplicates(Struct, frozen=True, kw_only=True, tag="duplicates"):
    """A share of the events come twice, the second up to 2 s later."""

    ratio: Share


class Shuffle(Struct, frozen=True, kw_only=True, tag="shuffle"):
    """Every event is delayed by a time of its own, up to a number of seconds."""

    seconds: Annotated[float, Meta(ge=0, le=3_600)] = 2.0


class Losses(Struct, frozen=True, kw_only=True, tag="losses"):
    """A share of the call and agent events never come."""

    ratio: Share


class ClockOffset(Struct, frozen=True, kw_only=True, tag="clock_offset"):
    """The switch's clock is ahead of ours by a number of seconds; `source.clock` reports it every 30 s."""

    seconds: Annotated[float, Meta(ge=-86_400, le=86_400)]


Fault = SourceOutage | SwitchRestart | Duplicates | Shuffle | Losses | ClockOffset


class Config(Struct, frozen=True, kw_only=True):
    """One day to simulate. `kind` None draws one from `MIX`. `snapshot_seconds` 0: snapshots only on connecting.

    `calls_by_weekday`: usual first calls in open hours, Monday to Friday, as the roster has them; repeated calls come
        on top. `wildness`: how many times as much as usual the day and its quarters of an hour differ from that.
    `returns_ratio`: the share of answered callers who call again later the same day, once each. Their draws are their
        own, so that a day is the same as ever where it is 0.
    """

    date: date
    seed: int = 1
    kind: Kind | None = None
    calls_by_weekday: tuple[int, int, int, int, int] = (1000, 890, 850, 820, 720)
    calls_factor: float = 1.0
    wildness: float = 1.0
    staff_factor: float = 1.0
    patience_seconds: float = 600.0
    returns_ratio: float = 0.0
    queues: tuple[QueuePlan, ...] = QUEUES
    snapshot_seconds: int = 0
    faults: tuple[Fault, ...] = ()
    source: str = "urn:kc:simulator:kundcenter"
    switch: str = "kundcenter"


class CallTruth(Struct, frozen=True, kw_only=True):
    """The truth about one visit, or about one refused caller (then `visit_id` is empty).

    `offered_wait_ms`: the time until an agent would have been free, had the caller stayed; None when no agent came
        free.
    `redial_of`: the contact that the same person gave up before.
    `person`: the same number for all calls of one person that day. `withheld`: the caller shows no number.
    """

    contact_id: str
    visit_id: str
    queue: str
    entered_at: datetime
    outcome: Outcome
    entry_reason: EntryReason = EntryReason.DIRECT
    prev_visit_id: str | None = None
    refused: RefusalReason | None = None
    wait_ms: int | None = None
    offered_wait_ms: int | None = None
    agent_id: str | None = None
    completed_at: datetime | None = None
    redial_of: str | None = None
    person: int = 0
    withheld: bool = False


class Day(Struct, frozen=True, kw_only=True):
    """A simulated day: the events of the switch, in the order in which they came, and the truth."""

    config: Config
    kind: Kind
    incident_at: datetime | None
    incident_until: datetime | None
    events: list[Event]
    calls: list[CallTruth]

    def share(self, limit_seconds: int = 300, short_abandon_seconds: int = 10) -> float | None:
        """Return contacts answered within the limit / all that entered, short hang-ups left out (D3). None without
        calls.
        """
        hits = misses = 0
        for wait_ms, outcome in _contacts(self.calls):
            if outcome is Outcome.ANSWERED and wait_ms <= limit_seconds * SECOND:
                hits += 1
            elif outcome is not Outcome.ABANDONED or wait_ms >= short_abandon_seconds * SECOND:
                misses += 1
        return hits / (hits + misses) if hits + misses else None


def _contacts(calls: Iterable[CallTruth]) -> Iterator[tuple[int, Outcome]]:
    """Return, for each contact that entered, its wait in ms to the first answer or the end, and how that wait ended."""
    waited: dict[str, int] = {}
    ended: dict[str, Outcome] = {}
    for call in calls:
        if call.outcome is Outcome.REFUSED or call.entry_reason is EntryReason.TRANSFER:
            continue
        waited[call.contact_id] = waited.get(call.contact_id, 0) + (call.wait_ms or 0)
        ended[call.contact_id] = call.outcome
    return ((waited[contact], outcome) for contact, outcome in ended.items())


def generator(config: Config, stream: int) -> np.random.Generator:
    """Return the random stream of one part of the day, which does not disturb the others."""
    return np.random.default_rng([config.seed, config.date.toordinal(), stream])
