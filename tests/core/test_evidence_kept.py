"""Calls let go of and loaded again: the same stories, records and counts as if memory had held them all along."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from queue_monitor.core import documents
from queue_monitor.core.contacts import _contact
from queue_monitor.core.ledger import _Switch
from queue_monitor.core.live import Live
from queue_monitor.core.matching import parted
from queue_monitor.core.reconcile import COUNTERS
from queue_monitor.core.stays import _read, read_plain, read_stays
from queue_monitor.events import CallCompleted, CallEntered, Caller, CallLeft, Event, LeftOutcome
from queue_monitor.model import CallRecord, Counts, Level, Outcome
from tests.core.test_properties import days, nonsense, stories_of
from tests.examples import examples
from tests.scenario import TEN, Scenario


class Shelf:
    """A store of records, as small as can be: it keeps what it is given and finds it by its keys.

    `strict`: memory must know of every record whether it is here; a real store asks for those that it does not.
    """

    def __init__(self, live: Live, *, strict: bool = True) -> None:
        self.rows: dict[str, CallRecord] = {}
        self._strict = strict
        self._live = live
        live.note_changes(True)

    def save(self) -> list[CallRecord]:
        records, _ = self._live.take_records()
        for record in records:
            assert not self._strict or record.is_known == (record.contact_id in self.rows)
            self.rows.pop(record.contact_id, None)
            if record.contact is not None:
                self.rows[record.contact_id] = record
        self._live.mark_known(record.contact_id for record in records if record.contact is not None)
        return records

    def load(self, keys: Iterable[str]) -> None:
        wanted = set(keys)
        while wanted:
            self._live.load_calls(row.evidence for row in self.rows.values() if wanted.intersection(row.keys))
            wanted = self._live.missing_calls()

    def load_all(self) -> None:
        self.load(key for row in self.rows.values() for key in row.keys)


def keys_of(event: Event) -> set[str]:
    """By what a store is asked before an event is applied."""
    fields = ("visit_id", "leg_id", "contact_id")
    return {f"{event.switch_name} {known}" for field in fields if (known := getattr(event, field, ""))}


def once(events: list[Event]) -> list[Event]:
    """Without those whose id has come before: beyond what memory holds, the store tells them."""
    found: dict[str, Event] = {}
    for event in events:
        found.setdefault(event.id, event)
    return list(found.values())


def counts_of(live: Live) -> list[Counts]:
    start, end = TEN - timedelta(days=2), TEN + timedelta(days=2)
    return [live.windows.counts(level, None, start, end, inside) for level in Level for inside in (True, False)]


def figures_of(live: Live) -> tuple[object, ...]:
    return (
        counts_of(live),
        live.windows.totals(),
        {
            queue: waits
            for queue, waits in live.windows.wait_buckets().items()
            if waits.answered[-1] + waits.abandoned[-1]
        },
        live.windows.talks(),
    )


def records_of(live: Live) -> dict[str, CallRecord]:
    """Every contact as `take_records` would give it now."""
    live.note_changes(True)
    live.take_records()
    live.record_all()
    return {record.contact_id: record for record in live.take_records()[0]}


def all_evicted(live: Live, shelf: Shelf) -> None:
    shelf.save()
    live.evict(datetime(2027, 1, 1, tzinfo=TEN.tzinfo))


@examples(60, deadline=None)
@given(days(), st.data())
def test_a_stream_cut_anywhere_with_its_calls_let_go_and_loaded_gives_what_an_uncut_one_gives(
    story: Scenario, data: st.DataObject
):
    live = Live(story.rules)
    shelf = Shelf(live)
    cuts = data.draw(st.sets(st.integers(0, len(story.events)), max_size=4))
    for at, event in enumerate(story.events):
        if at in cuts:
            all_evicted(live, shelf)
        shelf.load(keys_of(event))
        live.apply(event)
    shelf.save()
    shelf.load_all()
    shelf.save()

    assert stories_of(live) == stories_of(story.live)
    assert figures_of(live) == figures_of(story.live)
    was = records_of(story.live)
    for contact_id, record in records_of(live).items():
        assert (record.placed, record.visits_placed) == (was[contact_id].placed, was[contact_id].visits_placed)
        assert (set(record.keys), record.last_at) == (set(was[contact_id].keys), was[contact_id].last_at)


@examples(100, deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_of_nonsense_too_what_was_let_go_of_and_loaded_is_what_was_held(chance: Random, data: st.DataObject):
    story = nonsense(chance)
    live = Live(story.rules)
    shelf = Shelf(live)
    cuts = data.draw(st.sets(st.integers(0, len(story.events)), max_size=3))
    for at, event in enumerate(once(story.events)):
        if at in cuts:
            all_evicted(live, shelf)
            shelf.load_all()
        live.apply(event)
    shelf.save()

    assert stories_of(live) == stories_of(story.live)
    assert figures_of(live) == figures_of(story.live)


def numbered_anew(chance: Random) -> Scenario:
    """A switch that begins to number its calls and stays at 1 each day; some callers go on to the other queue."""
    story, one_id = Scenario(), chance.random() < 0.5
    for day in range(chance.randrange(1, 4)):
        for number in range(chance.randrange(1, 4)):
            at, queues = 86_400.0 * day + chance.randrange(3600), ["kundcenter", "bygglov"]
            chance.shuffle(queues)
            for step, queue in enumerate(queues[: chance.randrange(1, 3)]):
                visit = f"v{number}" if one_id else f"v{number}.{step}"
                story.entered(at, f"c{number}", queue, visit, leg_id=chance.choice(("", f"luleå:c{number}")))
                at += chance.choice((1.5, 20, 300, 700))
                if chance.random() < 0.5:
                    story.answered(at, "", queue, visit).completed(at + 60, "", queue, visit)
                    at += 60
                else:
                    story.left(at, "", chance.choice(("timeout", "exit_key", "abandoned")), queue, visit)
                at += 0.5
    return story


@examples(60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_calls_under_ids_used_again_are_the_same_in_any_order_whatever_memory_let_go_of(chance: Random):
    story = numbered_anew(chance)
    live = Live(story.rules)
    shelf = Shelf(live, strict=False)
    for event in chance.sample(story.events, len(story.events)):
        if chance.random() < 0.3:
            all_evicted(live, shelf)
        shelf.load(keys_of(event))
        live.apply(event)
    shelf.save()
    shelf.load_all()
    shelf.save()

    assert stories_of(live) == stories_of(story.live)
    assert figures_of(live) == figures_of(story.live)


@examples(60, deadline=None)
@given(days(), st.data())
def test_calls_heard_of_anew_beside_the_store_are_put_together_and_counted_once(story: Scenario, data: st.DataObject):
    """Nobody asked the store before the event was taken: the store says so, and memory loads the call then."""
    live = Live(story.rules)
    shelf = Shelf(live)
    cut = data.draw(st.integers(0, len(story.events)))
    for event in story.events[:cut]:
        live.apply(event)
    all_evicted(live, shelf)
    for at, event in enumerate(story.events[max(0, cut - 2) :], start=max(0, cut - 2)):
        live.apply(event)
        if at < cut:
            live.amend_repeat(event)
    shelf.load_all()
    live.settle()

    assert stories_of(live) == stories_of(story.live)
    assert figures_of(live) == figures_of(story.live)


@examples(300, deadline=None)
@given(st.one_of(days(), st.randoms(use_true_random=False).map(nonsense)), st.integers(0, 2**32))
def test_the_short_way_to_read_a_stay_says_what_the_long_one_says(story: Scenario, seed: int):
    events = list(story.events)
    Random(seed).shuffle(events)
    ledger = Live(story.rules).ledger
    for event in events:
        ledger.apply(event)
        for evidence in ledger._evidence.values():
            switch = ledger._switches.get(evidence.switch, _Switch())
            for report in evidence.reports.values():
                for part in parted(report, evidence) if report.first_at else ():
                    plain = read_plain(evidence, part, switch.restarts)
                    if plain is not None:
                        assert plain == _read(evidence, [part], switch.restarts, switch.reconnects)


@examples(100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_every_stay_is_worked_out_by_all_restarts_and_connections_that_are_known(chance: Random):
    story = nonsense(chance)
    for _ in range(chance.randrange(6)):
        at = chance.choice((-100, 0, 30, 61, 121, 300, 400)) + chance.randrange(3)
        started = chance.choice((None, at - 1, at - 61, at - 200))
        story.connected(
            at, live=chance.random() < 0.8, switch_started_at=None if started is None else story.at(started)
        )
        story.restarted(at + chance.randrange(3))
    ledger = Live(story.rules).ledger
    for event in chance.sample(story.events, len(story.events)):
        ledger.apply(event)
        ledger._settle()
        for evidence in ledger._evidence.values():
            switch = ledger._switches.get(evidence.switch, _Switch())
            assert evidence.stays == read_stays(evidence, switch.restarts, switch.reconnects)


def test_a_source_that_is_told_late_to_have_listened_anew_leaves_the_end_of_a_talk_unknown():
    """The restart ended the talk as far as was known; but it may have ended while nobody listened."""
    story = Scenario().entered(0, "bo").answered(5, "bo").restarted(60)
    ended_at = story.visit("bo").completed_at

    story.connected(30)

    assert (ended_at, story.visit("bo").completed_at) == (story.at(60), None)


def test_a_restart_of_which_nothing_new_follows_works_no_call_out_again(monkeypatch: pytest.MonkeyPatch):
    """A switch of which many callers were waiting began anew; then it tells so again and again, and connects."""
    story = Scenario().connected(-60)
    for number in range(200):
        story.entered(number / 10, f"c{number}")
    story.restarted(30)
    story.live.settle()
    read = Mock(wraps=read_stays)
    monkeypatch.setattr("queue_monitor.core.ledger.read_stays", read)

    for at in (40, 50, 60, 70):
        story.connected(at).restarted(at + 1).restarted(30)
        story.live.settle()
    story.restarted(15)
    story.live.settle()

    assert read.call_count == 200  # some of them were lost then
    assert [visit.outcome for visit in story.live.ledger.visits()] == [Outcome.LOST] * 200


@examples(100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_document_read_and_written_is_the_same_bytes(chance: Random):
    live = nonsense(chance).live
    for story in live.ledger.histories():
        contact_id = story.contact.contact_id
        document = documents.write(contact_id, live.ledger.evidence_of(contact_id), None)
        again = documents.read(document)

        assert again.contact_id == contact_id
        assert documents.write(contact_id, again.evidence, None) == document


def test_an_ordinary_call_is_written_down_in_some_two_hundred_bytes():
    story = Scenario().entered(0, "1795101234.5678", visit="luleå:1795101234.5678@1795101234.123456")
    story.answered(65.5, "", visit="luleå:1795101234.5678@1795101234.123456")
    story.completed(125.5, "", visit="luleå:1795101234.5678@1795101234.123456")
    story.live.note_changes(True)
    story.live.apply(story.events[0])
    (contact,) = story.live.ledger.contacts()

    assert len(documents.write(contact.contact_id, story.live.ledger.evidence_of(contact.contact_id))) <= 250


def test_bytes_that_are_no_document_say_so():
    for body in (b"", b"\x01", b"\x96\x02\x00\x90\x00\xc0\x90", b"\x96\x01\x00\x90\x05\xc0\x90", b"nonsense"):
        with pytest.raises(documents.UnreadableDocument):
            documents.read(body)


def test_who_waits_is_never_let_go_of_and_a_talk_without_an_end_only_after_half_a_day():
    story = Scenario().entered(0, "anna").entered(1, "bo").answered(5, "bo").entered(2, "cia").left(9, "cia")
    story.live.note_changes(False)

    gone = [one.contact.contact_id for one in story.live.evict(story.at(3600))]
    later = [one.contact.contact_id for one in story.live.evict(story.at(12 * 3600 + 6))]

    assert gone == ["luleå:cia"]
    assert later == ["luleå:bo"]
    assert story.visit("anna").outcome is Outcome.WAITING


def test_what_the_store_has_not_got_yet_is_not_let_go_of():
    story = Scenario()
    shelf = Shelf(story.live)
    story.entered(0, "anna").left(9, "anna")

    assert story.live.evict(story.at(3600)) == []
    shelf.save()
    assert len(story.live.evict(story.at(3600))) == 1
    assert story.live.held_from == story.at(3600)


def test_a_late_word_amends_the_call_that_was_let_go_of():
    story = Scenario()
    shelf = Shelf(story.live)
    story.entered(0, "anna").left(9, "anna", "unknown")
    all_evicted(story.live, shelf)
    assert not story.live.holds_visit("luleå", "luleå:anna@kundcenter")

    shelf.load(["luleå luleå:anna@kundcenter"])
    assert story.live.holds_visit("luleå", "luleå:anna@kundcenter")
    story.left(30, "anna", "abandoned")

    assert story.visit("anna").outcome is Outcome.ABANDONED
    assert story.counts(60).abandoned == 1
    assert story.counts(60).entered == 1
    assert [(record.is_known, record.contact_id) for record in shelf.save()] == [(True, "luleå:anna")]


def test_a_restart_heard_of_while_a_call_was_away_holds_for_it_when_it_comes_back():
    story = Scenario().entered(0, "bo").answered(5, "bo")
    shelf = Shelf(story.live)
    story.answered(6, "bo", agent_id="luleå:agent 1")
    all_evicted(story.live, shelf)
    story.restarted(60)
    shelf.load_all()

    assert story.visit("bo").completed_at == story.at(60)


def test_an_event_that_the_journal_has_otherwise_is_taken_back():
    story = Scenario()
    shelf = Shelf(story.live)
    story.entered(0, "anna")
    shelf.save()
    story.left(30, "anna", "abandoned")
    wrong = story.events[-1]
    assert story.counts(60).abandoned == 1

    story.live.amend_conflict(wrong)
    heard = story.live.drop_calls(["luleå:anna"])
    shelf.load(["luleå luleå:anna"])
    for event in heard:
        story.live.apply(event)

    assert story.visit("anna").outcome is Outcome.WAITING
    assert story.counts(60).abandoned == 0
    assert story.counts(60).entered == 1
    assert (story.live.events["applied"], story.live.events["conflict"]) == (1, 1)


def test_a_call_that_only_the_wrong_event_told_of_is_gone_from_every_figure():
    story = Scenario()
    shelf = Shelf(story.live)
    story.left(30, "anna", "abandoned", queue="kundcenter", visit="v", leg_id="l", contact_id="c")
    assert story.counts(60, level=Level.VISIT).entered == 1

    story.live.amend_conflict(story.events[-1])
    story.live.drop_calls(["c"])
    records = shelf.save()

    assert [(record.contact_id, record.contact) for record in records] == [("c", None)]
    assert story.counts(60, level=Level.VISIT).entered == 0


def test_evidence_of_two_contacts_names_the_other_when_one_is_loaded():
    """One leg enters one queue twice, and the switch says that these were two calls."""
    story = Scenario()
    shelf = Shelf(story.live)
    story.entered(0, "anna", visit="v1", contact_id="c1").left(5, "", visit="v1")
    story.entered(60, "anna", visit="v2", contact_id="c2").left(90, "", visit="v2")
    all_evicted(story.live, shelf)

    story.live.load_calls([shelf.rows["c1"].evidence])

    assert story.live.missing_calls() == {"luleå c2"}


def test_a_lost_caller_let_go_of_is_loaded_when_the_same_person_is_answered():
    story = Scenario()
    shelf = Shelf(story.live)
    story.entered(0, "1", caller=Caller(pseudonym="a")).left(50, "1")
    shelf.save()
    story.live.evict(story.at(600))
    assert shelf.rows["luleå:1"].reached_later is False

    story.entered(700, "2", caller=Caller(pseudonym="a")).answered(710, "2")
    shelf.load(story.live.missing_calls())
    shelf.save()

    assert shelf.rows["luleå:1"].reached_later is True


def test_a_contact_that_turns_out_to_be_another_is_said_to_be_no_more():
    story = Scenario()
    shelf = Shelf(story.live)
    story._tell(CallLeft, 30, "v", visit_id="luleå:v", outcome=LeftOutcome.ABANDONED)
    assert [record.contact_id for record in shelf.save()] == ["luleå:v"]

    story._tell(CallEntered, 0, "v", visit_id="luleå:v", contact_id="luleå:c", leg_id="luleå:l", queue="kundcenter")

    assert {(record.contact_id, record.contact is None) for record in shelf.save()} == {
        ("luleå:v", True),
        ("luleå:c", False),
    }


def test_records_are_told_once_and_only_of_what_changed():
    story = Scenario()
    shelf = Shelf(story.live)
    story.entered(0, "anna").entered(1, "bo").refused(2, "cia")
    first, refusals = story.live.take_records()
    story.left(9, "anna")
    story.live.mark_known(record.contact_id for record in first)
    second = shelf._live.take_records()

    assert [record.contact_id for record in first] == ["luleå:anna", "luleå:bo"]
    assert [refusal.placed.field for refusal in refusals] == ["refused_full"]
    assert ([record.contact_id for record in second[0]], second[1]) == (["luleå:anna"], [])
    assert [record.is_open for record in (*first, *second[0])] == [True, True, False]


def test_a_talk_keeps_a_call_open_until_its_end_is_told():
    story = Scenario()
    story.live.note_changes(True)
    story.entered(0, "anna").answered(5, "anna")
    (talks,), _ = story.live.take_records()
    story._tell(CallCompleted, 60, "anna", visit_id="luleå:anna@kundcenter")
    (over,), _ = story.live.take_records()

    assert (talks.is_open, over.is_open) == (True, False)
    assert over.rules == story.rules.judged_by_version
    assert '"limit_seconds": 300' in story.rules.judged_by


def test_a_refused_caller_that_the_journal_had_already_is_counted_once():
    story = Scenario().refused(0, "anna")
    story.live.evict(story.at(3600))
    story.live.apply(story.events[0])
    assert story.counts(60).refused == 2

    story.live.amend_repeat(story.events[0])

    assert story.counts(60).refused == 1
    assert (story.live.events["applied"], story.live.events["duplicate"]) == (1, 1)


@examples(100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_contact_of_one_visit_counts_where_the_rule_for_contacts_puts_it(chance: Random):
    live = nonsense(chance).live
    for story in live.ledger.histories():
        tally = live.windows.counted(story.contact.contact_id)
        if story.contact.outcome is not Outcome.WAITING:
            assert tally.placed == live.windows._placed_contact(story.contact)
            assert story.contact == _contact(story.contact.contact_id, story.visits)


@examples(60, deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_the_ends_kept_for_the_switch_s_counters_are_those_of_the_calls(chance: Random, data: st.DataObject):
    story = nonsense(chance)
    live = Live(story.rules)
    begins = Scenario().snapshot(-200, counters={"Completed": "0", "Abandoned": "0"}, complete=False).events
    for event in begins + story.events:
        live.apply(event)
        live.reconciler.add_up(story.at(data.draw(st.sampled_from((-200, 0, 300)))))
        for (switch, queue, raw), ends in live.reconciler._ends.items():
            its = [v for v in live.ledger.visits() if (v.switch, v.queue.casefold()) == (switch, queue)]
            ended = [at for visit in its if (at := COUNTERS[raw].end_of(visit)) and at > story.at(-200)]
            assert ends.until(story.at(10_000)) == len(ended)


def test_a_call_whose_stays_memory_knows_as_another_contacts_is_that_contacts_alone() -> None:
    """A log says late, and more exactly, whose call it was; the store still has it under the other id."""
    kept = Scenario().entered(0, "anna", visit="v", leg_id="luleå:leg", time_precision_ms=1000)
    written = documents.write("luleå:anna", kept.live.ledger.evidence_of("luleå:anna"))
    story = Scenario().entered(0, "bo", visit="v", leg_id="luleå:leg", time_precision_ms=1).left(9, "bo", visit="v")
    live = Live(story.rules)
    live.note_changes(True)
    for event in story.events:
        live.apply(event)
    live.load_calls([written])
    records, _ = live.take_records()

    assert [contact.contact_id for contact in live.ledger.contacts()] == ["luleå:bo"]
    assert {record.contact_id: record.contact is None for record in records} == {"luleå:anna": True, "luleå:bo": False}
    assert live.windows.totals() == story.live.windows.totals()
    live.mark_known(["luleå:bo"])
    assert [gone.contact.contact_id for gone in live.evict(datetime(2027, 1, 1, tzinfo=TEN.tzinfo))] == ["luleå:bo"]


@examples(100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_of_ids_mixed_up_too_calls_can_be_let_go_of_and_loaded_at_any_moment(chance: Random):
    story = nonsense(chance)
    live = Live(story.rules)
    shelf = Shelf(live, strict=False)
    for event in story.events:
        for name, ids in (("contact_id", ("luleå:x", "luleå:y", "luleå:z")), ("leg_id", ("luleå:l1", "luleå:l2"))):
            if hasattr(event, name) and chance.random() < 0.5:
                event = structs.replace(event, **{name: chance.choice(ids)})
        if chance.random() < 0.2:
            shelf.save()
            live.evict(event.at + timedelta(seconds=chance.choice((-100, 0, 100))))
        if chance.random() < 0.2:
            shelf.load(keys_of(event))
        live.apply(event)

    for contact in live.ledger.contacts():
        assert live.ledger.evidence_of(contact.contact_id), contact
    shelf.save()
    live.evict(datetime(2027, 1, 1, tzinfo=TEN.tzinfo))
