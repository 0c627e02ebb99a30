"""The sources: which are connected and since when, and which open minutes none of them saw.

Longer than 450 lines because the reports of a source about itself and the minutes that it covers are one state.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import msgspec

from queue_monitor.core.calendar import Calendar
from queue_monitor.core.silence import Silence
from queue_monitor.events import (
    MONITOR_SOURCE,
    SILENT,
    Event,
    QueueSnapshot,
    Recovery,
    SourceClock,
    SourceConnected,
    SourceDisconnected,
    SourceGap,
    TimeBasis,
    event_id,
)
from queue_monitor.model import Coverage, SourceNow


class Span(NamedTuple):
    """A stretch of time; an end of None means that it still goes on."""

    start: datetime
    end: datetime | None


_OWN: Final = frozenset({SourceConnected, SourceDisconnected, SourceClock, SourceGap, QueueSnapshot})
"""The events that concern the source itself."""


@dataclass(slots=True)
class _Source:
    name: str
    switch: str
    is_log: bool
    up: bool = True
    since: datetime | None = None
    last_event_at: datetime | None = None
    reason: str = ""
    clock_offset_ms: float | None = None
    gap_seconds: float = 0.0
    precision_ms: int = 1
    spans: list[Span] = field(default_factory=list)
    is_awaited: bool = False
    """The source was up when the monitor ended, and has sent nothing since the monitor started again."""
    proves_life: bool = False
    """It has sent a ping, a heartbeat or a snapshot: it is expected to go on."""
    probe_ms: float | None = None
    """The result of the last probe of its clock, believed or not."""
    lost_at: datetime | None = None
    """The time, by our clock, when its loss was reported."""
    silences: list[Span] = field(default_factory=list)
    """When it said nothing for unusually long although it proves no life: such a silence may have been a calm hour."""
    restarts: list[datetime] = field(default_factory=list)
    """When it was last heard before each of the monitor's own restarts."""

    @property
    def is_silent(self) -> bool:
        """Return whether the source is taken to be gone because it has sent nothing for too long."""
        return not self.up and self.reason == SILENT


Minutes = list[range]
"""Whole minutes since 1970 UTC, in stretches that follow one another."""

MAX_SPANS: Final = 2_000
"""The number of stretches of one source, and of gaps of one switch, that are remembered: years with one a day, months
with one an hour. The store keeps the coverage of whole days before them.
"""

MAX_SILENCES: Final = 20
"""The number of silences of one source that a wait or a talk may still recover."""

STAMPS_DIFFER: Final = timedelta(seconds=2)
"""The most by which the switch's time of an event may lie before the moment at which we heard it."""

MAX_RESTARTS: Final = 100
"""The number of the monitor's restarts that are known of each source."""

CLOCK_TRUSTED_MS: Final = 30_000
"""The times of a switch whose clock differs from ours by more than this are replaced by ours."""

CLOCKS_AGREE_MS: Final = 5_000
"""Two probes of one clock agree when they differ by at most this."""

_EVER: Final = datetime(9999, 12, 31, tzinfo=UTC)

_decoder: Final = msgspec.msgpack.Decoder(tuple[dict[str, _Source], dict[str, list[tuple[Span, Recovery]]]])


