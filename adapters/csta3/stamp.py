"""When and where something was said. The standard's events carry no time: it is ours, on arrival."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from queue_monitor.events import TimeBasis, event_id
from queue_monitor.ports import Connection

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ARRIVAL_PRECISION_MS: Final = 10


@dataclass(frozen=True, slots=True)
class Stamp:
    """The arrival of one frame and its place in the connection."""

    connection: Connection
    observed_at: datetime
    offset: int

    @property
    def milliseconds(self) -> int:
        return (self.observed_at - _EPOCH) // timedelta(milliseconds=1)

    def envelope(self, kind: str, *key: object, live: bool = True) -> dict[str, Any]:
        """What every event carries."""
        return {
            "id": event_id(self.connection.source, kind, *key, self.connection.epoch, self.offset),
            "source": self.connection.source,
            "switch": self.connection.switch,
            "epoch": self.connection.epoch,
            "observed_at": self.observed_at,
            "time_basis": TimeBasis.MONITOR,
            "time_precision_ms": _ARRIVAL_PRECISION_MS,
            "live": live,
        }
