"""What is remembered of those who publish: their sources, whether they are there, and how far they have counted."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from queue_monitor.events import Event, Recovery, SourceConnected, SourceDisconnected, SourceGap, TimeBasis, event_id

_MAX_EPOCHS: Final = 8
"""After a reconnection the broker sends again what was not acknowledged: from the last few epochs, not from older."""


_MAX_DIGITS: Final = 18
_MAX_KEPT: Final = timedelta(days=400)
_AHEAD: Final = timedelta(minutes=5)
"""A time that is older, or further ahead, is refused, and begins or ends no gap: its clock is wrong."""


class Sign(NamedTuple):
    """What a publisher's `status` says, and when that reached us."""

    online: bool
    at: datetime
    reason: str = ""


class _Counted(NamedTuple):
    number: int
    at: datetime


@dataclass(slots=True)
class Publisher:
    """One `<source>` of the topics. It may speak for several URNs that end in its name; `sources` gives their switch.

    `sign` is None until it has published a status. `lost_at` is when the broker, and so this publisher, was lost.
    `counted` is the newest number by URN and epoch.
    """

    name: str
    sources: dict[str, str] = field(default_factory=dict)
    sign: Sign | None = None
    lost_at: datetime | None = None
    counted: dict[str, dict[str, _Counted]] = field(default_factory=dict)

    @property
    def offline(self) -> bool:
        return self.sign is not None and not self.sign.online

    def learn(self, source: str, switch: str) -> Iterator[Event]:
        """A source spoke, or is spoken of, for the first time: what the status said before goes for it too."""
        if source in self.sources:
            return
        self.sources[source] = switch
        if self.sign is not None:
            yield _told(source, switch, self.sign)

    def say(self, sign: Sign) -> Iterator[Event]:
        """Whether it is there, for each of its sources. The same said again is no news."""
        if self.sign is not None and self.sign.online == sign.online:
            return
        self.sign = sign
        for source, switch in self.sources.items():
            yield _told(source, switch, sign)

    def lose(self, now: datetime, reason: str) -> Iterator[Event]:
        """The broker is gone: nobody knows what happens at a publisher that was there."""
        if self.lost_at is not None or self.offline:
            return
        self.lost_at = now
        for source, switch in self.sources.items():
            yield _told(source, switch, Sign(online=False, at=now, reason=reason))

    def find(self, now: datetime, resumed: bool) -> Iterator[Event]:
        """The broker is back. If it has kept our session, it now sends all that was published meanwhile."""
        if self.lost_at is None:
            return
        since, self.lost_at = self.lost_at, None
        for source, switch in self.sources.items():
            yield _told(source, switch, Sign(online=True, at=now))
            yield SourceGap(
                id=event_id(source, "source.gap", "broker", since.isoformat()),
                source=source,
                switch=switch,
                observed_at=now,
                time_basis=TimeBasis.MONITOR,
                from_=since,
                to=now,
                cause="the broker was away" if resumed else "the broker was away and has forgotten our session",
                recovered=Recovery.LOG if resumed else Recovery.NONE,
            )

    def count(self, event: Event, received_at: datetime) -> SourceGap | None:
        """Compare its number with the one before: gives the gap, if there is one.

        A step back is a repetition. A new epoch may go on with the numbers or begin them anew.
        """
        if event.sequence is None or not event.sequence.isdecimal() or len(event.sequence) > _MAX_DIGITS:
            return None
        epochs = self.counted.setdefault(event.source, {})
        known = epochs.get(event.epoch)
        is_near = -_AHEAD <= received_at - event.at <= _MAX_KEPT
        now = _Counted(int(event.sequence), event.at if is_near else received_at)
        if known is not None and now.number <= known.number:
            return None
        before = known or next(reversed(epochs.values()), None)
        epochs[event.epoch] = now
        if len(epochs) > _MAX_EPOCHS:
            del epochs[next(iter(epochs))]
        if before is None or now.number <= before.number + 1:
            return None
        missing = now.number - before.number - 1
        return SourceGap(
            id=event_id(event.source, "source.gap", event.epoch, before.number, now.number),
            source=event.source,
            switch=event.switch,
            observed_at=received_at,
            time_basis=TimeBasis.MONITOR,
            epoch=event.epoch,
            from_=before.at,
            to=max(before.at, now.at),
            cause=f"{missing} missing: the numbers {before.number + 1} to {now.number - 1} never came",
        )


class _Kept(Struct, frozen=True):
    sources: dict[str, str]
    counted: dict[str, dict[str, _Counted]]


class Publishers:
    """All publishers heard of at one broker. What must outlive the program is `kept` and `recall`ed."""

    def __init__(self) -> None:
        self._known: dict[str, Publisher] = {}

    def kept(self) -> bytes:
        """Who publishes and how far each has counted, for a file."""
        return msgspec.json.encode({one.name: _Kept(one.sources, one.counted) for one in self})

    def recall(self, kept: bytes) -> None:
        """Raises `msgspec.MsgspecError` when these bytes are not what was kept."""
        for name, told in msgspec.json.decode(kept, type=dict[str, _Kept]).items():
            self._known[name] = Publisher(name, sources=told.sources, counted=told.counted)

    def __getitem__(self, name: str) -> Publisher:
        return self._known.setdefault(name, Publisher(name))

    def __iter__(self) -> Iterator[Publisher]:
        return iter(self._known.values())


def _told(source: str, switch: str, sign: Sign) -> Event:
    kind = SourceConnected if sign.online else SourceDisconnected
    word = "source.connected" if sign.online else "source.disconnected"
    return kind(
        id=event_id(source, word, sign.at.isoformat()),
        source=source,
        switch=switch,
        observed_at=sign.at,
        switch_time=sign.at,
        time_basis=TimeBasis.MONITOR,
        reason=sign.reason,
    )
