"""The whole live state in one hand: every event goes in at `apply`, every figure comes out in `snapshot`.

Synchronous and without a clock: the pipeline owns it, a replay drives it, a test feeds it.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from itertools import islice
from typing import Any, Final, get_args

import msgspec
from msgspec import structs

from queue_monitor.core import documents
from queue_monitor.core.agents import Agents
from queue_monitor.core.calendar import Calendar, cut, day_bounds
from queue_monitor.core.counter_queues import CounterQueues
from queue_monitor.core.evidence import Evidence
from queue_monitor.core.forecasting import Forecaster, ForecastInputs
from queue_monitor.core.gate import by_our_clock
from queue_monitor.core.ledger import ContactHistory, Ledger
from queue_monitor.core.listing import as_stored
from queue_monitor.core.lost import CallerPseudonyms, lost_calls
from queue_monitor.core.opening_check import OpeningCheck
from queue_monitor.core.pool_inference import PoolInference
from queue_monitor.core.queue_places import Named, QueuePlaces
from queue_monitor.core.reconcile import Reconciler
from queue_monitor.core.rules import Rules
from queue_monitor.core.silence import Silence
from queue_monitor.core.snapshot_builder import Departed, Memory, SnapshotBuilder, finished
from queue_monitor.core.sources import CLOCK_TRUSTED_MS, Sources
from queue_monitor.core.transfers import transfer_waits
from queue_monitor.core.wait_bounds import WaitBounds
from queue_monitor.core.windows import Calendars, PlacedCall, Windows, before_opening_ms
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
    QueueSnapshot,
    SourceConnected,
    SourceDisconnected,
    SourceRestarted,
    milliseconds,
    same_content,
)
from queue_monitor.model import (
    CalendarDay,
    CallRecord,
    Contact,
    Coverage,
    CoverageRecord,
    DefinitionId,
    Disagreement,
    ExitPolicy,
    ExpectedWait,
    Forecast,
    Hours,
    JournalNow,
    Level,
    LostCall,
    Outcome,
    Period,
    RefusalRecord,
    RejectedItem,
    Snapshot,
    StatusReason,
    StoredCall,
    TransferWaits,
    Visit,
    WallNow,
)
from queue_monitor.queues import Pool, keys_of, pool_of, queue_key
from queue_monitor.waits import Past

_OF_CALLS: Final = frozenset(get_args(CallEvent))
_WITHOUT_QUEUE: Final = frozenset(kind for kind in EVENT_TYPES.values() if "queue" not in kind.__struct_fields__)

LATE_AFTER: Final = timedelta(minutes=15)
"""An event told this long after it happened still amends its call, and is counted as late."""

MAY_RETURN: Final = timedelta(seconds=60)
"""Someone who left a queue by time-out, key or overflow may enter another within this time."""

MAY_STILL_BE_ANSWERED: Final = frozenset(
    {
        Outcome.TIMEOUT,
        Outcome.OVERFLOW,
        Outcome.EXIT_KEY,
        Outcome.NO_AGENTS,
        Outcome.TRANSFERRED_OUT,
        Outcome.SYSTEM,
        Outcome.WITHDRAWN,
        Outcome.CALLBACK,
    }
)
STEPS: Final = ("quarter", "hour", "day", "week", "month", "tertial", "year", "whole")
MAX_INTERVALS: Final = 5000
MAX_DAYS: Final = 400
MAX_REASONS: Final = 200
MAX_REJECTED: Final = 200
"""So many of the last things that were not taken are kept to be listed."""

MAX_MENTIONS: Final = 20_000
"""Who has named which queue how, noted so that it is looked at once."""

OTHERS: Final = "others"
"""Stands for the queues, or the reasons, that are one too many."""

PIECE: Final = 2
"""So many queues are worked out before a snapshot pauses: some milliseconds."""

VISITS_PIECE: Final = 500

FORECAST_HOLDS: Final = timedelta(minutes=5)
"""An older forecast is not shown."""

KEEP: Final = timedelta(hours=48)
"""How long calls stay in memory where there is no store to load them from."""

RULES: Final = "rules"
"""The state that names the rules by which calls were judged last."""

REJECTED: Final = "rejected"
"""The state that lists the last things that were not taken."""

PERSON_KNOWN: Final = timedelta(hours=24)
"""How long a person's calls are known to be one person's: the switch's pseudonyms change every night."""


