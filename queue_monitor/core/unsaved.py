"""Keeps what the store does not have yet: changed contacts and new refusals, as they are to be written."""

from collections.abc import Iterable

from queue_monitor.core import documents
from queue_monitor.core.evidence import Evidence
from queue_monitor.core.ledger import Ledger
from queue_monitor.core.repeat_callers import CallerPseudonyms
from queue_monitor.core.series import minute_of
from queue_monitor.core.used_again import as_stated
from queue_monitor.core.windows import Windows
from queue_monitor.model import CallRecord, Placement, Refusal, RefusalRecord


class Unsaved:
    """The contacts and refusals to be written, and the contacts that the store is known to hold.

    `is_wanted`: changes are noted; else nothing is kept.
    """

    def __init__(self, ledger: Ledger, windows: Windows, callers: CallerPseudonyms, *, is_wanted: bool) -> None:
        self.is_wanted = is_wanted
        self._ledger = ledger
        self._windows = windows
        self._callers = callers
        self._changed: dict[str, None] = {}
        self._refusals: list[RefusalRecord] = []
        self._known: set[str] = set()
        self._reached: dict[str, bool | None] = {}

    def note(self, contact_id: str) -> None:
        """Note that a contact has changed."""
        if self.is_wanted:
            self._changed[contact_id] = None

    def note_refusal(self, refusal: Refusal, placed: Placement, *, is_counted: bool) -> None:
        """Note a refused caller, or one who no longer counts as refused; what is not written yet is then forgotten."""
        if self.is_wanted and (is_counted or not self.forget_refusal(refusal)):
            self._refusals.append(RefusalRecord(refusal=refusal, placed=placed, is_counted=is_counted))

    def forget_refusal(self, refusal: Refusal) -> bool:
        """Forget a refusal that is not written yet; return whether there was one."""
        left = [record for record in self._refusals if record.refusal != refusal]
        was_there = len(left) < len(self._refusals)
        self._refusals = left
        return was_there

    def take(self) -> tuple[list[CallRecord], list[RefusalRecord]]:
        """Return every contact that changed since the last call, as it is now, and the new refusals."""
        changed, self._changed = self._changed, {}
        refusals, self._refusals = self._refusals, []
        return [self.record(contact_id) for contact_id in changed], refusals

    def record(self, contact_id: str) -> CallRecord:
        """Return a contact as it is to be written now; without the contact where it is gone."""
        is_known = contact_id in self._known
        history = self._ledger.history(contact_id)
        if history is None:
            self._known.discard(contact_id)
            return CallRecord(contact_id=contact_id, contact=None, is_known=is_known)
        evidence = self._ledger.evidence_of(contact_id)
        reached_later = self._callers.reached_later(history.contact)
        if reached_later is None:
            reached_later = self._reached.get(contact_id)
        tally = self._windows.counted(contact_id)
        last_at = max(part.last_at for part in evidence)
        counts_at = tally.placed.minute if tally.placed else minute_of(history.contact.entered_at or last_at)
        return CallRecord(
            contact_id=contact_id,
            contact=history.contact,
            visits=history.visits,
            placed=tally.placed,
            visits_placed=tally.visits,
            evidence=documents.write(contact_id, evidence, reached_later),
            keys=tuple(dict.fromkeys(keys_of_call(contact_id, evidence))),
            last_at=last_at,
            is_open=self._ledger.is_open(contact_id),
            is_known=is_known,
            reached_later=reached_later,
            rules=self._windows.rules_version(counts_at),
        )

    # ---- what the store holds

    def is_known(self, contact_id: str) -> bool:
        """Return whether the store is known to hold this contact."""
        return contact_id in self._known

    def mark_known(self, contact_ids: Iterable[str]) -> None:
        """Note that the store holds these contacts as `take` gave them."""
        self._known.update(contact_ids)

    def adopt(self, contact_id: str, reached_later: bool | None) -> None:
        """Note that a contact has been loaded from the store, and what was known there of its caller."""
        self._known.add(contact_id)
        self._reached[contact_id] = reached_later

    def doubt(self, contact_id: str) -> None:
        """Note that the store may hold a contact otherwise than it is."""
        self._known.discard(contact_id)

    def has(self, contact_id: str) -> bool:
        """Return whether a contact is still to be written."""
        return self.is_wanted and (contact_id in self._changed or contact_id not in self._known)

    def let_go(self, contact_ids: Iterable[str]) -> None:
        """Forget contacts that are no longer in memory."""
        for contact_id in contact_ids:
            self._known.discard(contact_id)
            self._reached.pop(contact_id, None)


def keys_of_call(contact_id: str, evidence: Iterable[Evidence]) -> Iterable[str]:
    """Yield the keys by which a later event finds a call: the contact, its legs and its visits, each with its
    switch.
    """
    for part in evidence:
        for known in dict.fromkeys((contact_id, as_stated(contact_id), part.leg_id, *part.also, *part.reports)):
            yield f"{part.switch} {known}"
