"""The state of each publisher: its sources, whether it is online, and its newest sequence number."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from queue_monitor.events import Event, Recovery, SourceConnected, SourceDisconnected, SourceGap, TimeBasis, event_id

_MAX_EPOCHS: Final = 8
"""The most epochs kept: after a reconnection the broker resends unacknowledged messages, from the last few epochs."""


MAX_PUBLISHERS: Final = 200
"""The most publishers known at one broker, as many as senders may name sources (docs/limits.md)."""

MAX_SOURCES: Final = 20
"""The most sources of one publisher: URNs that end in its name."""

_MAX_DIGITS: Final = 18
_MAX_KEPT: Final = timedelta(days=400)
_AHEAD: Final = timedelta(minutes=5)
"""The most by which an event's time may be ahead; such a time, or one too old, begins and ends no gap."""


class Sign(NamedTuple):
    """A publisher's status, with the time at which it reached us."""

    online: bool
    at: datetime
    reason: str = ""


class _Counted(NamedTuple):
    number: int
    at: datetime


@dataclass(slots=True)
class Publisher:
    """One publisher, the `<source>` of the topics. It may speak for several URNs that end in its name.

    `sources`: the switch of each URN.
    `sign`: its status; None until it has published one.
    `lost_at`: when the broker, and so this publisher, was lost.
    `counted`: the newest sequence number by URN and epoch.
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
        """Take the first event or mention of a source, and give it the publisher's known status."""
        if source in self.sources or len(self.sources) >= MAX_SOURCES:
            return
        self.sources[source] = switch
        if self.sign is not None:
            yield _told(source, switch, self.sign)

    def say(self, sign: Sign) -> Iterator[Event]:
        """Report a changed status for each of its sources; an unchanged one gives nothing."""
        if self.sign is not None and self.sign.online == sign.online:
            return
        self.sign = sign
        for source, switch in self.sources.items():
            yield _told(source, switch, sign)

    def lose(self, now: datetime, reason: str) -> Iterator[Event]:
        """Report each source as disconnected, because the broker is gone and nothing more is known of them."""
        if self.lost_at is not None or self.offline:
            return
        self.lost_at = now
        for source, switch in self.sources.items():
            yield _told(source, switch, Sign(online=False, at=now, reason=reason))

    def find(self, now: datetime, resumed: bool) -> Iterator[Event]:
        """Report each source as connected, with the gap since the broker was lost.

        A broker that has kept our session now sends all that was published meanwhile.
        """
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
        """Compare an event's sequence number with the one before, and return the gap between them, if any.

        A step back is a repetition. A new epoch may continue the numbers or begin them anew.
        """
        if event.sequence is None or not event.sequence.isdecimal() or len(event.sequence) > _MAX_DIGITS:
            return None
        if event.source not in self.counted and len(self.counted) >= MAX_SOURCES:
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
    """The publishers seen at one broker, the first `MAX_PUBLISHERS` of them. `kept` and `recall` carry their state over
    a restart.
    """

    def __init__(self) -> None:
        self._known: dict[str, Publisher] = {}

    def kept(self) -> bytes:
        """Return the state of all publishers as bytes for a file."""
        return msgspec.json.encode({one.name: _Kept(one.sources, one.counted) for one in self})

    def recall(self, kept: bytes) -> None:
        """Take up a saved state. Raises `msgspec.MsgspecError` on other bytes."""
        for name, told in msgspec.json.decode(kept, type=dict[str, _Kept]).items():
            if self.has_place(name):
                self._known[name] = Publisher(name, sources=told.sources, counted=told.counted)

    def has_place(self, name: str) -> bool:
        """Return whether a publisher is known, or would be from now on."""
        return name in self._known or len(self._known) < MAX_PUBLISHERS

    def __getitem__(self, name: str) -> Publisher:
        """Return a publisher; of one without a place nothing is remembered."""
        return self._known.setdefault(name, Publisher(name)) if self.has_place(name) else Publisher(name)

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
