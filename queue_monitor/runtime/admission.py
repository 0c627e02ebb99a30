"""Admits events: within the gate's bounds, without telephone numbers, and none that has stopped the monitor before."""

import logging
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from msgspec import structs

from queue_monitor.core.gate import Gate, Redated, Unfit, masked, masked_name, plain, unfit
from queue_monitor.core.known_queues import OTHERS
from queue_monitor.core.live import Live
from queue_monitor.core.places import Places
from queue_monitor.core.privacy import Veil
from queue_monitor.events import Event, QueueSnapshot
from queue_monitor.model import RejectedItem
from queue_monitor.ports import Clock, Delivery, Refused, Rejected
from queue_monitor.runtime.fault import skip_key
from queue_monitor.runtime.journal_writer import PendingBatch
from queue_monitor.runtime.month_keys import MonthKeys

log = logging.getLogger(__name__)

MAX_NAME: Final = 100
"""The number of characters of a sender's name that are counted under and logged."""

MAX_SOURCES: Final = 200
"""The largest number of sources that senders name; as many switches. Those that we watch ourselves need no place."""


class Admission:
    """The one way in for every event, whatever door it came through.

    `names`: the names of queues, sources and switches in the settings.
    `rebuilds`: the events are read again from the journal. Their times are not judged: they were when they came, and
        where the delivery is checked nothing is.
    """

    def __init__(self, live: Live, clock: Clock, keys: MonthKeys, names: Iterable[str], *, rebuilds: bool) -> None:
        self._live = live
        self._clock = clock
        self._rebuilds = rebuilds
        self._skipped: Collection[str] = ()
        self._gate = Gate(live.sources.clock_offset_ms)
        self._veil = Veil(keys, live, live.rules.calendar.zone, names)
        self._sources, self._switches = Places(MAX_SOURCES), Places(MAX_SOURCES)
        self._is_seated = False

    def skip(self, keys: Collection[str]) -> None:
        """Never admit the events with these keys: our own code has raised on them."""
        self._skipped = keys

    def admit(self, delivery: Delivery, line: PendingBatch, earliest: datetime) -> list[Event | Rejected]:
        """Return the items of a delivery that may be taken, as they are to be taken.

        The others are refused and counted, and named in the receipt of `line`. `earliest`: the first moment whose
        calls are kept.
        """
        if self._rebuilds and delivery.is_checked and not self._skipped:
            return list(delivery.items)
        admitted: list[Event | Rejected] = []
        for index, item in enumerate(delivery.items):
            if isinstance(item, Rejected):
                admitted.append(item)
                continue
            found = self._judge(item, delivery, earliest)
            if isinstance(found, QueueSnapshot) and not delivery.dated_by_sender:
                self._live.known_queues.list_queue(found.queue)
            if isinstance(found, Unfit):
                source = self._veil.shown(item.source) if delivery.dated_by_sender else item.source
                line.refused.append(Refused(index=index, id=item.id, **_named(found)))
                rejected = Rejected(source=source, kind=found.kind, length=found.length, **_named(found))
                self.reject(rejected, by_sender=delivery.dated_by_sender)
            elif isinstance(found, Redated):
                words = "its switch's clock is more than 5 minutes ahead: dated by receipt"
                self.reject(Rejected(source=item.source, reason="clock_ahead", field="time", kind="time", detail=words))
                admitted.append(found.event)
            else:
                admitted.append(found)
                if found.id != item.id:
                    line.sent[found.id] = item.id
        if delivery.whole and line.refused:
            return [item for item in admitted if isinstance(item, Rejected)]
        return admitted

    def _judge(self, event: Event, delivery: Delivery, earliest: datetime) -> Event | Redated | Unfit:
        if self._rebuilds:
            found: Event | Redated | Unfit = event if delivery.is_checked else unfit(event) or event
        else:
            found = self._gate.judge(event, delivery.received_at, earliest, by_sender=delivery.dated_by_sender)
            if isinstance(found, Event) and not delivery.dated_by_sender:
                found = self._veil.over_watched(found, found.at)
            elif isinstance(found, Redated):
                found = Redated(self._veil.over_watched(found.event, found.event.at))
            elif not delivery.taken_before and isinstance(found, Event):
                found = self._veiled(found, event.at if earliest <= event.at <= delivery.received_at else found.at)
        taken = found.event if isinstance(found, Redated) else found
        if delivery.dated_by_sender and isinstance(taken, Event) and (unplaced := self._without_place(taken)):
            return unplaced
        if self._skipped and isinstance(taken, Event) and skip_key(taken) in self._skipped:
            words = "it has stopped the monitor before"
            return Unfit(reason="skipped", field="id", kind="text", length=len(event.id), detail=words)
        return found

    def _without_place(self, event: Event) -> Unfit | None:
        """Return why an event is not taken whose source or switch has no place; None where both have one."""
        source, switch = event.source, event.switch_name
        if not self._has_place(source):
            return _one_too_many("too_many_sources", "source", source)
        if switch not in self._switches:
            self._seat_known()
            if not self._switches.take(switch, source)[0]:
                return _one_too_many("too_many_switches", "switch", switch)
        return None

    def _has_place(self, source: str) -> bool:
        """Return whether a sender's source has a place or gets one now."""
        if source in self._sources:
            return True
        self._seat_known()
        return self._sources.take(source, source)[0]

    def _seat_known(self) -> None:
        """Give the sources and switches of an earlier process their places, once, before anybody new takes one."""
        if self._is_seated:
            return
        self._is_seated = True
        for known in self._live.sources.now():
            self._sources.take(known.name, known.name)
            self._switches.take(known.switch, known.name)

    def _veiled(self, event: Event, at: datetime) -> Event:
        """Return a sender's event without numbers and free text. Names that hold a number are counted, and reported
        once.
        """
        veiled = self._veil.over(event, at)
        for field in veiled.hidden:
            words = "a telephone number as a name, not shown; if it is no caller's, name it in the settings"
            rejected = Rejected(source=veiled.event.source, reason="number_as_name", field=field, kind="text")
            self.reject(structs.replace(rejected, detail=words), by_sender=True)
        return veiled.event

    def reject(self, rejected: Rejected, *, by_sender: bool = False) -> None:
        """Count a rejected item, keep it in the list of the latest, and log the first of its kind. Its names come from
        others.

        `by_sender`: a sender has chosen its source, too; one without a place is counted under the name for all others.
        """
        source, kinds = plain(rejected.source, MAX_NAME), len(self._live.rejected)
        self._live.reject(
            source if not by_sender or self._has_place(source) else OTHERS,
            rejected.reason,
            RejectedItem(
                at=self._clock.now(),
                source=source,
                reason=rejected.reason,
                field=masked_name(rejected.field),
                kind=rejected.kind,
                length=rejected.length,
                detail=masked_name(rejected.detail) if rejected.field else masked(rejected.detail),
            ),
        )
        if len(self._live.rejected) > kinds:
            words = f"{rejected.detail} field={rejected.field}" if rejected.field else rejected.detail
            log.warning("rejected source=%s reason=%s detail=%s", source, rejected.reason, plain(words))


def _one_too_many(reason: str, field: str, name: str) -> Unfit:
    words = f"more than {MAX_SOURCES} are named"
    return Unfit(reason=reason, field=field, kind="text", length=len(name), detail=words)


def _named(found: Unfit) -> dict[str, str]:
    return {"reason": found.reason, "field": found.field, "detail": found.detail}
