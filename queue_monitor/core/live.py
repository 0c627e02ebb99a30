"""The whole live state in one object: each event goes in at `apply`, each figure comes out in `snapshot`.

It is synchronous and has no clock: the pipeline owns it, a replay drives it, a test feeds it.

Longer than 450 lines because one object owns all live state, so that one writer changes it; its parts are modules of
their own.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, get_args

import msgspec
from msgspec import structs

from queue_monitor.core import documents
from queue_monitor.core.agents import Agents
from queue_monitor.core.calendar import day_bounds
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.counter_queues import CounterQueues
from queue_monitor.core.departures import Departed, Departures
from queue_monitor.core.forecasting import DoubtfulVisit, Forecaster, ForecastInputs
from queue_monitor.core.gate import by_our_clock
from queue_monitor.core.known_queues import OTHERS, KnownQueues
from queue_monitor.core.ledger import Ledger
from queue_monitor.core.opening_check import OpeningCheck
from queue_monitor.core.pieces import finished
from queue_monitor.core.pool_inference import PoolInference
from queue_monitor.core.queue_coverage import QueueCoverage
from queue_monitor.core.reconcile import Reconciler
from queue_monitor.core.repeat_callers import PERSON_KNOWN, CallerPseudonyms
from queue_monitor.core.rules import Rules
from queue_monitor.core.series import minute_of
from queue_monitor.core.silence import Silence
from queue_monitor.core.silenced import Silenced
from queue_monitor.core.snapshot_builder import SnapshotBuilder
from queue_monitor.core.snapshots import Snapshots
from queue_monitor.core.sources import CLOCK_TRUSTED_MS, Sources
from queue_monitor.core.unsaved import Unsaved, keys_of_call
from queue_monitor.core.wait_bounds import WaitBounds
from queue_monitor.core.windows import Calendars, Windows
from queue_monitor.events import (
    EVENT_TYPES,
    AgentMember,
    AgentState,
    CallEntered,
    CallEvent,
    CallLeft,
    CallRefused,
    CallRingEnded,
    Event,
    OutcomeBasis,
    QueueSnapshot,
    SourceConnected,
    SourceDisconnected,
    SourceRestarted,
    same_content,
)
from queue_monitor.model import (
    CallRecord,
    Coverage,
    CoverageRecord,
    ExpectedWait,
    Forecast,
    JournalNow,
    LeftOut,
    Outcome,
    Placement,
    Refusal,
    RefusalRecord,
    RejectedItem,
    Snapshot,
    StatusReason,
    Visit,
)
from queue_monitor.queues import Pool, keys_of, pool_of, queue_key

_OF_CALLS: Final = frozenset(get_args(CallEvent))
_WITHOUT_QUEUE: Final = frozenset(kind for kind in EVENT_TYPES.values() if "queue" not in kind.__struct_fields__)

LATE_AFTER: Final = timedelta(minutes=15)
"""An event that is reported this long after it happened still amends its call, and is counted as late."""

MAX_REASONS: Final = 200
MAX_REJECTED: Final = 200
"""The number of items that were not taken that are kept for a list, the latest ones."""

FORECAST_HOLDS: Final = timedelta(minutes=5)
"""A forecast older than this is not shown."""

KEEP: Final = timedelta(hours=48)
"""The time that calls stay in memory where there is no store to load them from."""

RULES: Final = "rules"
"""The name of the state that holds the versions of the rules by which calls were judged last."""

REJECTED: Final = "rejected"
"""The name of the state that lists the latest items that were not taken."""


class ApplyResult(StrEnum):
    """The result of an event: new, known already, or not taken because its id is known with another content."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Live:
    """Ledger, windows, agents and sources, with one writer and read through snapshots.

    An event that `apply` takes is worked out by `settle`, each contact once; each reading settles first.
    `records`: changes are noted for `take_records`.
    `held_from`: calls that ended before this and have had no event since are no longer in memory; None while all are.
    `shows`: figures are read from it; else only `take_records` is, and nothing is kept that it does not need.
    """

    def __init__(
        self,
        rules: Rules,
        forecaster: Forecaster | None = None,
        *,
        records: bool = False,
        held_from: datetime | None = None,
        shows: bool = True,
    ) -> None:
        self.rules = rules
        self.calendars = Calendars(rules.calendar, rules.calendars)
        self.held_from = held_from
        self.unreadable = 0
        self._ledger = Ledger()
        self._shows = shows
        self._windows = Windows(rules, self.calendars, counts=shows)
        self.agents = Agents()
        self.pool_inference = PoolInference()
        self.counted = CounterQueues()
        self.callers = CallerPseudonyms(rules.calendar)
        self.sources = Sources()
        self.reconciler = Reconciler()
        self.opening_check = OpeningCheck(self.calendars.of)
        self.wait_bounds = WaitBounds(self.calendars.of)
        self.silence = Silence(rules.calendar)
        self.forecaster = forecaster
        if forecaster is not None:
            forecaster.attach(self.scopes, self.agents)
        self.forecasts: tuple[Forecast, ...] = ()
        self.events: Counter[str] = Counter(applied=0, duplicate=0, conflict=0, late=0, orphan=0, invalid=0, skipped=0)
        self.rejected: Counter[str] = Counter()
        self.last_rejected: deque[RejectedItem] = deque(maxlen=MAX_REJECTED)
        self.ring_results: dict[str, Counter[str]] = {}
        self._left_out: set[str] = set()
        self._left_out_refusals: set[Refusal] = set()
        self._seen: dict[tuple[str, str], Event] = {}
        self._dropped: dict[str, ContactHistory] = {}
        self._settling = ""
        self._to_load: set[str] = set()
        self._newest: datetime | None = None
        self._silent: tuple[datetime | None, list[SourceDisconnected]] = None, []
        self._day_ends: datetime | None = None
        self._departures = Departures(lambda contact_id: self.ledger.history(contact_id))
        self.known_queues = KnownQueues(rules.queue_keys, lambda queue: self._windows.name_of(queue))
        self.queue_coverage = QueueCoverage(self.calendars, self.sources, self.switches)
        self._unsaved = Unsaved(self._ledger, self._windows, self.callers, is_wanted=records)
        self._silenced = Silenced(self.sources, self._ledger, self.wait_bounds, self.agents)
        self._snapshots = Snapshots(self)

    # ---- settings of a run

    def note_changes(self, wanted: bool) -> None:
        """Note changes for `take_records` from now on, or no longer."""
        self._unsaved.is_wanted = wanted

    def hold_from(self, at: datetime) -> None:
        """Take it that calls that ended before this time and have had no event since are not in memory."""
        self.held_from = at

    def show_forecasts(self, forecasts: Sequence[Forecast]) -> None:
        """Show these forecasts in the snapshots from now on."""
        self.forecasts = tuple(forecasts)

    # ---- input

    def apply(self, event: Event) -> ApplyResult:
        """Take one event, once. Never raises because of the content of an event."""
        key = (event.source, event.id)
        if (known := self._seen.get(key)) is not None:
            taken = ApplyResult.DUPLICATE if same_content(known, event) else ApplyResult.CONFLICT
            self.events[taken.value] += 1
            return taken
        self._seen[key] = event
        if self._silent[0] is not None:
            self._silent = None, []
        self.events["applied"] += 1
        at, kind = event.at, type(event)
        if self._newest is None or at > self._newest:
            self._newest = at
        elif self._newest - at > LATE_AFTER:
            self.events["late"] += 1
        if abs(self.sources.apply(event)) > CLOCK_TRUSTED_MS:
            event = by_our_clock(event)
            at = event.at
        if self._day_ends is None or at >= self._day_ends:
            self.start_day(at)
        if kind not in _WITHOUT_QUEUE:
            event = self._note_queue(event)
        if (take := _TAKES.get(kind)) is not None:
            take(self, event)
        applied = self._ledger.apply(event)
        if applied.orphan:
            self.events["orphan"] += 1
        for refusal in applied.not_refused:
            self._count_refused(refusal, -1)
        if applied.refused is not None:
            self._count_refused(applied.refused)
        if isinstance(event, QueueSnapshot):
            self._reconcile(event)
        return ApplyResult.NEW

    def _count_refused(self, refusal: Refusal, sign: int = +1) -> None:
        """Count a refused caller, or (`sign` -1) no longer, here and in the store."""
        if not self._was_left_out(refusal):
            self._unsaved.note_refusal(refusal, self._refuse(refusal, sign), is_counted=sign > 0)

    def _refuse(self, refusal: Refusal, sign: int) -> Placement:
        """Count a refused caller in all parts of the live state, or (`sign` -1) no longer; return the place."""
        self.opening_check.refuse(refusal, sign)
        return self._windows.refuse(refusal, sign)

    def _was_left_out(self, refusal: Refusal) -> bool:
        """Return whether a refused caller who is no longer to be counted was left out before, and forget that."""
        was_left_out = refusal in self._left_out_refusals
        self._left_out_refusals.discard(refusal)
        return was_left_out

    def _take_agent(self, event: AgentState | AgentMember | QueueSnapshot) -> None:
        """Take what an event says of agents; agents without a place, and queues without one, are left out."""
        if isinstance(event, AgentState) and event.queues:
            queues = tuple(queue for queue in event.queues if self.known_queues.has_place(queue_key(queue), event))
            if queues != event.queues:
                event = structs.replace(event, queues=queues)
        if not self.agents.apply(event):
            self._reject_name(event, "too_many_agents", "agent_id", len(getattr(event, "agent_id", "")))

    def _take_snapshot(self, event: QueueSnapshot) -> None:
        self._take_agent(event)
        for queue in self.counted.apply(event):
            self.known_queues.forget(queue)
        self.wait_bounds.see_list(event)
        if event.up and self.held_from is not None:
            unheld = self._ledger.unheld(event.switch_name, event.up)
            self._to_load.update(f"{event.switch_name} {leg}" for leg in unheld)

    def _take_entry(self, event: CallEntered) -> None:
        self.callers.apply(event)
        self.wait_bounds.enter(event)
        if self._shows:
            self.silence.note(event.source, event.at)

    def _take_ring_end(self, event: CallRingEnded) -> None:
        self.ring_results.setdefault("", Counter())[event.result.value] += 1

    def settle(self) -> None:
        """Work out every contact that has new events, and update the windows."""
        for contact_id, before, after in self._ledger.take_changes():
            self._settling = contact_id
            self._unsaved.note(contact_id)
            if self._dropped:
                before = self._dropped.pop(contact_id, before)
            if contact_id in self._left_out:
                self._windows.place(contact_id, after)
            elif before != after:
                self._move(contact_id, before, after)

    def _move(self, contact_id: str, before: ContactHistory | None, after: ContactHistory | None) -> None:
        """Replace a contact's old history by its new one in all parts of the live state."""
        were, are = _visits(before), _visits(after)
        self.reconciler.change(were, are)
        if self.sources.was_silent:
            self._recover_silences(are)
        if before is not None and after is not None and _is_same_wait(before, after):
            self._windows.change_talk(contact_id, are[0])
        else:
            self.wait_bounds.change(were, are)
            self._windows.change(contact_id, after)
            if self._shows:
                self.opening_check.change(contact_id, are)
                self._departures.note(contact_id, after)
        if self._shows:
            self._feed_forecaster(contact_id, after)
            self._note_service(are)
        for lost in self.callers.change(contact_id, after):
            self._look_again(*lost)

    def _recover_silences(self, visits: Iterable[Visit]) -> None:
        """Note the waits and talks that were seen from beginning to end."""
        for visit in visits:
            entered, ended, completed = visit.entered_at, visit.ended_wait_at, visit.completed_at
            is_stated = visit.outcome_basis is OutcomeBasis.STATED and visit.outcome is not Outcome.UNKNOWN
            if entered is not None and ended is not None and is_stated:
                self.sources.recover(visit.switch, entered, ended)
            if ended is not None and completed is not None and is_stated:
                self.sources.recover(visit.switch, ended, completed)

    def blamed(self, events: Sequence[Event]) -> Event | None:
        """Return the last of these events that concerns the contact at which `settle` stopped; the last event if none
        does.
        """
        keys = set(keys_of_call(self._settling, self._ledger.evidence_of(self._settling))) if self._settling else set()
        about = [event for event in events if keys & self.keys_of([event])]
        return next(reversed(about or list(events)), None)

    @property
    def ledger(self) -> Ledger:
        self.settle()
        return self._ledger

    @property
    def windows(self) -> Windows:
        self.settle()
        return self._windows

    # ---- to the store and back

    def take_records(self) -> tuple[list[CallRecord], list[RefusalRecord]]:
        """Return every contact that changed since the last call, as it is now, and the new refusals.

        A contact that was dropped and has not come back by now is gone.
        """
        self.settle()
        for contact_id, history in self._dropped.items():
            if contact_id not in self._left_out:
                self._move(contact_id, history, None)
            self._unsaved.note(contact_id)
        self._dropped.clear()
        return self._unsaved.take()

    def mark_known(self, contact_ids: Iterable[str]) -> None:
        """Note that the store holds these contacts as `take_records` gave them."""
        self._unsaved.mark_known(contact_ids)

    def leave_out(self, left_out: LeftOut, written: Iterable[str] = ()) -> None:
        """Count these calls and refused callers no longer: the store has others for their day and queue.

        `written`: all calls of which the store has taken a record just now. One of them that was left out before and is
        not any more counts again; until then no later word makes it count. The bounds of waits keep what they have
        learned: such a wait was seen, and they count nothing.
        """
        if not self._left_out and left_out == LeftOut():
            return
        self.settle()
        for contact_id in left_out.contact_ids:
            history = self._ledger.history(contact_id)
            if history is not None and contact_id not in self._left_out:
                self._move(contact_id, history, None)
                self._windows.place(contact_id, history)
                self._left_out.add(contact_id)
        for contact_id in self._left_out.intersection(written).difference(left_out.contact_ids):
            self._count_again(contact_id)
        for record in left_out.refusals:
            self._refuse(record.refusal, -1 if record.is_counted else +1)
            if record.is_counted:
                self._left_out_refusals.add(record.refusal)

    def _count_again(self, contact_id: str) -> None:
        """Count a contact that was left out."""
        self._left_out.discard(contact_id)
        self._move(contact_id, None, self._ledger.history(contact_id))

    def knows(self, contact_id: str) -> bool:
        """Return whether the store is known to hold this contact."""
        return self._unsaved.is_known(contact_id)

    def load_calls(self, evidence: Iterable[bytes]) -> set[str]:
        """Load calls from the store, which are counted already. Return the ids of those that are held now.

        The document of a contact that memory knows from the store says nothing new and is passed over. A contact of
        which memory has events that the store does not have is put together with its document, and counted once. A
        document that cannot be read is passed over, and counted in `unreadable`.
        """
        self.settle()
        found = list(filter(None, map(self._read, evidence)))
        new = {document.contact_id: document for document in found if not self.knows(document.contact_id)}
        for contact_id in self._left_out.intersection(new):
            self._count_again(contact_id)
        held = {contact_id for contact_id in new if self._ledger.history(contact_id) is not None}
        for contact_id, history, reached_later in self._ledger.load(new.values()):
            if history is None:
                continue
            self._unsaved.adopt(contact_id, reached_later)
            now = self._ledger.history(contact_id)
            if (dropped := self._dropped.pop(contact_id, None)) is not None:
                held.add(contact_id)
                self.reconciler.change(dropped.visits, _visits(now))
            else:
                if contact_id in held:
                    self.reconciler.change(history.visits, ())
                self._windows.adopt(contact_id, history)
            self.wait_bounds.change((), _visits(now))
            self.opening_check.change(contact_id, _visits(now))
            self._windows.change(contact_id, now)
            self._feed_forecaster(contact_id, now)
            self._departures.note(contact_id, now)
            self._note_service(_visits(now))
            self.callers.change(contact_id, now)
            if contact_id in held or self.callers.reached_later(history.contact) not in (None, reached_later):
                self._unsaved.note(contact_id)
        return {document.contact_id for document in found}

    def _read(self, document: bytes) -> documents.Document | None:
        try:
            return documents.read(document)
        except documents.UnreadableDocument:
            self.unreadable += 1
            return None

    def ask_again(self, keys: Iterable[str]) -> None:
        """Let `missing_calls` return these keys once more: the store was away when it was asked for the calls."""
        self._to_load.update(keys)

    def missing_calls(self) -> set[str]:
        """Return the keys of calls to load next, each once.

        These are calls that share evidence with a loaded one, and calls no longer in memory whose caller has since been
        answered.
        """
        self.settle()
        keys = {f"{switch} {contact_id}" for contact_id, switch in self._ledger.take_mentioned().items()}
        keys |= self._to_load
        self._to_load = set()
        return keys

    def holds_visit(self, switch: str, visit_id: str) -> bool:
        return self._ledger.holds_visit(switch, visit_id)

    def evict(self, before: datetime) -> list[ContactHistory]:
        """Remove calls from memory that ended and had no event since `before`; return them. Their figures stay.

        With `records` only calls that the store has as they are go: call it when the result of `take_records` is safe.
        """
        self.settle()
        gone = self._ledger.evict(before, self._unsaved.has)
        contact_ids = [history.contact.contact_id for history in gone]
        self._windows.let_go(contact_ids)
        self._unsaved.let_go(contact_ids)
        self._left_out.difference_update(contact_ids)
        if self._left_out_refusals:
            self._left_out_refusals.intersection_update(self._ledger.refusals())
        self._seen = {key: event for key, event in self._seen.items() if event.at >= before}
        self.callers.evict(before - PERSON_KNOWN)
        self.silence.evict(before)
        self.wait_bounds.evict((visit for _, visit in self._ledger.waiting()), before)
        self.opening_check.evict(before - KEEP)
        self.reconciler.add_up(before)
        self.held_from = before if self.held_from is None else max(before, self.held_from)
        return gone

    def amend_conflict(self, event: Event) -> None:
        """Count an event as a conflict, and no longer as applied: the journal has another event under its id.

        `drop_calls` and `load_calls` undo its effect on calls.
        """
        if self._seen.pop((event.source, event.id), None) is not None:
            self.events["applied"] -= 1
            self.events["conflict"] += 1
            self._take_back(event)

    def amend_repeat(self, event: Event) -> None:
        """Count an event as a duplicate: the journal has it from before the time that is held in memory.

        `load_calls` puts its call together with the one in the store; a refused caller is counted already.
        """
        if (event.source, event.id) in self._seen:
            self.events["applied"] -= 1
            self.events["duplicate"] += 1
            self._take_back(event)

    def _take_back(self, event: Event) -> None:
        if isinstance(event, CallRefused) and (refusal := self._ledger.take_back(event)) is not None:
            if not self._was_left_out(refusal):
                self._refuse(refusal, -1)
            self._unsaved.forget_refusal(refusal)

    def drop_calls(self, contact_ids: Iterable[str]) -> list[Event]:
        """Remove contacts, and those that share evidence with them, as if no event about them had come.

        Their counts stay until `load_calls` and the events replace them. Returns the events of their visits that memory
        has, in order, to be applied once more after loading.
        """
        self.settle()
        dropped = self._ledger.drop(contact_ids)
        visits = {visit for _, its in dropped.values() for visit in its}
        for contact_id, (history, _) in dropped.items():
            self._unsaved.doubt(contact_id)
            self._dropped[contact_id] = history
        heard = [
            event for event in self._seen.values() if (event.switch_name, getattr(event, "visit_id", "")) in visits
        ]
        for event in heard:
            del self._seen[event.source, event.id]
            self.events["applied"] -= 1
            if isinstance(event, CallRingEnded):
                self.ring_results[""][event.result.value] -= 1
        return heard

    def is_held(self, event: Event) -> bool:
        """Return whether memory holds all that concerns this event, so that it can be taken without
        asking the store.
        """
        if self.held_from is None:
            return True
        off = event.live and abs(self.sources.clock_offset_ms(event.source)) > CLOCK_TRUSTED_MS
        if (event.observed_at if off else event.at) < self.held_from:
            return False
        visit_id = getattr(event, "visit_id", "")
        return not visit_id or isinstance(event, CallEntered) or self.holds_visit(event.switch_name, visit_id)

    def keys_of(self, events: Iterable[Event]) -> set[str]:
        """Return the keys by which the store finds the calls of these events."""
        names = ("visit_id", "leg_id", "contact_id", "new_leg_id")
        return {
            f"{event.switch_name} {known}" for event in events for name in names if (known := getattr(event, name, ""))
        }

    def remember(self, event: Event) -> None:
        """Note an event that the store has and that is counted already: its call is loaded separately."""
        self._seen[event.source, event.id] = event
        if isinstance(event, CallRefused):
            self._ledger.apply(event)

    def apply_state_only(self, event: Event) -> None:
        """Take from an event the state of agents, sources and switches, and nothing of its call: the call is loaded."""
        self.sources.apply(event)
        event = self._note_queue(event)
        if isinstance(event, AgentState | AgentMember | QueueSnapshot):
            self._take_agent(event)
        if isinstance(event, QueueSnapshot):
            self.counted.apply(event)
            self._ledger.see_up(event)

    def apply_start(self, event: Event) -> None:
        """Take from an event that a switch began anew, or a source to listen, before the calls that it ended are
        loaded.
        """
        if isinstance(event, SourceConnected | SourceRestarted):
            self._ledger.apply(event)

    def take_starts(self, other: "Live") -> None:
        """Take the starts of switches that another live state knows, before the calls that they ended are loaded."""
        self._ledger.restore_switches(other._ledger.written_switches())

    def save_states(self) -> dict[str, bytes]:
        """Return the state that a start needs besides the calls, encoded, by name."""
        return {
            "agents": self.agents.written(),
            "sources": self.sources.written(),
            "counted": self.counted.written(),
            "teams": self.pool_inference.written(),
            "reconciler": self.reconciler.written(),
            "opening check": self.opening_check.written(),
            "wait bounds": self.wait_bounds.written(),
            "silence": self.silence.written(),
            REJECTED: msgspec.msgpack.encode(list(self.last_rejected)),
            "switches": self._ledger.written_switches(),
            "queues": self.known_queues.written(),
            "queue places": self.known_queues.written_places(),
            RULES: self.rules.dated_versions.encode(),
        }

    def load_states(self, states: dict[str, bytes], now: datetime) -> None:
        """Load the states that `save_states` gave. Raises `msgspec.DecodeError`."""
        parts: dict[str, Callable[[bytes], None]] = {
            "agents": self.agents.restore,
            "sources": partial(self.sources.restore, now=now),
            "counted": self.counted.restore,
            "teams": self.pool_inference.restore,
            "reconciler": self.reconciler.restore,
            "opening check": self.opening_check.restore,
            "wait bounds": self.wait_bounds.restore,
            "silence": self.silence.restore,
            REJECTED: self._restore_rejected,
            "switches": self._ledger.restore_switches,
            "queues": self.known_queues.restore,
            "queue places": self.known_queues.restore_places,
        }
        for name, restore in parts.items():
            if written := states.get(name):
                restore(written)

    def _restore_rejected(self, written: bytes) -> None:
        self.last_rejected.extend(msgspec.msgpack.decode(written, type=list[RejectedItem]))

    def record_all(self) -> None:
        """Include every contact that is held in the next `take_records`, changed or not."""
        for contact in self.ledger.contacts():
            self._unsaved.note(contact.contact_id)

    def _look_again(self, switch: str, contact_id: str) -> None:
        """Record a lost call again, because its caller has been answered in a later call."""
        history = self._ledger.history(contact_id)
        if history is not None:
            self._unsaved.note(contact_id)
        elif self._unsaved.is_wanted:
            self._to_load.add(f"{switch} {contact_id}")

    def start_day(self, now: datetime) -> None:
        """Start a new day: queues that shared people during the old day become a pool."""
        self.settle()
        day_ends, self._day_ends = (
            self._day_ends,
            day_bounds(self.rules.calendar.day_of(now), self.rules.calendar.zone)[1],
        )
        if day_ends is not None and day_ends >= self._day_ends:
            return
        if day_ends is not None:
            self.pool_inference.close_day(now)
            self.known_queues.start_day()
        self.rules = self.rules.in_force(self.rules.calendar.day_of(now))
        if self.forecaster is not None:
            self._start_forecast(self.forecaster, now)
            self.forecaster.aim_at(self.rules.target)

    def _start_forecast(self, forecaster: Forecaster, now: datetime) -> None:
        """Start a day of the forecast with the callers who still wait or talk."""
        forecaster.start_day(self.rules.calendar.day_of(now))
        there = {visit.contact_id for _, visit in self._ledger.waiting()}
        there |= {visit.contact_id for visit in self.talking(now)}
        for contact_id in sorted(there - self._left_out):
            self._feed_forecaster(contact_id, self._ledger.history(contact_id))

    def _feed_forecaster(self, contact_id: str, history: ContactHistory | None) -> None:
        if self.forecaster is not None:
            self.forecaster.change(contact_id, history, self._windows.counted(contact_id).placed)

    def agent_ids(self) -> set[str]:
        """Return every agent who appeared in an event lately."""
        return {*self.agents.ids(), *self.pool_inference.ids()}

    def knows_agent(self, agent_id: str) -> bool:
        """Return whether the agent appeared in an event lately."""
        return agent_id in self.agents.ids() or agent_id in self.pool_inference.ids()

    def is_open(self, switch: str, call: str) -> bool:
        """Return whether a contact, visit or leg with this id waits or talks now."""
        return self._ledger.is_open_call(switch, call)

    def apply_agents_only(self, heard: Agents, event: Event) -> None:
        """Note in `heard` what an event that is counted already said of agents."""
        if event.live and abs(self.sources.clock_offset_ms(event.source)) > CLOCK_TRUSTED_MS:
            event = by_our_clock(event)
        if isinstance(event, AgentState | AgentMember | QueueSnapshot):
            heard.apply(event)

    def own_words(self, now: datetime) -> list[Event]:
        """Return the monitor's own events at this moment, to be applied and journaled like all others.

        They are for callers who left unseen, and sources that have fallen silent in open hours.
        """
        return [*self.overdue(now), *self._silences(now)]

    def _silences(self, now: datetime) -> list[SourceDisconnected]:
        """Return an event for each connected source that has fallen silent."""
        if self._silent[0] != now:
            opened = self.rules.calendar.stretch(now)
            patience, habits = self.rules.silent_after, self.silence
            self._silent = now, self.sources.silent(opened[0], now, patience, habits) if opened else []
        return self._silent[1]

    def overdue(self, now: datetime) -> list[CallLeft]:
        """Return an event for each waiting caller who is taken to have left unseen, to be applied and journaled."""
        waiting = [visit for _, visit in self.ledger.waiting()]
        self.wait_bounds.evict(waiting, now)
        return self.wait_bounds.overdue(((visit, self._ledger.last_word(visit)) for visit in waiting), now)

    def is_first_word(self, event: CallEntered) -> bool:
        """Return whether this event is the first report of a caller's entry.

        It is not when another source has reported the entry already, or when it comes from a log while a live source
        listens to the switch.
        """
        if not self.sources.has_live(event.switch_name):
            return not self._ledger.has_entered(event)
        return event.live and not self._ledger.has_entered(event, self.sources.logs())

    def forecast_inputs(self, now: datetime, scopes: Sequence[Pool] | None = None) -> Sequence[ForecastInputs]:
        """Return the inputs of the forecasts of these scopes, of all without `scopes`; empty without a forecaster.

        It takes about a millisecond for each. Those of one call are of one moment.
        """
        self.settle()
        if self.forecaster is None:
            return []
        waiting = [visit for _, visit in self._ledger.waiting()]
        unheard = self.unheard(waiting, now)
        doubtful = self.wait_bounds.doubtful(waiting, now)
        doubtful += [visit for visit in waiting if visit.visit_id in unheard]
        self.forecaster.doubt(
            DoubtfulVisit(visit.contact_id, self._place_of(visit), unheard.get(visit.visit_id)) for visit in doubtful
        )
        self.forecaster.miss(self.sources.gaps(self.sources.switches(), now))
        return self.forecaster.inputs(now, self.scopes() if scopes is None else scopes)

    def unheard(self, waiting: Iterable[Visit], now: datetime) -> dict[str, datetime]:
        """Return until when these callers are known to have waited, by visit, where that is not until now."""
        return self._silenced.waiting(waiting, now)

    def silences(self, now: datetime) -> dict[str, datetime]:
        """Return when the last silence that is over began, by switch; one shorter than `SHORT_SILENCE` is none."""
        return self._silenced.switches(now)

    def talking(self, now: datetime) -> list[Visit]:
        """Return the answered visits without a known end, except those that must be over."""
        return self._silenced.talking(self.ledger.talking(), now)

    def _place_of(self, visit: Visit) -> int:
        """Return the position of a visit among those of its contact, from 0."""
        history = self._ledger.history(visit.contact_id)
        visits = history.visits if history else ()
        return next((at for at, its in enumerate(visits) if its.visit_id == visit.visit_id), 0)

    def next_wait(self, now: datetime, queue: str) -> ExpectedWait | None:
        """Return the wait that a caller who enters this queue now should expect; None when there is no forecast."""
        self.settle()
        return None if self.forecaster is None else self.forecaster.next_wait(now, queue)

    def recall_pools(self, pools: Iterable[Sequence[str]], now: datetime) -> None:
        """Restore the pools of an earlier run, each given by the names of its queues."""
        for queues in pools:
            self.pool_inference.recall([keys_of(queues)], now)
            for queue in queues:
                self.known_queues.add(queue)

    def _reconcile(self, event: QueueSnapshot) -> None:
        if not event.counters:
            return
        visits = self.ledger.visits  # settled first: the events before the snapshot are compared with it
        self.reconciler.compare(event, visits, lambda since: self.sources.blind(event.switch_name, since, event.as_of))

    def reject(self, source: str, reason: str, item: RejectedItem | None = None) -> None:
        """Count an item that was not taken; `item` is kept among the latest ones."""
        if item is not None:
            self.last_rejected.append(item)
        self.events["invalid"] += 1
        key = f"{source} {reason}"
        if key not in self.rejected and len(self.rejected) >= MAX_REASONS:
            key = f"{OTHERS} {OTHERS}"
        self.rejected[key] += 1

    def load_coverage(self, records: Iterable[CoverageRecord]) -> None:
        """Load the saved coverage of days before the edge; its queues are known from now on."""
        records = tuple(records)
        self.queue_coverage.load(records)
        for record in records:
            self.known_queues.add(record.queue)

    def coverage_records(self, day: date, now: datetime) -> list[CoverageRecord]:
        """Return the coverage of a local day up to now, for every queue that is known."""
        return self.queue_coverage.records(self.queues(), day, now)

    def evict_old(self, now: datetime) -> list[ContactHistory]:
        """Remove calls older than two days from memory; return them. Their figures stay."""
        gone = self.evict(now - KEEP)
        self._windows.evict(now - KEEP)
        return gone

    def _note_queue(self, event: Event) -> Event:
        """Note that a switch has named a queue; return the event to take.

        An event for a queue above the limit is counted as rejected, and journaled unchanged.
        """
        onward = getattr(event, "next_queue", None)
        if onward and not self.known_queues.has_place(queue_key(onward), event):
            self._reject_name(event, "too_many_queues", "next_queue", len(onward))
            event = structs.replace(event, next_queue=OTHERS)
        queue = getattr(event, "queue", "")
        if not queue or self.known_queues.has_noted(event, queue):
            return event
        name = self.known_queues.note(event, queue)
        if name != queue:
            self._reject_name(event, "too_many_queues", "queue", len(queue))
            event = structs.replace(event, queue=name)
        if type(event) in _OF_CALLS:
            self.counted.note_caller(name)
        return event

    def _reject_name(self, event: Event, reason: str, field: str, length: int) -> None:
        its = {"source": event.source, "reason": reason, "field": field, "kind": "text"}
        self.reject(event.source, reason, RejectedItem(at=event.observed_at, length=length, **its))

    def _note_service(self, visits: Iterable[Visit]) -> None:
        for visit in visits:
            agent_id, at = visit.agent_id, visit.ended_wait_at
            if not agent_id or at is None or visit.outcome is not Outcome.ANSWERED:
                continue
            if self.agents.serve(visit):
                self.pool_inference.answered(agent_id, visit.queue, at)

    # ---- output

    def queues(self) -> list[str]:
        """Return every queue that an event has named or that the loaded figures contain.

        A queue of switches that are watched no more is one of them as long as a call of today was in it: the totals
        have that call until the day ends.
        """
        known: dict[str, str] = {queue_key(queue): queue for queue in self.windows.queues() if queue}
        known.update(self.known_queues.names)
        left = {key for key, queue in known.items() if not self._is_watched(queue)}
        gone = left - self._with_calls_today(left) if left else left
        return sorted((queue for key, queue in known.items() if key not in gone), key=queue_key)

    def watched_queues(self) -> list[str]:
        """Return the queues of switches that are watched: more calls may come to them."""
        return list(filter(self._is_watched, self.queues()))

    def _is_watched(self, queue: str) -> bool:
        switches = self.known_queues.switches((queue,))
        return not switches or bool(self.sources.watched_of(switches))

    def _with_calls_today(self, keys: Collection[str]) -> set[str]:
        """Return those of these queues (casefolded) in which a call of today is counted, or somebody waits."""
        waiting = (queue_key(visit.queue) for _, visit in self._ledger.waiting())
        found = set[str](keys).intersection(waiting)
        if self._day_ends is not None:
            today = self.rules.calendar.day_of(self._day_ends - timedelta.resolution)
            low, high = map(minute_of, day_bounds(today, self.rules.calendar.zone))
            found |= {key for key in keys if self._windows.has_calls(key, low, high)}
        return found

    def scopes(self) -> list[Pool]:
        """Return the scopes that have their own forecast: the pools, and the queues that share their agents with no
        other. A queue of which the switch only says how many wait has none.
        """
        return self.pools([queue for queue in self.watched_queues() if not self.counted.of((queue,))])

    def pools(self, queues: list[str]) -> list[Pool]:
        """Return the queues grouped by the people they share: by the members that switches list, else by who has
        answered in which queue.
        """
        found = self.agents.pools(queues) if self.agents.members_told else self.pool_inference.pools(queues)
        keys = keys_of(queues)
        return [pool_of(pool, keys) for pool in found]

    def fresh(self, now: datetime) -> list[Forecast]:
        """Return the forecasts that are not too old to be shown."""
        return [seen for seen in self.forecasts if timedelta() <= now - seen.at <= FORECAST_HOLDS]

    def snapshot(self, now: datetime, rate: float = 1.0, journal: JournalNow | None = None) -> Snapshot:
        """Return all figures that any face shows, at `now`."""
        return finished(self.snapshot_in_pieces(now, rate, journal))

    def snapshot_in_pieces(
        self, now: datetime, rate: float = 1.0, journal: JournalNow | None = None
    ) -> Generator[None, None, Snapshot]:
        """Make the snapshot with a pause after each piece of work, so that nobody waits for all of it.

        No event may be applied until it is done.
        """
        return self._snapshots.in_pieces(now, rate, journal or JournalNow())

    def view(self, now: datetime, talking: Sequence[Visit] = (), *, briefly: bool = False) -> SnapshotBuilder:
        """Return a builder that reads the figures of a moment without a memory of earlier ones."""
        return self._snapshots.view(now, talking, briefly=briefly)

    def alert_snapshot(self, now: datetime) -> Snapshot:
        """Return a snapshot with only the figures that decide something, for a reader of the past that needs many of
        them.
        """
        return self._snapshots.of_alerts(now)

    def coverage(self, queues: tuple[str, ...], start: datetime, end: datetime, now: datetime) -> Coverage:
        """Return the coverage of these queues up to now; the hours of a single queue are its own, else the default's.

        Days before the edge are taken from the saved coverage; a day without any is blind.
        """
        return self.queue_coverage.of(queues, start, min(end, now), self.windows.edge)

    def switches(self, queues: tuple[str, ...]) -> tuple[str, ...]:
        """Return the watched switches that have reported these queues, or those that did where none is watched any
        more; all switches where none ever has.
        """
        known = self.known_queues.switches(queues)
        return tuple(sorted(self.sources.watched_of(known) or known) or self.sources.switches())

    def no_data_reason(self, queues: tuple[str, ...], now: datetime) -> StatusReason | None:
        """Return why the figures of these queues cannot be relied on now; None when they can.

        The reason is that there is no source, that their switch is watched no more, that a source is down, or that one
        has been silent in open hours.
        """
        switches = self.switches(queues)
        if not switches:
            return StatusReason.NO_SOURCE
        if not self.sources.watched_of(switches):
            return StatusReason.NOT_WATCHED
        silent = {event.source for event in self._silences(now)}
        if self.sources.is_up(switches, but_for=silent):
            return None
        if self.sources.is_silent(switches, silent):
            return StatusReason.SOURCE_SILENT
        return StatusReason.SOURCE_DOWN

    def departed(self, now: datetime) -> dict[str, list[Departed]]:
        """Return contacts that left a queue a moment ago and may still be answered in another, or called back in time.

        They are grouped by their first queue (casefolded), those counted inside opening hours.
        """
        return self._departures.at(now, self.windows, self.rules.target, self.rules.calendar)


_TAKES: Final[dict[type[Event], Callable[[Live, Any], None]]] = {
    AgentState: Live._take_agent,
    AgentMember: Live._take_agent,
    QueueSnapshot: Live._take_snapshot,
    CallEntered: Live._take_entry,
    CallRingEnded: Live._take_ring_end,
}


def _is_same_wait(before: ContactHistory, after: ContactHistory) -> bool:
    """Return whether a contact of one visit entered, waited and left as before: only its talk may differ."""
    (visit, *others), contact = after.visits, after.contact
    if others or contact.entered_at is None or contact != before.contact:
        return False
    return visit.entry_reason is before.visits[0].entry_reason


def _visits(history: ContactHistory | None) -> tuple[Visit, ...]:
    return () if history is None else history.visits
