"""The door between the live state and the forecast: the data that the core gives, and the results that it asks for.

The forecast itself lives in `queue_monitor/forecast`, which the core does not import.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol

from queue_monitor.core.agents import Agents
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.model import ExpectedWait, Forecast, Placement, RiskLevels, Target
from queue_monitor.queues import Pool


class DoubtfulVisit(NamedTuple):
    """The visit of a caller who may have left unseen.

    `place`: its place among the contact's visits, from 0.
    `until`: until when the caller is known to have waited; None where that is now.
    """

    contact_id: str
    place: int
    until: datetime | None = None


class ForecastInputs(Protocol):
    """The state of one pool at one moment. Gathering it is cheap.

    `compute` takes some tens of milliseconds and touches nothing that is shared, so it may run in a thread.
    """

    def compute(self) -> Forecast:
        """Return the pool's forecast. The same inputs give the same forecast."""


class Forecaster(Protocol):
    """The forecaster: the live state gives it contacts and agents, and asks for forecasts each minute."""

    levels: RiskLevels

    def attach(self, scopes: Callable[[], Sequence[Pool]], agents: Agents) -> None:
        """Connect the live state. `scopes` returns the queues and pools that get a forecast."""

    def aim_at(self, target: Target) -> None:
        """Forecast by this target from now on."""

    def start_day(self, day: date) -> None:
        """Start a local day, and learn from the one before."""

    def change(self, contact_id: str, history: ContactHistory | None, placed: Placement | None) -> None:
        """Take a contact as the ledger has it now. `placed`: where the windows count it, None while it waits."""

    def doubt(self, visits: Iterable[DoubtfulVisit]) -> None:
        """Mark these visits, and no others, as of callers who may have left unseen: nobody stands behind them."""

    def miss(self, gaps: Iterable[tuple[datetime, datetime | None]]) -> None:
        """Note the stretches in which nothing was heard of the switches; the end of one that still lasts is None.

        A talk that reaches into one may have ended there, so nothing is learned from its length.
        """

    def inputs(self, now: datetime, scopes: Sequence[Pool]) -> Sequence[ForecastInputs]:
        """Return the inputs of each scope; of one that is closed all day, only the month is forecast."""

    def next_wait(self, now: datetime, queue: str) -> ExpectedWait | None:
        """Return the wait that a caller who enters this queue now should expect; None on a closed day."""
