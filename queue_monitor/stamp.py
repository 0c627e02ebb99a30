"""The time and place of a switch's message, from which every event takes its envelope."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from queue_monitor.events import Caller, TimeBasis, event_id
from queue_monitor.ports import Connection

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ARRIVAL_PRECISION_MS: Final = 10
"""The precision of a time by receipt: in a busy recording of Asterisk up to 31 ms after the event, mostly under 1."""


def microseconds(moment: datetime) -> int:
    """Return whole microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time of one message by the switch's clock, where it says so, its arrival, and its place in the connection.

    `offset`: the byte of the connection at which the message began. `derived`: the moment was worked out, not said.
    """

    connection: Connection
    observed_at: datetime
    offset: int
    switch_time: datetime | None = None
    derived: bool = False

    @property
    def at(self) -> datetime:
        return self.switch_time or self.observed_at

    @property
    def milliseconds(self) -> int:
        return microseconds(self.at) // 1000

    def worked_out(self) -> "Stamp":
        """Return the same moment for something that the switch did not say itself."""
        return replace(self, derived=True)

    def caller(self, number: str, *, withheld: bool) -> Caller:
        """Return the caller of a call that came in now, as an event may name them."""
        return self.connection.caller(number, self.at, withheld=withheld)

    def envelope(self, kind: str, *key: object, live: bool = True) -> dict[str, Any]:
        """Return what every event carries. A time of the switch's own makes the id the same for every reader."""
        ends = (microseconds(self.switch_time),) if self.switch_time else (self.connection.epoch, self.offset)
        basis = TimeBasis.DERIVED if self.derived else TimeBasis.SWITCH
        return {
            "id": event_id(self.connection.source, kind, *key, *ends),
            "source": self.connection.source,
            "switch": self.connection.switch,
            "epoch": self.connection.epoch,
            "observed_at": self.observed_at,
            "switch_time": self.switch_time,
            "time_basis": basis if self.switch_time else TimeBasis.MONITOR,
            "time_precision_ms": 1 if self.switch_time else _ARRIVAL_PRECISION_MS,
            "live": live,
        }
