"""When and where something was said: what every event takes from the frame it came from."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from queue_monitor.events import TimeBasis, event_id
from queue_monitor.ports import Connection

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MICROSECOND: Final = 253_402_300_799_999_999
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)
_ARRIVAL_PRECISION_MS: Final = 10


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(text: str) -> datetime | None:
    """`1795434621103294`, Unix time in µs; None when it is no such thing."""
    if not _DIGITS.fullmatch(text) or int(text) > _LAST_MICROSECOND:
        return None
    return _EPOCH + timedelta(microseconds=int(text))


def from_seconds(text: str) -> datetime | None:
    """The same in whole seconds; 0 is how mod_callcenter writes never."""
    return from_microseconds(text + "000000") if text.strip("0") and len(text) <= 12 else None


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time of one frame by the switch's clock, if told, its arrival, and its place in the connection."""

    connection: Connection
    observed_at: datetime
    offset: int
    switch_time: datetime | None = None
    derived: bool = False

    @property
    def at(self) -> datetime:
        return self.switch_time or self.observed_at

    def worked_out(self) -> "Stamp":
        """The same moment for something the switch did not say itself."""
        return replace(self, derived=True)

    def envelope(self, kind: str, *key: object, live: bool = True) -> dict[str, Any]:
        """What every event carries. A time of the switch's own makes the id the same for every reader."""
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
