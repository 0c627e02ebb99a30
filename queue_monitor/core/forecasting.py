"""The door between the live state and the forecast: what the core hands out, and what it asks for.

The forecast itself lives in `queue_monitor/forecast`, which the core does not import.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from queue_monitor.core.agents import Agents
from queue_monitor.core.ledger import ContactHistory
from queue_monitor.model import ExpectedWait, Forecast, Placement, RiskLevels
from queue_monitor.queues import Pool


class ForecastInputs(Protocol):
    """One pool as it is known at one moment. Gathering it is cheap; `compute` takes some tens of milliseconds, touches
    nothing that is shared, and so may run in a thread.
    """

    def compute(self) -> Forecast:
        """Return the pool's forecast. The same inputs give the same forecast."""


class Forecaster(Protocol):
    """Fed by the live state, and asked each minute."""

    levels: RiskLevels

    def attach(self, scopes: Callable[[], Sequence[Pool]], agents: Agents) -> None:
        """Take what it reads of the live state: what is forecast by itself, and the agents."""

    def start_day(self, day: date) -> None:
        """Begin a local day, and learn from the one before."""

    def change(self, contact_id: str, story: ContactHistory | None, placed: Placement | None) -> None:
        """Take a contact as the ledger has it now, and where the windows count it, None while it waits."""

    def doubt(self, visits: Iterable[tuple[str, int]]) -> None:
        """Let nobody stand behind these who wait, and no others: they may have left unseen. Each is a contact and the
        place among its visits.
        """

    def inputs(self, now: datetime, scopes: Sequence[Pool]) -> Sequence[ForecastInputs]:
        """Return what is known now of each scope that is open today."""

    def next_wait(self, now: datetime, queue: str) -> ExpectedWait | None:
        """Return what a caller who enters this queue now should expect; None on a closed day."""