class Sources:
    """All sources that have ever sent an event: up or down, and the stretches they covered.

    Those that are no longer in the settings count for the past alone.
    """

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._watched: Mapping[str, str] | None = None
        self._publishers: Collection[str] = ()
        self._gaps: dict[str, list[tuple[Span, Recovery]]] = {}
        self._observed: dict[str, tuple[Minutes, Minutes]] = {}
        self._changes: Counter[str] = Counter()
        self._unheard: dict[str, tuple[int, list[Span]]] = {}

    def watch_only(self, switches: Mapping[str, str], publishers: Collection[str] = ()) -> None:
        """Watch these sources alone from the start on.

        `switches`: the switch of each source in the settings.
        `publishers`: those that the settings name behind a broker, each by its whole name or the last part of it; they
            say themselves of which switch they are.
        """
        self._watched = switches
        self._publishers = publishers

    def watched_of(self, switches: Collection[str]) -> Collection[str]:
        """Return those of these switches of which a source is watched, connected or not."""
        if self._watched is None:
            return switches
        heard = {source.switch for source in self._of_the_settings()} if self._publishers else ()
        return set(switches).intersection({*self._watched.values(), *heard})

    def _is_watched(self, name: str) -> bool:
        if self._watched is None or name in self._watched:
            return True
        return name in self._publishers or name.rpartition(":")[2] in self._publishers

    def _of_the_settings(self) -> Iterator[_Source]:
        """Yield the sources that are watched."""
        return (source for source in self._sources.values() if self._is_watched(source.name))

    def logs(self) -> set[str]:
        """Return the names of the sources that are logs."""
        return {source.name for source in self._sources.values() if source.is_log}

    def has_live(self, switch: str) -> bool:
        """Return whether a live source of a switch is connected."""
        return any(source.switch == switch and source.up and not source.is_log for source in self._sources.values())

    def written(self) -> bytes:
        """Return all state, encoded for a start."""
        return msgspec.msgpack.encode((self._sources, self._gaps))

    def restore(self, written: bytes, now: datetime) -> None:
        """Load the state that `written` gave. Raises `msgspec.DecodeError`.

        No source has sent anything later than `now`, whatever its clock said. No source was connected since: a live
        source counts as lost from its last sign of life, and so does one that is watched no more. A log goes on where
        it was, for its lines from the meantime are read.
        """
        self._sources, self._gaps = _decoder.decode(written)
        self._rename_switches()
        self._observed.clear()
        for source in self._sources.values():
            self._changed(source.switch)
            del source.spans[:-MAX_SPANS]
        self._gaps = {switch: _merged(gaps) for switch, gaps in self._gaps.items()}
        for source in self._sources.values():
            if source.last_event_at is not None:
                source.last_event_at = min(source.last_event_at, now)
            is_read = source.is_log and self._is_watched(source.name)
            if source.up and not is_read and source.last_event_at is not None:
                self._down(source, source.last_event_at)
                source.is_awaited = True
                source.restarts = [*source.restarts, source.last_event_at][-MAX_RESTARTS:]

    def _rename_switches(self) -> None:
        """Take over the present names of switches from the settings; what was heard stays heard."""
        for source in self._sources.values():
            before, now = source.switch, (self._watched or {}).get(source.name, source.switch)
            if now != before:
                source.switch = now
                self._gaps[now] = [*self._gaps.get(now, []), *self._gaps.get(before, [])]

    def apply(self, event: Event) -> float:
        """Note a sign of life; return the switch's clock minus ours, in ms.

        A source that never reported a connection is connected from its first event.
        """
        if event.source == MONITOR_SOURCE:
            return 0.0
        source = self._sources.get(event.source)
        if source is None:
            source = _Source(event.source, event.switch_name, is_log=not event.live)
            self._sources[event.source] = source
            if not isinstance(event, SourceConnected | SourceDisconnected):
                self._up(source, event.at)
        elif source.is_awaited or self._is_back(source, event):
            source.is_awaited = False
            if not isinstance(event, SourceConnected | SourceDisconnected):
                self._up(source, event.observed_at if event.live else event.at)
        if event.switch_time is not None and event.time_basis is TimeBasis.SWITCH:
            source.precision_ms = event.time_precision_ms
        heard = event.observed_at if event.live else min(event.at, event.observed_at)
        if (source.last_event_at is None or heard > source.last_event_at) and not _is_word_of_silence(event):
            source.last_event_at = heard
        if type(event) in _OWN:
            self._take(event, source)
        return source.clock_offset_ms or 0.0

    def _take(self, event: Event, source: _Source) -> None:
        match event:
            case SourceConnected():
                source.is_log = not event.live
                source.reason = event.reason
                self._changed(source.switch)
                self._up(source, event.at)
            case SourceDisconnected():
                source.reason = event.reason
                source.lost_at = event.observed_at
                if _is_word_of_silence(event) and not source.proves_life and source.up:
                    source.silences = [*source.silences[-MAX_SILENCES:], Span(event.at, None)]
                self._down(source, event.at)
            case SourceClock():
                _probe(source, event.offset_ms)
                source.proves_life = True
            case QueueSnapshot():
                source.proves_life = True
            case SourceGap() if source.is_log and event.recovered is Recovery.NONE:
                self._miss(source, event.from_, event.to)
            case SourceGap():
                gaps = self._gaps.setdefault(event.switch_name, [])
                merged = _merged([*gaps, (Span(event.from_, event.to), event.recovered)])
                if merged != gaps:
                    source.gap_seconds += _seconds(merged) - _seconds(gaps)
                    self._gaps[event.switch_name] = merged
                    self._changed(event.switch_name)
            case _:
                pass

    def _is_back(self, source: _Source, event: Event) -> bool:
        """Return whether an event shows that a source is there again.

        That is a source that was silent, or one whose loss was reported before the event came.
        """
        if source.is_silent:
            return not _is_word_of_silence(event)
        is_down = not source.up and source.lost_at is not None and not isinstance(event, SourceGap)
        return is_down and event.live and event.observed_at > (source.lost_at or _EVER)

    def silent(self, opened: datetime, now: datetime, patience: timedelta, habits: Silence) -> list[SourceDisconnected]:
        """Return an event for each source that is up and has sent nothing for too long since `opened`.

        A source that proves life by itself is silent after `patience`, another by what is usual at the hour.
        """
        found = []
        for source in self._of_the_settings():
            last = source.last_event_at
            if not source.up or last is None:
                continue
            since = max(last, opened)
            proves = source.proves_life and not source.is_log
            if now - since > patience if proves else habits.is_unlikely(source.name, since, now):
                found.append(_word_of_silence(source, last, now))
        return found

    def is_silent(self, switches: Iterable[str], falling: Collection[str] = ()) -> bool:
        """Return whether one of these switches has no connected source, but one that is silent or is in `falling`."""
        for switch in switches:
            its = [source for source in self._sources.values() if source.switch == switch]
            heard = any(source.up and source.name not in falling for source in its)
            if not heard and any(source.is_silent or source.name in falling for source in its):
                return True
        return False

    def _miss(self, source: _Source, start: datetime, end: datetime) -> None:
        """Remove a stretch from the coverage of a log, because its lines are missing. The coverage of other sources
        stays.
        """
        kept: list[Span] = []
        for span in source.spans:
            if span.start < start:
                kept.append(Span(span.start, start if span.end is None else min(span.end, start)))
            if span.end is None or span.end > end:
                kept.append(Span(max(span.start, end), span.end))
        source.spans[:] = kept[-MAX_SPANS:]
        source.gap_seconds += (end - start).total_seconds()
        self._changed(source.switch)

    def _up(self, source: _Source, at: datetime) -> None:
        if source.spans and source.spans[-1].end is None:
            return
        if source.spans and (end := source.spans[-1].end) is not None and at > end:
            source.gap_seconds += (at - end).total_seconds()
        if source.silences and source.silences[-1].end is None:
            source.silences[-1] = Span(source.silences[-1].start, at)
        source.up, source.since, source.reason = True, at, "" if source.is_silent else source.reason
        source.spans.append(Span(at, None))
        del source.spans[:-MAX_SPANS]
        self._changed(source.switch)

    def recover(self, switch: str, start: datetime, end: datetime) -> None:
        """Take a wait or a talk that was seen beginning and ending: a silence within it was not that of a dead feed."""
        for source in self._sources.values():
            within = [
                its
                for its in (source.silences if source.switch == switch else ())
                if its.end is not None and start <= its.start and its.end <= end + STAMPS_DIFFER
            ]
            if within:
                source.silences = [its for its in source.silences if its not in within]
                gaps = self._gaps.get(switch, [])
                self._gaps[switch] = _merged([*gaps, *((its, Recovery.LOG) for its in within)])
                self._changed(switch)

    @property
    def was_silent(self) -> bool:
        """Return whether there is a silence that a wait or a talk may still recover."""
        return any(source.silences for source in self._sources.values())

    def _down(self, source: _Source, at: datetime) -> None:
        source.up, source.since = False, at
        if source.spans and source.spans[-1].end is None:
            source.spans[-1] = Span(source.spans[-1].start, max(at, source.spans[-1].start))
            self._changed(source.switch)

    @classmethod
    def as_written(cls, written: bytes) -> tuple[SourceNow, ...]:
        """Return the sources as they stood when `written` gave this state. Raises `msgspec.DecodeError`."""
        then = cls()
        then._sources, _ = _decoder.decode(written)
        return then.now()

    def now(self) -> tuple[SourceNow, ...]:
        return tuple(
            SourceNow(
                name=source.name,
                switch=source.switch,
                up=source.up,
                since=source.since,
                last_event_at=source.last_event_at,
                reason=source.reason,
                clock_offset_ms=source.clock_offset_ms,
                gap_seconds_total=source.gap_seconds,
                is_log=source.is_log,
                precision_ms=source.precision_ms,
            )
            for source in sorted(self._of_the_settings(), key=lambda s: s.name)
        )

    def clock_offset_ms(self, name: str) -> float:
        """Return the switch's clock minus ours by the last believed probe, in ms; 0 without one."""
        source = self._sources.get(name)
        return (source.clock_offset_ms or 0.0) if source else 0.0

    def last_sign(self, switches: Iterable[str] | None = None) -> datetime | None:
        """Return the time of the newest sign of life from any of these switches (None: any switch)."""
        wanted = None if switches is None else set(switches)
        signs = [
            source.last_event_at
            for source in self._sources.values()
            if source.last_event_at is not None and (wanted is None or source.switch in wanted)
        ]
        return max(signs, default=None)

    def coverage(self, switches: Iterable[str], calendar: Calendar, start: datetime, end: datetime) -> Coverage:
        """Return the open minutes from `start` to `end` by how they were observed.

        A minute is seen when a live source of every switch was connected for all of it; recovered when a log covers
        what was not seen; else blind. Only whole minutes count: the present one is not counted yet.
        """
        names = sorted(set(switches))
        counted = {"seen": 0, "recovered": 0, "blind": 0}
        for opens, closes in calendar.spans(start, end):
            minutes = range(_minute_up(opens), int(closes.timestamp()) // 60)
            if not names:
                counted["blind"] += len(minutes)
                continue
            kinds = [self._covered(name, minutes) for name in names]
            seen = set(minutes).intersection(*(seen for seen, _ in kinds))
            known = set(minutes).intersection(*(seen | logged for seen, logged in kinds))
            counted["seen"] += len(seen)
            counted["recovered"] += len(known - seen)
            counted["blind"] += len(minutes) - len(known)
        return Coverage(
            seen_minutes=counted["seen"], recovered_minutes=counted["recovered"], blind_minutes=counted["blind"]
        )

    def changes(self, switches: Iterable[str]) -> tuple[int, ...]:
        """Return how often each switch's coverage has changed. While these numbers are equal, so is the coverage."""
        return tuple(self._changes[switch] for switch in switches)

    def _changed(self, switch: str) -> None:
        self._observed.pop(switch, None)
        self._changes[switch] += 1

    def _covered(self, switch: str, minutes: range) -> tuple[set[int], set[int]]:
        """Return the minutes that one switch's live sources saw whole, and those that its logs cover."""
        if switch not in self._observed:
            self._observed[switch] = self._observed_of(switch)
        seen, logged = self._observed[switch]
        return _within(seen, minutes), _within(logged, minutes)

    def _observed_of(self, switch: str) -> tuple[Minutes, Minutes]:
        """Return the minutes seen and covered by logs, of all time; computed once after a source has come or gone.

        A question over a long time asks for it thousands of times.
        """
        live: list[Span] = []
        logged: list[Span] = []
        for source in self._sources.values():
            if source.switch == switch:
                (logged if source.is_log else live).extend(source.spans)
        missed = []
        for span, recovery in self._gaps.get(switch, []):
            end = span.end or span.start
            missed.append(range(int(span.start.timestamp()) // 60, _minute_up(end)))
            if recovery is not Recovery.NONE:
                logged.append(Span(_whole(span.start), _whole_up(end)))
        return _without(_minutes(live), _joined(missed)), _minutes(live + logged) if logged else []

    def gaps(self, switches: Iterable[str], now: datetime) -> list[Span]:
        """Return the stretches since a switch was first heard in which nothing was, and no log has told of them since.

        Oldest first; the end of one that still lasts is None.
        """
        found = (gap for switch in set(switches) for gap in self._gaps_of(switch, now))
        return sorted(found, key=lambda gap: gap.start)

    def silences(self, switch: str, now: datetime) -> list[Span]:
        """Return the gaps of a switch without those of the monitor's own restarts that are over.

        What happens while the monitor is away is sent again, or listed, once it is back.
        """
        gaps = self.gaps([switch], now)
        if not gaps:
            return gaps
        own = {at for source in self._sources.values() if source.switch == switch for at in source.restarts}
        return [gap for gap in gaps if gap.end is None or gap.start not in own]

    def first_heard(self, switches: Iterable[str]) -> datetime | None:
        """Return when the first of these switches was first heard; None if none was."""
        wanted = set(switches)
        spans = (span for source in self._sources.values() if source.switch in wanted for span in source.spans)
        return min((span.start for span in spans), default=None)

    def _gaps_of(self, switch: str, now: datetime) -> list[Span]:
        changes = self._changes[switch]
        known = self._unheard.get(switch)
        if known is None or known[0] != changes:
            its = [source for source in self._sources.values() if source.switch == switch]
            reported = self._gaps.get(switch, [])
            told = [span for span, recovery in reported if recovery is not Recovery.NONE]
            joined = _union([*(span for source in its for span in source.spans), *told], now)
            found = [Span(end, start) for (_, end), (start, _) in pairwise(joined)]
            if joined and not any(source.up for source in its):
                found.append(Span(joined[-1][1], None))
            if not any(source.is_log for source in its):
                found += [span for span, recovery in reported if recovery is Recovery.NONE]
            known = self._unheard[switch] = changes, found
        return known[1]

    def blind(self, switch: str, start: datetime, end: datetime) -> timedelta:
        """Return the part of a stretch in which no live source of this switch was connected."""
        live = [span for s in self._sources.values() if s.switch == switch and not s.is_log for span in s.spans]
        seen = ((max(a, start), min(b, end)) for a, b in _union(live, end))
        return (end - start) - sum((b - a for a, b in seen if b > a), timedelta())

    def switches(self) -> list[str]:
        return sorted({source.switch for source in self._of_the_settings()})

    def is_up(self, switches: Iterable[str], but_for: Collection[str] = ()) -> bool:
        """Return whether each of these switches has a connected source; the sources in `but_for` do not count."""
        names = set(switches)
        there = {source.switch for source in self._of_the_settings() if source.up and source.name not in but_for}
        return bool(names) and names <= there


def _is_word_of_silence(event: Event) -> bool:
    return isinstance(event, SourceDisconnected) and event.reason == SILENT


def _probe(source: _Source, offset_ms: float) -> None:
    """Take the result of a probe of a clock.

    Two probes in a row must show that a clock is so far off that its times are not used, or that it no longer is: a
    probe that was delayed looks like a wrong clock.
    """
    known, before = source.clock_offset_ms or 0.0, source.probe_ms
    is_same_side = (abs(offset_ms) > CLOCK_TRUSTED_MS) == (abs(known) > CLOCK_TRUSTED_MS)
    agrees = before is not None and abs(offset_ms - before) <= CLOCKS_AGREE_MS
    source.probe_ms = offset_ms
    if agrees or (is_same_side and abs(offset_ms) <= CLOCK_TRUSTED_MS):
        source.clock_offset_ms = offset_ms


def _merged(gaps: list[tuple[Span, Recovery]]) -> list[tuple[Span, Recovery]]:
    """Return the newest gaps, with those that touch joined; gaps recovered in different ways stay apart."""
    found: list[tuple[Span, Recovery]] = []
    for recovery in Recovery:
        spans = [span for span, its in gaps if its is recovery]
        found += [(Span(start, end), recovery) for start, end in _union(spans, _EVER)]
    return sorted(found, key=lambda gap: gap[0].start)[-MAX_SPANS:]


def _seconds(gaps: list[tuple[Span, Recovery]]) -> float:
    return sum((span.end - span.start).total_seconds() for span, _ in gaps if span.end is not None)


def _word_of_silence(source: _Source, last: datetime, now: datetime) -> SourceDisconnected:
    return SourceDisconnected(
        id=event_id(source.name, str(SourceDisconnected.__struct_config__.tag), SILENT, last.isoformat()),
        source=source.name,
        switch=source.switch,
        observed_at=now,
        switch_time=last,
        time_basis=TimeBasis.MONITOR,
        live=not source.is_log,
        reason=SILENT,
    )


def _minutes(spans: list[Span]) -> Minutes:
    """Return the minutes that lie wholly inside the union of some spans; an open span lasts for ever."""
    found = (range(_minute_up(start), int(stop.timestamp()) // 60) for start, stop in _union(spans, _EVER))
    return [minutes for minutes in found if minutes]


def _without(minutes: Minutes, missed: Minutes) -> Minutes:
    """Return the minutes that were not missed; both arguments are in order."""
    found: Minutes = []
    first = 0
    for its in minutes:
        while first < len(missed) and missed[first].stop <= its.start:
            first += 1
        low, at = its.start, first
        while at < len(missed) and missed[at].start < its.stop:
            found.append(range(low, missed[at].start))
            low = max(low, missed[at].stop)
            at += 1
        found.append(range(low, its.stop))
    return [its for its in found if its]


def _joined(minutes: Minutes) -> Minutes:
    """Return these minutes in stretches that do not overlap."""
    found: Minutes = []
    for its in sorted(minutes, key=lambda its: its.start):
        if found and its.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, its.stop))
        else:
            found.append(its)
    return found


def _within(minutes: Minutes, wanted: range) -> set[int]:
    """Return the minutes that lie in one stretch."""
    first = bisect_right(minutes, wanted.start, key=lambda its: its.stop)
    last = bisect_left(minutes, wanted.stop, key=lambda its: its.start)
    found: set[int] = set()
    for its in minutes[first:last]:
        found.update(range(max(its.start, wanted.start), min(its.stop, wanted.stop)))
    return found


def _union(spans: list[Span], end: datetime) -> list[tuple[datetime, datetime]]:
    joined: list[tuple[datetime, datetime]] = []
    for start, stop in sorted((span.start, span.end or max(end, span.start)) for span in spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    return joined


def _minute_up(at: datetime) -> int:
    return -(-int(at.timestamp() * 1000) // 60_000)


def _whole(at: datetime) -> datetime:
    return datetime.fromtimestamp(int(at.timestamp()) // 60 * 60, UTC)


def _whole_up(at: datetime) -> datetime:
    return _whole(at + timedelta(seconds=59, microseconds=999_999))
