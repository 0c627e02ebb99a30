"""Loads earlier days, and today before this start, into the forecast, and keeps in the store what it has learned."""

import logging
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from queue_monitor.core.agents import Agents
from queue_monitor.core.live import Live
from queue_monitor.forecast.forecaster import (
    Forecaster,
    ObservedDay,
    decode_learned,
    encode_learned,
    forecaster_of,
    recall,
)
from queue_monitor.ports import Clock, Store

log = logging.getLogger(__name__)

DAYS_READ: Final = 7
"""The largest number of past days that the forecast learns from at once."""

MAX_ON_THE_LINE: Final = timedelta(hours=4)
"""A caller who entered this long before midnight may be on the line after it."""

TURN: Final = 200
"""The number of events read before other work has its turn."""


class Learning:
    """Loads days into the forecast, a few calls at a time; figures and pages do not wait.

    `is_behind`: the day so far is not in the forecast yet.
    `has_past`: calls of past days have come since the start.
    `has_learned`: the forecast has learned something that is not kept in the store yet.
    """

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._read_to = 0
        self.is_behind = False
        self.has_past = False
        self.has_learned = False

    @property
    def _forecaster(self) -> Forecaster | None:
        return forecaster_of(self._live)

    async def start(self, store: Store) -> None:
        """Load into the forecast the knowledge that it has from earlier days. Raises `StoreError`.

        Events that come from now on reach the forecast by themselves; `load_today` reads those before them.
        """
        self._read_to = await store.newest_seq()
        if self._live.forecaster is None:
            return
        self.is_behind = True
        if (kept := await store.load_learned()) is not None:
            try:
                recall(self._live, decode_learned(kept), self._clock.now())
            except msgspec.DecodeError as error:
                log.warning("what was learned cannot be read and is learned anew: %s", error)

    async def load_today(self, store: Store) -> int | None:
        """Load the day so far, and the earlier days that were not learned from. Takes seconds. Raises `StoreError`.

        Returns the number of today's calls; None where there was nothing to load.
        """
        forecaster = self._forecaster
        if forecaster is None or forecaster.today is None or not self.is_behind:
            return None
        days = list(self._unlearned_days(forecaster))
        heard = await self._heard_of_agents(store, days[0] if days else forecaster.today.day)
        await self._learn(store, forecaster, days, heard)
        forecaster.today.agents.take_words(heard, forecaster.today.ends)
        forecaster.today.agents.start_day(forecaster.today.midnight)
        await self._load_visits(store, forecaster.today)
        return len(forecaster.today.calls)

    async def learn_past(self, store: Store) -> None:
        """Learn from past days that have come since the start; call it once all of them is committed.

        That is so when a log is read for the first time. Raises `StoreError`.
        """
        self.has_past = False
        if (forecaster := self._forecaster) is not None and (days := list(self._unlearned_days(forecaster))):
            self._read_to = await store.newest_seq()
            await self._learn(store, forecaster, days, await self._heard_of_agents(store, days[0]))

    async def save(self, store: Store) -> None:
        """Keep in the store what is new. Raises `StoreError`."""
        if self.has_learned and (forecaster := self._forecaster) is not None:
            await store.save_learned(encode_learned(forecaster.learned))
            self.has_learned = False

    async def _learn(self, store: Store, forecaster: Forecaster, days: Sequence[date], heard: Agents) -> None:
        for day in days:
            observed = forecaster.empty_day(day)
            observed.agents.take_words(heard, observed.ends)
            observed.agents.start_day(observed.midnight)
            await self._load_visits(store, observed)
            forecaster.learn(observed)
            self.has_learned = True

    async def _heard_of_agents(self, store: Store, first: date) -> Agents:
        """Return the reports about agents in the journal from a day on, up to the event number `_read_to`.

        They begin a day earlier, so that it is known who was logged in.
        """
        heard, count = Agents(), 0
        since = self._live.rules.calendar.midnight(first - timedelta(days=1))
        async for number, event in store.read_numbered(since, of_agents=True):
            if number <= self._read_to:
                self._live.apply_agents_only(heard, event)
                count += 1
                if count % TURN == 0:
                    await self._clock.sleep(0)
        return heard

    async def _load_visits(self, store: Store, lived: ObservedDay) -> None:
        since = lived.midnight - MAX_ON_THE_LINE
        async for visits in store.day_visits(since, lived.ends, self._live.agent_ids()):
            lived.calls.load(visits)
            await self._clock.sleep(0)

    def _unlearned_days(self, forecaster: Forecaster) -> Iterator[date]:
        """Yield the days, of the latest, that the forecast has not learned from."""
        today = self._live.rules.calendar.day_of(self._clock.now())
        learned = [known.days[-1].day for known in forecaster.learned.values() if known.days]
        oldest = today - timedelta(days=DAYS_READ)
        day = max(max(learned) + timedelta(days=1), oldest) if learned else oldest
        while day < today:
            yield day
            day += timedelta(days=1)
