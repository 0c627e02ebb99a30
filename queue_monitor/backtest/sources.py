"""The sources of past calls: a CSV file of calls, a file of events, or the journal of a monitor."""

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Protocol

from queue_monitor.backtest.calls import Call, events_of, read_calls
from queue_monitor.config import Config
from queue_monitor.core.calendar import Calendar
from queue_monitor.events import CallEntered, Event, is_own_word
from queue_monitor.ports import Delivery
from queue_monitor.replay import engine
from queue_monitor.replay.recording import RecordingError, play, read_bytes
from queue_monitor.store import open_store

LONG_AGO: Final = datetime(1970, 1, 2, tzinfo=UTC)


class Past(Protocol):
    """Deliveries in the order in which they came, which can be read any number of times."""

    name: str

    def deliveries(self) -> AsyncIterator[Delivery]: ...

    async def days(self) -> list[date]:
        """The open days on which somebody called, in order."""


def past_of(named: str, config: Config, calendar: Calendar) -> Past:
    """Return a journal by its address, else a file: events where it begins as such, calls otherwise.

    Raises `RecordingError` in words for a person.
    """
    if "://" in named:
        if named.startswith("sqlite:///") and not Path(named.removeprefix("sqlite:///")).is_file():
            raise RecordingError(f"{named}: there is no such database")
        return JournalPast(named, calendar)
    path = Path(named)
    if read_bytes(path).lstrip()[:1] == b"{":
        return EventsPast(path, config, calendar)
    return CallsPast(named, read_calls(path, config.zone), calendar)


class CallsPast:
    """Calls, turned into events."""

    def __init__(self, name: str, calls: list[Call], calendar: Calendar) -> None:
        self.name = name
        self.calls = calls
        self._calendar = calendar

    async def deliveries(self) -> AsyncIterator[Delivery]:
        for event in events_of(self.calls, self._calendar):
            yield Delivery(items=(event,), received_at=event.at, dated_by_sender=True)

    async def days(self) -> list[date]:
        return _open_days((call.entered_at for call in self.calls), self._calendar)


class EventsPast:
    """A recording of canonical events, as `replay` reads it."""

    def __init__(self, path: Path, config: Config, calendar: Calendar) -> None:
        self.name = str(path)
        self._path = path
        self._config = config
        self._calendar = calendar

    def _played(self) -> Iterator[Delivery]:
        return play(engine.recordings([("replay", self._path)], self._config, None))

    async def deliveries(self) -> AsyncIterator[Delivery]:
        for delivery in self._played():
            yield delivery

    async def days(self) -> list[date]:
        items = (item for delivery in self._played() for item in delivery.items)
        return _open_days((item.at for item in items if isinstance(item, CallEntered)), self._calendar)


class JournalPast:
    """The journal of a store, only read."""

    def __init__(self, url: str, calendar: Calendar) -> None:
        self.name = url.rpartition("@")[2]
        self._url = url
        self._calendar = calendar

    async def _events(self) -> AsyncIterator[Event]:
        store = await open_store(self._url, own=False)
        try:
            async for event in store.read(LONG_AGO):
                if not is_own_word(event):  # a run through the past makes these events anew
                    yield event
        finally:
            await store.close()

    async def deliveries(self) -> AsyncIterator[Delivery]:
        heard: datetime | None = None
        async for event in self._events():
            heard = event.at if heard is None else max(heard, event.at)
            yield Delivery(items=(event,), received_at=heard)

    async def days(self) -> list[date]:
        return _open_days([e.at async for e in self._events() if isinstance(e, CallEntered)], self._calendar)


def _open_days(moments: Iterable[datetime], calendar: Calendar) -> list[date]:
    return sorted({calendar.day_of(at) for at in moments if calendar.is_open(at)})
