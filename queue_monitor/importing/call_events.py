"""Turns stays in a queue into the events that a switch would have sent, so that one ledger decides how they count."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRefused,
    EntryReason,
    Event,
    LeftOutcome,
    RefusalReason,
    event_id,
)
from queue_monitor.importing.mapping import REFUSED
from queue_monitor.importing.rows import Stay
from queue_monitor.model import IMPORT_SOURCE, IMPORTED, Outcome
from queue_monitor.queues import queue_key

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LETTERS: Final = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")
"""The letters in place of a hash's digits, so that it never looks like a telephone number."""

_ONE_CALL_MS: Final = 12 * 3_600_000
"""The longest time between the first and the last entry of one call's lines."""

_REASONS: Final = {
    "refused_full": RefusalReason.FULL,
    "refused_no_agents": RefusalReason.NO_AGENTS,
    "refused_closed": RefusalReason.CLOSED,
}


_AFTER: Final = {
    "": EntryReason.DIRECT,
    Outcome.ANSWERED: EntryReason.TRANSFER,
    Outcome.CALLBACK: EntryReason.CALLBACK,
}
"""The reason of a stay by what became of the call before; else the call was moved from one queue to the next."""


class Telling:
    """Makes the events of stays, in the order of entry. A stay's id comes from the content of its line.

    So the same line in another file, or in another part of a file that was put together, is the same stay:
    `overlapping` counts those. Equal lines of one export are several callers, unless they have the same call:
    `repeated` counts those.
    """

    def __init__(self, name: str, precision_ms: int) -> None:
        self._switch = IMPORTED + name
        self._source = IMPORT_SOURCE + name
        self._precision_ms = precision_ms
        self._moment = -1
        self._same: dict[tuple[object, ...], int] = {}
        self._lines: set[tuple[object, ...]] = set()
        self._calls: dict[str, tuple[str, str]] = {}
        self._begun: deque[tuple[int, str]] = deque()
        self._parts: dict[tuple[object, ...], dict[int, int]] = {}
        self._told: set[str] = set()
        self.repeated = 0
        self.overlapping = 0

    def events(self, stays: Iterable[Stay]) -> Iterator[list[Event]]:
        """Yield the events of each stay, one after another."""
        for stay in stays:
            self._turn_to(stay.entered_ms)
            is_known = (stay.group and self._is_repeated(stay)) or self._stands_in_earlier_part(stay)
            yield [] if is_known else self._told_of(stay)

    def _told_of(self, stay: Stay) -> list[Event]:
        entered = _EPOCH + timedelta(milliseconds=stay.entered_ms)
        visit = self._visit(stay)
        if visit in self._told:
            self.overlapping += 1
            return []
        self._told.add(visit)
        contact, why = self._contact(stay, visit)
        if stay.outcome in REFUSED:
            reason = _REASONS.get(stay.outcome, RefusalReason.UNKNOWN)
            told = self._envelope(CallRefused, visit, entered)
            return [CallRefused(contact_id=contact, leg_id=contact, queue=stay.queue, reason=reason, **told)]
        ids: dict[str, Any] = {"visit_id": visit, "contact_id": contact, "leg_id": contact, "queue": stay.queue}
        ended = entered + timedelta(milliseconds=stay.wait_ms)
        found: list[Event] = [CallEntered(entry_reason=why, **ids, **self._envelope(CallEntered, visit, entered))]
        if stay.outcome != Outcome.ANSWERED:
            outcome = LeftOutcome(stay.outcome)
            return [*found, CallLeft(outcome=outcome, **ids, **self._envelope(CallLeft, visit, ended))]
        found.append(CallAnswered(**ids, **self._envelope(CallAnswered, visit, ended)))
        if stay.talk_ms is not None:
            done = ended + timedelta(milliseconds=stay.talk_ms)
            found.append(CallCompleted(**ids, **self._envelope(CallCompleted, visit, done)))
        return found

    def _stands_in_earlier_part(self, stay: Stay) -> bool:
        """Return whether the whole line stands in an earlier part of the file, as often as in this one by now."""
        parts = self._parts.setdefault((stay.file, stay.row, _said(stay)), {})
        parts[stay.part] = parts.get(stay.part, 0) + 1
        stands = any(count >= parts[stay.part] for part, count in parts.items() if part < stay.part)
        self.overlapping += stands
        return stands

    def _is_repeated(self, stay: Stay) -> bool:
        line = (stay.file, stay.group, *_said(stay))
        if line not in self._lines:
            self._lines.add(line)
            return False
        self.repeated += 1
        return True

    def _turn_to(self, moment: int) -> None:
        if moment != self._moment:
            self._moment = moment
            for of_the_moment in (self._same, self._lines, self._parts, self._told):
                of_the_moment.clear()

    def _visit(self, stay: Stay) -> str:
        said = _said(stay)
        number = self._same[stay.file, said] = self._same.get((stay.file, said), 0) + 1
        text = "\x1f".join(map(str, (*said, number)))
        hashed = hashlib.blake2b(text.encode(), digest_size=12).hexdigest().translate(_LETTERS)
        return f"{self._switch}:{hashed}"

    def _contact(self, stay: Stay, visit: str) -> tuple[str, EntryReason]:
        """Return the contact of a stay, and the reason of its entry."""
        if not stay.group:
            return visit, EntryReason.DIRECT
        while self._begun and stay.entered_ms - self._begun[0][0] > _ONE_CALL_MS:
            self._calls.pop(self._begun.popleft()[1], None)
        contact, before = self._calls.get(stay.group, ("", ""))
        if not contact:
            self._begun.append((stay.entered_ms, stay.group))
        if stay.outcome not in REFUSED and before != Outcome.ANSWERED:
            self._calls[stay.group] = contact or visit, stay.outcome
        else:
            self._calls[stay.group] = contact or visit, before
        return contact or visit, _AFTER.get(before, EntryReason.OVERFLOW)

    def _envelope(self, kind: type[Event], visit: str, at: datetime) -> dict[str, Any]:
        return {
            "id": event_id(self._source, str(kind.__struct_config__.tag), visit),
            "source": self._source,
            "switch": self._switch,
            "observed_at": at,
            "switch_time": at,
            "time_precision_ms": self._precision_ms,
            "live": False,
        }


def _said(stay: Stay) -> tuple[object, ...]:
    """Return all that a line says of a stay."""
    return stay.entered_ms, queue_key(stay.queue), stay.outcome, stay.wait_ms, stay.talk_ms