class ApplyResult(StrEnum):
    """What became of an event: taken, known already, or its id known with another content (and then not taken)."""

    NEW = "new"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Live:
    """Ledger, windows, agents and sources, fed by one hand and read through snapshots.

    What `apply` takes is worked out by `settle`, each contact once; everything that reads sees it settled. With
    `records`, what changed is noted for `take_records`. `held_from`: calls that were over before it and silent since
    are no longer in memory; None while all are.
    """

    def __init__(self, rules: Rules, forecaster: Forecaster | None = None) -> None:
        self.rules = rules
        self.calendars = Calendars(rules.calendar, rules.calendars)
        self.records = False
        self.held_from: datetime | None = None
        self.unreadable = 0
        self.rules_version = rules.judged_by_version
        self._ledger = Ledger()
        self._windows = Windows(rules.target, self.calendars, rules.exit_policy_by_queue, rules.exit_policy)
        self.agents = Agents()
        self.pool_inference = PoolInference()
        self.counted = CounterQueues()
        self.callers = CallerPseudonyms()
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
        self._seen: dict[tuple[str, str], Event] = {}
        self._to_record: dict[str, None] = {}
        self._refusals: list[RefusalRecord] = []
        self._known: set[str] = set()
        self._dropped: dict[str, ContactHistory] = {}
        self._reached: dict[str, bool | None] = {}
        self._settling = ""
        self._to_load: set[str] = set()
        self._newest: datetime | None = None
        self._silent: tuple[datetime | None, list[SourceDisconnected]] = None, []
        self._day_ends: datetime | None = None
        self._departed: dict[str, None] = {}
        self._queue_switches: dict[str, dict[str, None]] = {}
        self._queue_names: dict[str, str] = {}
        self._places = QueuePlaces(rules.queue_keys)
        self._leaving: set[str] = set()
        self._mentions: set[tuple[type[Event], str, str]] = set()
        self._stored_coverage: dict[tuple[str, date], Coverage] = {}
        self._coverage_cache: dict[tuple[object, ...], Coverage] = {}
        self._disagreements: tuple[int, tuple[Disagreement, ...]] = (-1, ())
        self._memory = Memory()

    # ---- what enters

    def apply(self, event: Event) -> ApplyResult:
        """Take one event, once. Never raises on what an event says."""
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
        if applied.refused is not None:
            placed = self._windows.refuse(applied.refused)
            self.opening_check.refuse(applied.refused)
            if self.records:
                self._refusals.append(RefusalRecord(refusal=applied.refused, placed=placed))
        if isinstance(event, QueueSnapshot):
            self._reconcile(event)
        return ApplyResult.NEW

    def _take_agent(self, event: AgentState | AgentMember) -> None:
        self.agents.apply(event)

    def _take_snapshot(self, event: QueueSnapshot) -> None:
        self.agents.apply(event)
        self.counted.apply(event)
        self.wait_bounds.see_list(event)

    def _take_entry(self, event: CallEntered) -> None:
        self.callers.apply(event)
        self.wait_bounds.enter(event)
        self.silence.note(event.source, event.at)

    def _take_ring_end(self, event: CallRingEnded) -> None:
        self.ring_results.setdefault("", Counter())[event.result.value] += 1

    def settle(self) -> None:
        """Work out every contact of which something was heard, and move the windows to what they are now."""
        for contact_id, before, after in self._ledger.take_changes():
            self._settling = contact_id
            self._note_record(contact_id)
            if self._dropped:
                before = self._dropped.pop(contact_id, before)
            if before != after:
                self._move(contact_id, before, after)

    def _move(self, contact_id: str, before: ContactHistory | None, after: ContactHistory | None) -> None:
        """Take a contact as it stands now for what it was."""
        were, are = _visits(before), _visits(after)
        self.reconciler.change(were, are)
        if before is not None and after is not None and _is_same_wait(before, after):
            self._windows.change_talk(contact_id, are[0])
        else:
            self.wait_bounds.change(were, are)
            self.opening_check.change(contact_id, are)
            self._windows.change(contact_id, after)
            self._note_departure(contact_id, after)
        self._feed_forecaster(contact_id, after)
        self._note_service(are)
        for lost in self.callers.change(contact_id, after):
            self._look_again(*lost)

    def blamed(self, events: Sequence[Event]) -> Event | None:
        """Of these events the last one of the contact at which `settle` has stopped; the last, if none tells of it."""
        keys = set(_keys(self._settling, self._ledger.evidence_of(self._settling))) if self._settling else set()
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

    # ---- what goes to the store, and comes back

    def take_records(self) -> tuple[list[CallRecord], list[RefusalRecord]]:
        """Every contact that changed since this was last asked, as it stands now, and the refusals that were new.

        Who was dropped and has not come back by now is gone.
        """
        self.settle()
        for contact_id, story in self._dropped.items():
            self.reconciler.change(story.visits, ())
            self.opening_check.change(contact_id, ())
            self._windows.change(contact_id, None)
            self._feed_forecaster(contact_id, None)
            self._note_record(contact_id)
        self._dropped.clear()
        changed, self._to_record = self._to_record, {}
        refusals, self._refusals = self._refusals, []
        return [self._record(contact_id) for contact_id in changed], refusals

    def _note_record(self, contact_id: str) -> None:
        if self.records:
            self._to_record[contact_id] = None

    def _record(self, contact_id: str) -> CallRecord:
        is_known = contact_id in self._known
        story = self._ledger.story(contact_id)
        if story is None:
            self._known.discard(contact_id)
            return CallRecord(contact_id=contact_id, contact=None, is_known=is_known, rules=self.rules_version)
        evidence = self._ledger.evidence_of(contact_id)
        reached_later = self.callers.reached_later(story.contact)
        if reached_later is None:
            reached_later = self._reached.get(contact_id)
        tally = self._windows.counted(contact_id)
        return CallRecord(
            contact_id=contact_id,
            contact=story.contact,
            visits=story.visits,
            placed=tally.placed,
            visits_placed=tally.visits,
            evidence=documents.write(contact_id, evidence, reached_later),
            keys=tuple(dict.fromkeys(_keys(contact_id, evidence))),
            last_at=max(part.last_at for part in evidence),
            is_open=self._ledger.is_open(contact_id),
            is_known=is_known,
            reached_later=reached_later,
            rules=self.rules_version,
        )

    def mark_known(self, contact_ids: Iterable[str]) -> None:
        """The store holds these contacts as `take_records` gave them."""
        self._known.update(contact_ids)

    def knows(self, contact_id: str) -> bool:
        """Whether the store is known to hold this contact."""
        return contact_id in self._known

    def load_calls(self, evidence: Iterable[bytes]) -> set[str]:
        """Take up calls from the store, which are counted already. Returns the ids of those that are held now.

        Of one that memory knows from the store the document says nothing new and is passed over. One that memory has
        heard of beside the store is put together with it, and counted once. A document that cannot be read is
        passed over, and counted in `unreadable`.
        """
        self.settle()
        found = list(filter(None, map(self._read, evidence)))
        new = {document.contact_id: document for document in found if document.contact_id not in self._known}
        held = {contact_id for contact_id in new if self._ledger.story(contact_id) is not None}
        for contact_id, story, reached_later in self._ledger.load(new.values()):
            if story is None:
                continue
            self._known.add(contact_id)
            self._reached[contact_id] = reached_later
            now = self._ledger.story(contact_id)
            if (dropped := self._dropped.pop(contact_id, None)) is not None:
                held.add(contact_id)
                self.reconciler.change(dropped.visits, _visits(now))
            else:
                if contact_id in held:
                    self.reconciler.change(story.visits, ())
                self._windows.adopt(contact_id, story)
            self.wait_bounds.change((), _visits(now))
            self.opening_check.change(contact_id, _visits(now))
            self._windows.change(contact_id, now)
            self._feed_forecaster(contact_id, now)
            self._note_departure(contact_id, now)
            self._note_service(_visits(now))
            self.callers.change(contact_id, now)
            if contact_id in held or self.callers.reached_later(story.contact) not in (None, reached_later):
                self._note_record(contact_id)
        return {document.contact_id for document in found}

    def _read(self, document: bytes) -> documents.Document | None:
        try:
            return documents.read(document)
        except documents.UnreadableDocument:
            self.unreadable += 1
            return None

    def ask_again(self, keys: Iterable[str]) -> None:
        """The store was away when it was asked for these calls: `missing_calls` gives them once more."""
        self._to_load.update(keys)

    def missing_calls(self) -> set[str]:
        """Keys of calls to load next, each given once: those that share evidence with a loaded one, and those let go
        of whose caller has since been answered.
        """
        self.settle()
        keys = {f"{switch} {contact_id}" for contact_id, switch in self._ledger.take_mentioned().items()}
        keys |= self._to_load
        self._to_load = set()
        return keys

    def holds_visit(self, switch: str, visit_id: str) -> bool:
        return self._ledger.holds_visit(switch, visit_id)

    def evict(self, before: datetime) -> list[ContactHistory]:
        """Let go of calls that are over and silent since before that moment; returns them. Their figures stay.

        With `records`, only of calls that the store has as they are: call it when what `take_records` gave is safe.
        """
        self.settle()
        gone = self._ledger.evict(before, self._is_unsaved)
        contact_ids = [story.contact.contact_id for story in gone]
        self._windows.let_go(contact_ids)
        self._known.difference_update(contact_ids)
        for contact_id in contact_ids:
            self._reached.pop(contact_id, None)
        self._seen = {key: event for key, event in self._seen.items() if event.at >= before}
        self.callers.evict(before - PERSON_KNOWN)
        self.opening_check.evict(before - KEEP)
        self.reconciler.add_up(before)
        self.held_from = before if self.held_from is None else max(before, self.held_from)
        return gone

    def _is_unsaved(self, contact_id: str) -> bool:
        return self.records and (contact_id in self._to_record or contact_id not in self._known)

    def amend_conflict(self, event: Event) -> None:
        """The journal has another event under this one's id: it counts as a conflict, and no longer as heard.

        What it did to calls is taken back by `drop_calls` and `load_calls`.
        """
        if self._seen.pop((event.source, event.id), None) is not None:
            self.events["applied"] -= 1
            self.events["conflict"] += 1
            self._take_back(event)

    def amend_repeat(self, event: Event) -> None:
        """The journal had this event, from before what memory holds: it counts as a duplicate.

        A call that it told of is put together with the store's by `load_calls`; a refused caller is counted already.
        """
        if (event.source, event.id) in self._seen:
            self.events["applied"] -= 1
            self.events["duplicate"] += 1
            self._take_back(event)

    def _take_back(self, event: Event) -> None:
        if isinstance(event, CallRefused) and (refusal := self._ledger.take_back(event)) is not None:
            self._windows.refuse(refusal, -1)
            self.opening_check.refuse(refusal, -1)
            self._refusals = [record for record in self._refusals if record.refusal != refusal]

    def drop_calls(self, contact_ids: Iterable[str]) -> list[Event]:
        """Remove contacts, and those that share evidence with them, as if nothing had been heard of them.

        What they are counted as stays until `load_calls` and the events say what they are. Returns the events of
        their visits that memory has heard, in that order, to be applied once more after loading.
        """
        self.settle()
        dropped = self._ledger.drop(contact_ids)
        visits = {visit for _, its in dropped.values() for visit in its}
        for contact_id, (story, _) in dropped.items():
            self._known.discard(contact_id)
            self._dropped[contact_id] = story
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
        """Whether memory holds all that bears on this event, so that it can be taken without asking the store."""
        if self.held_from is None:
            return True
        off = event.live and abs(self.sources.clock_offset_ms(event.source)) > CLOCK_TRUSTED_MS
        if (event.observed_at if off else event.at) < self.held_from:
            return False
        visit_id = getattr(event, "visit_id", "")
        return not visit_id or isinstance(event, CallEntered) or self.holds_visit(event.switch_name, visit_id)

    def keys_of(self, events: Iterable[Event]) -> set[str]:
        """By what the calls that these events tell of are found in the store."""
        names = ("visit_id", "leg_id", "contact_id")
        return {
            f"{event.switch_name} {known}" for event in events for name in names if (known := getattr(event, name, ""))
        }

    def remember(self, event: Event) -> None:
        """Know again an event that is counted already, as one that the store has: its call is loaded beside it."""
        self._seen[event.source, event.id] = event
        if isinstance(event, CallRefused):
            self._ledger.apply(event)

    def hear_state(self, event: Event) -> None:
        """Take what an event says of agents, sources and switches, and nothing of its call: that is loaded."""
        self.sources.apply(event)
        self._note_queue(event)
        if isinstance(event, AgentState | AgentMember | QueueSnapshot):
            self.agents.apply(event)
        if isinstance(event, QueueSnapshot):
            self.counted.apply(event)
        if isinstance(event, SourceConnected | SourceRestarted):
            self._ledger.apply(event)

    def save_states(self) -> dict[str, bytes]:
        """What a start needs beside the calls, written down by name."""
        names = ((key, name) for key, name in self._queue_names.items() if key not in self._leaving)
        queues = [(name, list(self._queue_switches.get(key, {}))) for key, name in names]
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
            "queues": msgspec.msgpack.encode(queues),
            "queue places": msgspec.msgpack.encode(self._places.holders),
            RULES: self.rules_version.encode(),
        }

    def load_states(self, states: dict[str, bytes], now: datetime) -> None:
        """Take up what `save_states` gave. Raises `msgspec.DecodeError`."""
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
            "queues": self._restore_queues,
            "queue places": lambda written: self._places.restore(msgspec.msgpack.decode(written, type=dict[str, str])),
        }
        for name, restore in parts.items():
            if written := states.get(name):
                restore(written)

    def _restore_queues(self, written: bytes) -> None:
        for queue, switches in msgspec.msgpack.decode(written, type=list[tuple[str, list[str]]]):
            self._queue_names.setdefault(queue_key(queue), queue)
            self._queue_switches.setdefault(queue_key(queue), {}).update(dict.fromkeys(switches))
        self._places.restore(dict.fromkeys(self._queue_names, ""))

    def _restore_rejected(self, written: bytes) -> None:
        self.last_rejected.extend(msgspec.msgpack.decode(written, type=list[RejectedItem]))

    def record_all(self) -> None:
        """Give every contact that is held to the next `take_records`, changed or not."""
        for contact in self.ledger.contacts():
            self._note_record(contact.contact_id)

    def _look_again(self, switch: str, contact_id: str) -> None:
        """A lost caller has been answered in a later call: the record of the lost one is another now."""
        story = self._ledger.story(contact_id)
        if story is not None:
            self._note_record(contact_id)
        elif self.records:
            self._to_load.add(f"{switch} {contact_id}")

    def start_day(self, now: datetime) -> None:
        """A new day: the queues that the old one showed to share people are a pool from here on."""
        self.settle()
        day_ends, self._day_ends = (
            self._day_ends,
            day_bounds(self.rules.calendar.day_of(now), self.rules.calendar.zone)[1],
        )
        if day_ends is not None and day_ends >= self._day_ends:
            return
        if day_ends is not None:
            self.pool_inference.close_day(now)
            for key in self._leaving:
                self._queue_names.pop(key, None)
                self._queue_switches.pop(key, None)
            self._leaving.clear()
        if self.forecaster is not None:
            self._start_forecast(self.forecaster, now)

    def _start_forecast(self, forecaster: Forecaster, now: datetime) -> None:
        """Start a day of the forecast, which begins with those who are still on the line."""
        forecaster.start_day(self.rules.calendar.day_of(now))
        there = {visit.contact_id for _, visit in self._ledger.waiting()}
        there |= {visit.contact_id for visit in self._ledger.talking()}
        for contact_id in sorted(there):
            self._feed_forecaster(contact_id, self._ledger.story(contact_id))

    def _feed_forecaster(self, contact_id: str, story: ContactHistory | None) -> None:
        if self.forecaster is not None:
            self.forecaster.change(contact_id, story, self._windows.counted(contact_id).placed)

    def agent_ids(self) -> set[str]:
        """Everybody who was heard of lately."""
        return {*self.agents.ids(), *self.pool_inference.ids()}

    def knows_agent(self, agent_id: str) -> bool:
        """Whether he or she was heard of lately."""
        return agent_id in self.agents.ids() or agent_id in self.pool_inference.ids()

    def is_open(self, switch: str, call: str) -> bool:
        """Whether a contact, visit or leg by this id waits or talks now."""
        return self._ledger.is_open_call(switch, call)

    def hear_agent(self, heard: Agents, event: Event) -> None:
        """Note in `heard` what an event that is counted already said of agents."""
        if event.live and abs(self.sources.clock_offset_ms(event.source)) > CLOCK_TRUSTED_MS:
            event = by_our_clock(event)
        if isinstance(event, AgentState | AgentMember | QueueSnapshot):
            heard.apply(event)

    def own_words(self, now: datetime) -> list[Event]:
        """What the monitor itself has to say at this moment, to be applied and journaled like all events: callers who
        left unseen, and sources that have fallen silent in open hours.
        """
        return [*self.overdue(now), *self._silences(now)]

    def _silences(self, now: datetime) -> list[SourceDisconnected]:
        """Of the sources that are connected, those that have fallen silent: the events that say so."""
        if self._silent[0] != now:
            opened = self.rules.calendar.stretch(now)
            patience, habits = self.rules.silent_after, self.silence
            self._silent = now, self.sources.silent(opened[0], now, patience, habits) if opened else []
        return self._silent[1]

    def overdue(self, now: datetime) -> list[CallLeft]:
        """Of those who wait, who is taken to have left unseen: the events that say so, to be applied and journaled."""
        waiting = [visit for _, visit in self.ledger.waiting()]
        self.wait_bounds.evict(waiting, now)
        return self.wait_bounds.overdue(((visit, self._ledger.last_word(visit)) for visit in waiting), now)

    def is_first_word(self, event: CallEntered) -> bool:
        """Whether this is the first word of a caller's entry: no other source has told of it, and a log is not asked
        where a live source of its switch listens.
        """
        if not self.sources.hears(event.switch_name):
            return not self._ledger.has_entered(event)
        return event.live and not self._ledger.has_entered(event, self.sources.logs())

    def forecast_inputs(self, now: datetime) -> Sequence[ForecastInputs]:
        """Return what the forecast of each pool that is open today is made from; nothing without a forecaster."""
        self.settle()
        if self.forecaster is None:
            return []
        waiting = self._ledger.waiting()
        doubtful = [visit for _, visit in waiting if self.wait_bounds.is_doubtful(visit, now)]
        self.forecaster.doubt((visit.contact_id, self._place_of(visit)) for visit in doubtful)
        return self.forecaster.inputs(now, self.scopes())

    def _place_of(self, visit: Visit) -> int:
        """Where a visit stands among those of its contact."""
        story = self._ledger.story(visit.contact_id)
        visits = story.visits if story else ()
        return next((at for at, its in enumerate(visits) if its.visit_id == visit.visit_id), 0)

    def next_wait(self, now: datetime, queue: str) -> ExpectedWait | None:
        """What a caller who enters this queue now should expect; None when that is not foretold."""
        self.settle()
        return None if self.forecaster is None else self.forecaster.next_wait(now, queue)

    def recall_pools(self, pools: Iterable[Sequence[str]], now: datetime) -> None:
        """Take up the pools of an earlier run, each by the names of its queues."""
        for queues in pools:
            self.pool_inference.recall([keys_of(queues)], now)
            for queue in queues:
                self._queue_names.setdefault(queue_key(queue), queue)

    def _reconcile(self, event: QueueSnapshot) -> None:
        if not event.counters:
            return
        visits = self.ledger.visits  # settled first: what was heard before the snapshot is compared with it
        self.reconciler.compare(event, visits, lambda since: self.sources.blind(event.switch_name, since, event.as_of))

    def reject(self, source: str, reason: str, item: RejectedItem | None = None) -> None:
        """Count what was not taken; `item` is kept among the last ones."""
        if item is not None:
            self.last_rejected.append(item)
        self.events["invalid"] += 1
        key = f"{source} {reason}"
        if key not in self.rejected and len(self.rejected) >= MAX_REASONS:
            key = f"{OTHERS} {OTHERS}"
        self.rejected[key] += 1

    def load_coverage(self, records: Iterable[CoverageRecord]) -> None:
        """Take up how the open minutes of days before the edge were observed, as it was saved."""
        for record in records:
            self._stored_coverage[queue_key(record.queue), record.day] = record.coverage
            self._queue_names.setdefault(queue_key(record.queue), record.queue)
        self._coverage_cache.clear()

    def evict_old(self, now: datetime) -> list[ContactHistory]:
        """Let go of calls older than two days; returns them. Their figures stay."""
        gone = self.evict(now - KEEP)
        self._windows.evict(now - KEEP)
        return gone

    def _note_queue(self, event: Event) -> Event:
        """Note that a switch has named a queue; returns the event to take.

        An event of one queue too many is taken as one of a queue that stands for all such: a mad switch, or a sender
        that puts something else where a queue's name belongs, must not drown the real ones. Counted, and journaled as
        it was.
        """
        queue = getattr(event, "queue", "")
        mention = (type(event), queue, event.switch_name)
        if not queue or mention in self._mentions:
            return event
        key = queue_key(queue)
        named = Named.ENTERED if type(event) is CallEntered else Named.SAID
        has_place, gives_up = self._places.find(key, event.source.rpartition(":")[2], named)
        if gives_up is not None:
            self._lose_place(gives_up)
        if has_place:
            self._leaving.discard(key)
        else:
            self.reject(event.source, "too_many_queues")
            event, queue, key = structs.replace(event, queue=OTHERS), OTHERS, queue_key(OTHERS)
        self._queue_names.setdefault(key, self._windows.name_of(queue))
        self._queue_switches.setdefault(key, {})[event.switch_name] = None
        if type(event) in _OF_CALLS:
            self.counted.told_of_caller(queue)
        if len(self._mentions) < MAX_MENTIONS and self._places.is_settled(key):
            self._mentions.add((type(event), queue, event.switch_name))
        return event

    def list_queue(self, queue: str) -> None:
        """A switch that we watch ourselves has this queue in its own list: its name is not made up."""
        self._places.list_queue(queue_key(queue))

    def _lose_place(self, key: str) -> None:
        """A queue has given up its place: what comes for it counts under `others` from now on. Those who are in it are
        shown for the rest of the day.
        """
        self._leaving.add(key)
        self._mentions = {mention for mention in self._mentions if queue_key(mention[1]) != key}

    def _note_departure(self, contact_id: str, story: ContactHistory | None) -> None:
        self._departed.pop(contact_id, None)
        if story is not None and story.contact.outcome in MAY_STILL_BE_ANSWERED:
            self._departed[contact_id] = None

    def _note_service(self, visits: Iterable[Visit]) -> None:
        for visit in visits:
            if visit.agent_id and visit.outcome is Outcome.ANSWERED and visit.ended_wait_at is not None:
                self.pool_inference.answered(visit.agent_id, visit.queue, visit.ended_wait_at)
                self.agents.serve(visit.agent_id, visit.queue, visit.switch, visit.ended_wait_at, visit.completed_at)

    # ---- what comes out

    def queues(self) -> list[str]:
        """Every queue that was named by an event or is in the figures that were loaded."""
        known = {queue_key(queue): queue for queue in self.windows.queues() if queue} | self._queue_names
        return sorted(known.values(), key=queue_key)

    def scopes(self) -> list[Pool]:
        """What is forecast by itself: the pools, and the queues that share their agents with no other."""
        return self.pools([queue for queue in self.queues() if queue not in self.counted_only()])

    def pools(self, queues: list[str]) -> list[Pool]:
        """Queues grouped by the people they share: by the members that are told, else by who has answered what."""
        found = self.agents.pools(queues) if self.agents.members_told else self.pool_inference.pools(queues)
        return [pool_of(pool) for pool in found]

    def counted_only(self) -> set[str]:
        """Queues of which the switch only says how many wait."""
        return {queue for queue in self.queues() if self.counted.of((queue,))}

    def fresh(self, now: datetime) -> list[Forecast]:
        """The forecasts that are not too old to be shown."""
        return [seen for seen in self.forecasts if timedelta() <= now - seen.at <= FORECAST_HOLDS]

    def snapshot(self, now: datetime, rate: float = 1.0, journal: JournalNow | None = None) -> Snapshot:
        """Everything that any face shows, at `now`."""
        return finished(self.snapshot_in_pieces(now, rate, journal))

    def snapshot_in_pieces(
        self, now: datetime, rate: float = 1.0, journal: JournalNow | None = None
    ) -> Generator[None, None, Snapshot]:
        """The same, with a pause after each piece of work, so that nobody waits for all of it. No event may be applied
        until it is done.
        """
        queues = self.queues()
        talking = self.ledger.talking()
        view = SnapshotBuilder(self, now, self.ledger.waiting(), talking, self.ledger.ringing(), memory=self._memory)
        yield
        disagreements = self._hours_disagreements(now)
        calendar = self.rules.calendar
        pools = [pool for pool in self.pools(queues) if len(pool.queues) > 1]
        yield
        of_queues = []
        for number, queue in enumerate(queues, start=1):
            of_queues.append(view.queue(queue, (queue,), queue))
            if number % PIECE == 0:
                yield
        of_pools = []
        for pool in pools:
            of_pools.append((yield from view.queue_in_pieces(pool.name, pool.queues, pool.queues)))
            yield
        total = yield from view.queue_in_pieces("", tuple(queues), None)
        yield
        today = yield from view.today_in_pieces()
        yield
        walls = []
        for name, shown in self.rules.walls.items():
            face = yield from view.queue_in_pieces(name, shown, shown)
            bars = yield from view.today_in_pieces(shown)
            walls.append(WallNow(name=name, total=face, today=tuple(bars)))
            yield
        agents = self.agents.now(visit.agent_id for visit in talking if visit.agent_id)
        yield
        totals, totals_waits = self.windows.totals(), self.windows.wait_buckets()
        yield
        return Snapshot(
            at=now,
            rate=rate,
            version=self.rules.version,
            target=self.rules.target,
            organisation=self.rules.organisation,
            time_zone=calendar.zone.key,
            hours=self._hours(now),
            total=total,
            queues=tuple(of_queues),
            pools=tuple(of_pools),
            agents=agents,
            sources=self.sources.now(),
            today=tuple(today),
            events=dict(self.events),
            rejected=dict(self.rejected),
            totals=totals,
            totals_waits=totals_waits,
            ring_results={queue: dict(counter) for queue, counter in self.ring_results.items()},
            journal=journal or JournalNow(),
            reconciliation=self.reconciler.differences(),
            hours_disagreements=disagreements,
            totals_talks=self.windows.talks(),
            walls=tuple(walls),
        )

    def alert_snapshot(self, now: datetime) -> Snapshot:
        """The same snapshot with only what decides something, for whoever asks it many times of the past: figure for
        figure equal, what only the faces show left empty. Queues of a pool are in their pool alone.
        """
        queues = self.queues()
        view = SnapshotBuilder(self, now, self.ledger.waiting(), self.ledger.talking(), set(), briefly=True)
        pools = [pool for pool in self.pools(queues) if len(pool.queues) > 1]
        alone = set(queues).difference(*(pool.queues for pool in pools))
        return Snapshot(
            at=now,
            rate=1.0,
            version=self.rules.version,
            target=self.rules.target,
            organisation=self.rules.organisation,
            time_zone=self.rules.calendar.zone.key,
            hours=self._hours(now),
            total=view.queue("", tuple(queues), None),
            queues=tuple(view.queue(queue, (queue,), queue) for queue in queues if queue in alone),
            pools=tuple(view.queue(pool.name, pool.queues, pool.queues) for pool in pools),
            agents=(),
            sources=self.sources.now(),
            today=(),
            events={},
            rejected={},
            totals={},
            totals_waits={},
            ring_results={},
            journal=JournalNow(),
        )

    def intervals(
        self,
        now: datetime,
        start: datetime,
        end: datetime,
        step: str,
        level: Level,
        queue: str | tuple[str, ...] | None,
    ) -> list[Period]:
        """Figures between two moments, cut by `step` in local time; of a queue, of several, or None for all.

        Raises `ValueError` with words for a person.
        """
        bounds, scope = self.bounds(start, end, step), self.known_scope(queue)
        view = SnapshotBuilder(self, now, self.ledger.waiting(), [], set())
        return [view.period(step, level, scope, low, high) for low, high in bounds]

    def bounds(self, start: datetime, end: datetime, step: str) -> list[tuple[datetime, datetime]]:
        """The intervals by `step` that touch a stretch. Raises `ValueError` with words for a person."""
        if step not in STEPS:
            raise ValueError(f"step: {step!r} is not one of {', '.join(STEPS)}")
        if end <= start:
            raise ValueError("to: must lie after from")
        bounds = list(islice(cut(start, end, step, self.rules.calendar.zone), MAX_INTERVALS + 1))
        if len(bounds) > MAX_INTERVALS:
            raise ValueError(f"from, to, step: at most {MAX_INTERVALS} intervals are given at once")
        return bounds

    def known_scope(self, queue: str | tuple[str, ...] | None) -> tuple[str, ...] | None:
        """A queue, or several, as a tuple; None for all. Raises `ValueError` when one is not known."""
        scope = (queue,) if isinstance(queue, str) else queue
        for name in scope or ():
            self._check_queue(name)
        return scope

    def joined(
        self,
        now: datetime,
        step: str,
        level: Level,
        scope: tuple[str, ...] | None,
        bounds: Iterable[tuple[datetime, datetime]],
        past: Iterable[Past],
    ) -> list[Period]:
        """Figures of stretches that begin before the edge: what the store says of the days before it, what memory
        holds of those after, and who still waits wherever they entered.
        """
        view = SnapshotBuilder(self, now, self.ledger.waiting(), [], set())
        return [view.period(step, level, scope, low, high, its) for (low, high), its in zip(bounds, past, strict=True)]

    def lost_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[LostCall]:
        """Callers whom nobody answered, who entered between two moments; of those held.

        Raises `ValueError` with words for a person.
        """
        if end <= start:
            raise ValueError("to: must lie after from")
        self._check_queue(queue)
        return lost_calls(self.ledger, self.windows, self.callers, start, end, queue)

    def transfer_waits(self, start: datetime, end: datetime, queue: str | None = None) -> list[TransferWaits]:
        """Waits after a transfer, by receiving queue; of those held. Raises `ValueError`."""
        self._check_queue(queue)
        return transfer_waits(self.ledger.stories(), start, end, queue)

    def stored_calls(self, start: datetime, end: datetime, queue: str | None = None) -> list[StoredCall]:
        """The calls held that count between two moments, as history would keep them. Raises `ValueError`."""
        if end <= start:
            raise ValueError("to: must lie after from")
        self._check_queue(queue)
        found = (as_stored(story, self.windows.counted(story.contact.contact_id)) for story in self.ledger.stories())
        key = None if queue is None else queue_key(queue)
        return [call for call in found if start <= call.at < end and key in (None, queue_key(call.first_queue))]

    def disagreements(self, start: datetime, end: datetime) -> list[Disagreement]:
        """Where the switch and the calendar say different things about being open; of today, of yesterday, and of
        calls still held one by one.
        """
        self.settle()
        return self.opening_check.disagreements(start, end)

    def calendar(self, first: date, last: date, queue: str | None = None) -> list[CalendarDay]:
        """The opening hours of some days, a queue's or those of all. Raises `ValueError` with words for a person."""
        if last < first:
            raise ValueError("to: must lie after from")
        if (last - first).days >= MAX_DAYS:
            raise ValueError(f"from, to: at most {MAX_DAYS} days are given at once")
        self._check_queue(queue)
        return (self.rules.calendar if queue is None else self.calendars.of(queue)).days(first, last)

    def _check_queue(self, queue: str | None) -> None:
        if queue is not None and queue_key(queue) not in {queue_key(known) for known in self.queues()}:
            raise ValueError(f"queue: {queue!r} is not known; known are {', '.join(self.queues()) or 'none yet'}")

    def coverage_records(self, day: date, now: datetime) -> list[CoverageRecord]:
        """How the open minutes of a local day were observed up to now, for every queue that is known."""
        found = []
        for queue in self.queues():
            calendar = self.calendars.of(queue)
            start, end = day_bounds(day, calendar.zone)
            fresh = self._covered((queue,), calendar, start, min(end, now))
            noted = self._stored_coverage.get((queue_key(queue), day), fresh)
            found.append(CoverageRecord(queue=queue, day=day, coverage=max(fresh, noted, key=_observed)))
        return found

    def past_coverage(
        self, queues: tuple[str, ...], start: datetime, end: datetime, noted: Mapping[tuple[str, date], Coverage]
    ) -> Coverage:
        """The same of a past stretch: of whole days as `noted` by queue (casefolded) and day, else by the sources."""
        calendar = self.calendars.of(queues[0]) if len(queues) == 1 else self.rules.calendar
        found, at = Coverage(), start
        while at < end:
            day = calendar.day_of(at)
            midnight, tomorrow = day_bounds(day, calendar.zone)
            until = min(end, tomorrow)
            if (midnight, tomorrow) == (at, until):
                known = next((c for queue in queues if (c := noted.get((queue_key(queue), day)))), None)
                blind = Coverage(blind_minutes=int(calendar.open_minutes(midnight, tomorrow)))
                found = found.plus(known or blind)
            else:
                found = found.plus(self._covered(queues, calendar, at, until))
            at = until
        return found

    def coverage(self, queues: tuple[str, ...], start: datetime, end: datetime, now: datetime) -> Coverage:
        """Open minutes of these queues (the first one's hours hold) up to now, by how they were observed. Of days
        before the edge by what was saved; a day of which nothing was saved is blind.
        """
        calendar = self.calendars.of(queues[0]) if len(queues) == 1 else self.rules.calendar
        end = min(end, now)
        stored = Coverage()
        edge = self.windows.edge
        if edge is not None and start < edge and queues:
            stored = self._stored(queues, calendar, start, min(edge, end))
            start = edge
        if start >= end:
            return stored
        return stored.plus(self._covered(queues, calendar, start, end))

    def _stored(self, queues: tuple[str, ...], calendar: Calendar, start: datetime, end: datetime) -> Coverage:
        """The saved coverage of whole days."""
        key = (queues, id(calendar), start, end)
        if key not in self._coverage_cache:
            found = Coverage()
            day, last = calendar.day_of(start), calendar.day_of(end - timedelta(seconds=1))
            while day <= last:
                known = next(filter(None, (self._stored_coverage.get((queue_key(q), day)) for q in queues)), None)
                if known is None and calendar.span(day) is not None:
                    known = Coverage(blind_minutes=int(calendar.open_minutes(*day_bounds(day, calendar.zone))))
                found = found.plus(known or Coverage())
                day += timedelta(days=1)
            self._coverage_cache[key] = found
        return self._coverage_cache[key]

    def _covered(self, queues: tuple[str, ...], calendar: Calendar, start: datetime, end: datetime) -> Coverage:
        switches = self.switches(queues)
        if end <= start:
            return Coverage()
        key = (switches, id(calendar), start, int(end.timestamp()) // 60, self.sources.changes(switches))
        if len(self._coverage_cache) > 2000:
            self._coverage_cache.clear()
        if key not in self._coverage_cache:
            self._coverage_cache[key] = self.sources.coverage(switches, calendar, start, end)
        return self._coverage_cache[key]

    def switches(self, queues: tuple[str, ...]) -> tuple[str, ...]:
        """The switches that have told of these queues; all where none has."""
        found = {switch for queue in queues for switch in self._queue_switches.get(queue_key(queue), ())}
        return tuple(sorted(found) or self.sources.switches())

    def no_data_reason(self, queues: tuple[str, ...], now: datetime) -> StatusReason | None:
        """Why these queues cannot be vouched for now, if so: no source, one down, or none heard of in open hours."""
        switches = self.switches(queues)
        if not switches:
            return StatusReason.NO_SOURCE
        silent = {event.source for event in self._silences(now)}
        if self.sources.is_up(switches, but_for=silent):
            return None
        if self.sources.is_silent(switches, silent):
            return StatusReason.SOURCE_SILENT
        return StatusReason.SOURCE_DOWN

    def departed(self, now: datetime) -> dict[str, list[Departed]]:
        """Contacts that left a queue a moment ago and may be answered in another yet, or called back in time; by their
        first queue, those counted inside opening hours.
        """
        limit_ms = self.rules.target.limit_seconds * 1000
        only_answered = self.rules.target.definition is DefinitionId.D1
        found: dict[str, list[Departed]] = {}
        for contact_id in list(self._departed):
            story = self.ledger.story(contact_id)
            if story is None:
                del self._departed[contact_id]
                continue
            contact = story.contact
            exit_policy = self.windows.exit_policy(contact.first_queue)
            judged = self.windows.place_contact(contact, now)
            may_be_called_back = judged is not None and _may_be_called_back(contact, judged, exit_policy, now)
            if not may_be_called_back and now - (contact.settled_at or now) > MAY_RETURN:
                del self._departed[contact_id]
                continue
            if judged is None or not judged.place.inside:
                continue
            late = (contact.wait_ms or 0) > limit_ms and not may_be_called_back
            if only_answered or contact.outcome in exit_policy.excluded:
                counts_as = "outside_late" if late else "outside"
            elif late:
                continue
            else:
                counts_as = "counted"
            its = found.setdefault(queue_key(judged.place.queue), [])
            its.append(Departed(judged.place.minute, counts_as))
        return found

    def _hours_disagreements(self, now: datetime) -> tuple[Disagreement, ...]:
        """Of today, looked for every five minutes: that is often enough for a wrong setting, and costs every call."""
        looked = int(now.timestamp()) // 300
        if looked != self._disagreements[0]:
            today = self.rules.calendar.day_of(now)
            self._disagreements = looked, tuple(self.disagreements(*day_bounds(today, self.rules.calendar.zone)))
        return self._disagreements[1]

    def _hours(self, now: datetime) -> Hours:
        calendar = self.rules.calendar
        return Hours(
            open=calendar.is_open(now),
            opens_at=calendar.next_opening(now),
            closes_at=calendar.closing(now),
            note=calendar.note(calendar.day_of(now)),
        )


def _may_be_called_back(contact: Contact, judged: PlacedCall, exit_policy: ExitPolicy, now: datetime) -> bool:
    """Whether one who left may yet be called back soon enough to count as in time."""
    if contact.outcome not in exit_policy.judged or contact.called_back_ms is not None or contact.entered_at is None:
        return False
    return milliseconds(now - contact.entered_at) - before_opening_ms(contact, judged) <= exit_policy.within_ms


_TAKES: Final[dict[type[Event], Callable[[Live, Any], None]]] = {
    AgentState: Live._take_agent,
    AgentMember: Live._take_agent,
    QueueSnapshot: Live._take_snapshot,
    CallEntered: Live._take_entry,
    CallRingEnded: Live._take_ring_end,
}


def _is_same_wait(before: ContactHistory, after: ContactHistory) -> bool:
    """Whether a contact of one visit came in, waited and got out as it did before: only its talk may differ."""
    (visit, *others), contact = after.visits, after.contact
    if others or contact.entered_at is None or contact != before.contact:
        return False
    return visit.entry_reason is before.visits[0].entry_reason


def _visits(story: ContactHistory | None) -> tuple[Visit, ...]:
    return () if story is None else story.visits


def _keys(contact_id: str, evidence: Iterable[Evidence]) -> Iterable[str]:
    """By what a later word finds a call: the contact, its legs and its visits, each with its switch."""
    for part in evidence:
        for known in (contact_id, part.leg_id, *part.also, *part.strands):
            yield f"{part.switch} {known}"


def _observed(coverage: Coverage) -> int:
    return coverage.seen_minutes + coverage.recovered_minutes
