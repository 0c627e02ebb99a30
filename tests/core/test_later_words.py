"""A later word wins where it knows better: answers taken back, ids used again, waits that overlap."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from queue_monitor.core import documents
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.ledger import Ledger
from queue_monitor.events import (
    CallAnswered,
    CallMoved,
    CallRingEnded,
    CallTransferred,
    EndedBy,
    EntryReason,
    QueueSnapshot,
    RingResult,
    TimeBasis,
    TransferKind,
    WaitingCaller,
)
from queue_monitor.model import Contact, Outcome, Visit
from tests.scenario import SOURCE, Scenario

DAY = 24 * 3600


def visit(story: Scenario) -> Visit:
    (only,) = story.live.ledger.visits()
    return only


def contact(story: Scenario) -> Contact:
    (only,) = story.live.ledger.contacts()
    return only


def stories(story: Scenario, order: tuple[int, ...], *, asked: bool = False) -> list[ContactHistory]:
    """Return the calls of these events in this order, each told twice; with `asked`, somebody asks after each."""
    ledger = Ledger()
    for at in order:
        ledger.apply(story.events[at])
        ledger.apply(story.events[at])
        if asked:
            ledger.take_changes()
    return sorted(ledger.histories(), key=lambda told: told.contact.contact_id)


def whatever_the_order(story: Scenario) -> None:
    orders = permutations(range(len(story.events)))
    first = stories(story, next(orders))
    for order in orders:
        assert stories(story, order) == stories(story, order, asked=True) == first


def ring_failed(story: Scenario, seconds: float, ring: str, agent: str | None = None) -> Scenario:
    its: dict[str, Any] = {"ring_id": ring, "result": RingResult.FAILED, "agent_id": agent}
    return story._tell(CallRingEnded, seconds, ring, visit_id="luleå:a@kundcenter", **its)


# ---- an answer that is taken back


def test_an_answer_falls_when_its_ring_failed_after_all() -> None:
    story = ring_failed(Scenario().entered(0, "a").answered(4, "a", ring_id="luleå:r1"), 7, "luleå:r1")

    assert visit(story).outcome is Outcome.WAITING
    assert [seen.visit_id for _, seen in story.live.ledger.waiting()] == ["luleå:a@kundcenter"]

    story.answered(400, "a", ring_id="luleå:r2", agent_id="luleå:agent 2")

    assert (visit(story).outcome, visit(story).wait_ms, visit(story).agent_id) == (
        Outcome.ANSWERED,
        400_000,
        "luleå:agent 2",
    )
    whatever_the_order(story)


@pytest.mark.parametrize(("agent", "outcome"), [("luleå:agent 1", "waiting"), ("luleå:agent 2", "answered")])
def test_an_answer_falls_when_a_failed_ring_of_its_agent_is_named_otherwise(agent: str, outcome: str) -> None:
    story = ring_failed(Scenario().entered(0, "a").answered(4, "a", ring_id="luleå:r1"), 7, "luleå:r1~", agent)

    assert visit(story).outcome is Outcome(outcome)
    assert visit(story).rings == 1 + (outcome == "answered")


@pytest.mark.parametrize("days", [1, 2])
def test_a_ring_of_a_later_call_that_has_an_answered_rings_id_takes_nothing_back(days: int) -> None:
    story = Scenario().entered(0, "a").answered(10, "a", ring_id="luleå:r1").completed(60, "a")
    later = days * 24 * 3600
    story = ring_failed(story.entered(later, "a"), later + 20, "luleå:r1").left(later + 400, "a")

    assert [(one.outcome, one.wait_ms) for one in story.live.ledger.visits()] == [
        (Outcome.ANSWERED, 10_000),
        (Outcome.ABANDONED, 400_000),
    ]


@pytest.mark.parametrize("outcome", ["abandoned", "timeout", "exit_key", "no_agents"])
def test_an_answer_falls_when_the_caller_had_already_left(outcome: str) -> None:
    story = Scenario().entered(0, "a").left(4, "a", outcome).answered(4.3, "a").completed(4.4, "a")

    assert (visit(story).outcome, visit(story).wait_ms) == (Outcome(outcome), 4_000)
    assert (visit(story).agent_id, visit(story).completed_at, visit(story).talk_ms) == (None, None, None)
    whatever_the_order(story)


def test_a_promise_to_call_back_takes_no_answer_back() -> None:
    story = Scenario().entered(0, "a").left(4, "a", "callback").answered(400, "a")

    assert visit(story).outcome is Outcome.ANSWERED


def test_who_left_in_the_same_second_of_a_coarse_clock_may_have_been_answered_first() -> None:
    story = Scenario().entered(0, "a").left(4, "a", time_precision_ms=1000).answered(4.3, "a")

    assert visit(story).outcome is Outcome.ANSWERED


def test_an_answer_that_may_be_taken_back_is_written_down_as_such() -> None:
    story = Scenario().entered(0, "a").answered(4, "a", ring_id="luleå:r1")
    ledger = Ledger()
    ledger.load([documents.read(documents.write("luleå:a", story.live.ledger.evidence_of("luleå:a")))])

    assert [told.outcome for told in ledger.visits()] == [Outcome.ANSWERED]
    ledger.apply(ring_failed(story, 7, "luleå:r1").events[-1])
    assert [told.outcome for told in ledger.visits()] == [Outcome.WAITING]


# ---- one word for every hang-up


def test_who_leaves_after_the_answer_ends_the_talk() -> None:
    story = Scenario().entered(0, "a").answered(10, "a").left(60, "a")

    assert (visit(story).outcome, visit(story).wait_ms, visit(story).talk_ms) == (Outcome.ANSWERED, 10_000, 50_000)
    assert story.live.ledger.talking() == []
    whatever_the_order(story)


def test_who_leaves_in_the_moment_of_the_answer_talks_to_nobody_for_ever() -> None:
    story = Scenario().entered(0, "a").answered(10, "a").left(10, "a")

    assert (visit(story).outcome, visit(story).wait_ms, visit(story).talk_ms) == (Outcome.ANSWERED, 10_000, 0)
    assert story.live.ledger.talking() == []
    whatever_the_order(story)


def test_who_leaves_after_the_answer_for_another_place_was_sent_on() -> None:
    story = Scenario().entered(0, "a").answered(10, "a").left(60, "a", "transferred_out")

    assert (visit(story).outcome, visit(story).ended_by) == (Outcome.ANSWERED, EndedBy.TRANSFER)


def test_the_end_of_a_talk_that_is_told_as_such_is_the_better_word() -> None:
    story = Scenario().entered(0, "a").answered(10, "a").completed(59.5, "a").left(60, "a")

    assert visit(story).talk_ms == 49_500


# ---- a visit id used again


def test_a_visit_id_used_again_after_its_end_is_another_visit_of_another_call() -> None:
    story = Scenario().entered(0, "a").answered(10, "a").completed(60, "a")
    story.entered(DAY, "a").left(DAY + 400, "a")

    told = sorted(story.live.ledger.histories(), key=lambda each: str(each.contact.entered_at))
    assert [(each.contact.outcome, each.contact.wait_ms) for each in told] == [
        (Outcome.ANSWERED, 10_000),
        (Outcome.ABANDONED, 400_000),
    ]
    whatever_the_order(story)


def test_a_visit_id_used_again_although_no_end_was_told_is_another_visit_next_morning() -> None:
    story = Scenario().entered(0, "a").entered(DAY, "a").left(DAY + 5, "a")

    told = sorted(story.live.ledger.visits(), key=lambda each: str(each.entered_at))
    assert [each.outcome for each in told] == [Outcome.UNKNOWN, Outcome.ABANDONED]
    whatever_the_order(story)


def told(story: Scenario) -> list[tuple[str, str, str, int | None]]:
    """Queue, contact, outcome and wait (ms) of each visit."""
    seen = sorted(story.live.ledger.visits(), key=lambda each: str(each.entered_at))
    return [(each.queue, each.contact_id, each.outcome.value, each.wait_ms) for each in seen]


@pytest.mark.parametrize("second", ["luleå:1", "luleå:2"])
def test_a_visit_id_used_again_in_another_queue_is_a_visit_there(second: str) -> None:
    story = Scenario().entered(0, "1", "växel").answered(10, "1", "växel").completed(60, "1", "växel")
    story.entered(DAY, "1", "bygglov", "luleå:1@växel", contact_id=second).left(DAY + 400, "1", queue="växel")

    used_again = f"luleå:1@{story.at(DAY).isoformat()}" if second == "luleå:1" else second
    assert told(story) == [("växel", "luleå:1", "answered", 10_000), ("bygglov", used_again, "abandoned", 400_000)]
    whatever_the_order(story)


@pytest.mark.parametrize(("queue", "later"), [("växel", 600), ("bygglov", 600), ("bygglov", DAY)])
@pytest.mark.parametrize("answered", [False, True])
def test_an_entry_of_another_contact_is_another_call_although_no_end_was_told(
    queue: str, later: float, answered: bool
) -> None:
    story, visit_id = Scenario().entered(0, "1", "växel"), "luleå:1@växel"
    if answered:
        story.answered(10, "1", "växel")
    story.entered(later, "2", queue, visit_id, leg_id="luleå:1").answered(later + 30, "1", "växel")

    first = ("växel", "luleå:1", *(("answered", 10_000) if answered else ("unknown", None)))
    assert told(story) == [first, (queue, "luleå:2", "answered", 30_000)]
    assert [len(each.visits) for each in story.live.ledger.histories()] == [1, 1]
    whatever_the_order(story)


def test_a_wait_whose_visit_id_another_call_has_in_another_queue_is_over() -> None:
    story = Scenario().entered(0, "1", "växel").entered(DAY, "1", "bygglov", "luleå:1@växel")

    assert [(queue, outcome) for queue, _, outcome, _ in told(story)] == [("växel", "unknown"), ("bygglov", "waiting")]
    assert {each.ended_wait_at for each in story.live.ledger.visits()} == {story.at(DAY), None}
    whatever_the_order(story)


@pytest.mark.parametrize("reported", [None, 60, 60.2])
def test_who_goes_to_another_queue_under_one_visit_id_was_in_both(reported: float | None) -> None:
    story = Scenario().entered(0, "a", "växel").entered(60, "a", "bygglov", "luleå:a@växel")
    if reported is not None:
        story.left(reported, "a", "overflow", "växel")
    story.answered(70, "a", "växel")

    assert [(queue, outcome) for queue, _, outcome, _ in told(story)] == [
        ("växel", "overflow"),
        ("bygglov", "answered"),
    ]
    assert (contact(story).wait_ms, contact(story).first_queue) == (70_000, "växel")
    whatever_the_order(story)


def test_a_visit_id_used_again_in_another_queue_is_written_down_as_such() -> None:
    story = Scenario().entered(0, "1", "växel").left(10, "1", queue="växel")
    story.entered(DAY, "1", "bygglov", "luleå:1@växel", contact_id="luleå:2")
    ledger = Ledger()
    written = [
        documents.write(each.contact_id, story.live.ledger.evidence_of(each.contact_id))
        for each in story.live.ledger.contacts()
    ]

    ledger.load(map(documents.read, written))
    assert sorted(ledger.histories(), key=str) == sorted(story.live.ledger.histories(), key=str)


def calls(story: Scenario) -> list[tuple[str, str, int | None, int]]:
    """Contact, outcome, wait (ms) and number of visits of each contact, in order of entry."""
    seen = sorted(story.live.ledger.contacts(), key=lambda each: str(each.entered_at))
    return [(each.contact_id, each.outcome.value, each.wait_ms, len(each.visit_ids)) for each in seen]


def again(story: Scenario, seconds: float) -> str:
    return f"luleå:a@{story.at(seconds).isoformat()}"


@pytest.mark.parametrize("leg", ["luleå:a", "luleå:b"])
def test_a_contact_id_used_again_on_another_day_is_another_contact(leg: str) -> None:
    story = Scenario().entered(0, "a").answered(10, "a").entered(DAY, "a", visit="luleå:2", leg_id=leg)
    story.left(DAY + 9, "a", "timeout", visit="luleå:2", contact_id="luleå:a")
    story.entered(DAY + 9, "a", "bygglov", leg_id=leg)

    assert calls(story) == [("luleå:a", "answered", 10_000, 1), (again(story, DAY), "waiting", 9_000, 2)]
    assert story.counts(DAY + 20).entered == 1
    whatever_the_order(story)


def test_a_contact_id_used_again_for_days_is_one_contact_a_day() -> None:
    story = Scenario().entered(0, "a").left(9, "a")
    for day in (1, 2):
        story.entered(day * DAY, "a", visit=f"luleå:{day}").left(day * DAY + 5, "a", visit=f"luleå:{day}")

    assert [called for called, *_ in calls(story)] == ["luleå:a", again(story, DAY), again(story, 2 * DAY)]
    at_once = stories(story, tuple(range(len(story.events))))
    assert [each.contact.contact_id for each in at_once] == [called for called, *_ in calls(story)]
    whatever_the_order(story)


def _numbered_anew(day: int) -> Scenario:
    """A caller who is passed on, under ids of contact and visits that the switch uses again each day."""
    story, start = Scenario(), day * DAY
    story.entered(start, "a", visit="luleå:v1").left(start + 9, "a", "timeout", visit="luleå:v1")
    story.entered(start + 10, "a", "bygglov", visit="luleå:v2").answered(start + 20, "a", visit="luleå:v2")
    return story.completed(start + 50, "a", visit="luleå:v2")


@pytest.mark.parametrize("order", [1, -1])
def test_who_is_passed_on_under_ids_used_again_is_one_contact_a_day(order: int) -> None:
    told = [event for day in range(3) for event in _numbered_anew(day).events][::order]
    ledger, story = Ledger(), Scenario()
    for event in told:
        ledger.apply(event)
        story.add(event)
    its = sorted(calls(story), key=lambda call: call[0])

    assert [(called, outcome, wait) for called, outcome, wait, _ in its] == [
        ("luleå:a", "answered", 19_000),
        (again(story, DAY), "answered", 19_000),
        (again(story, 2 * DAY), "answered", 19_000),
    ]
    assert sorted(len(one.visit_ids) for one in ledger.contacts()) == [2, 2, 2]
    parts = [part for called, *_ in its for part in ledger.evidence_of(called)]
    later = Ledger()
    later.load([documents.read(documents.write(called, ledger.evidence_of(called))) for called, *_ in its])
    for event in told:
        later.apply(event)
    assert parts
    assert {one.contact_id: one for one in later.contacts()} == {one.contact_id: one for one in ledger.contacts()}


@pytest.mark.parametrize(("reported", "wait"), [(None, None), (8_000, 8_000)])
@pytest.mark.parametrize("end", ["completed", "left"])
def test_an_answer_hours_after_the_end_of_a_visit_is_of_another_call_whose_entry_nobody_told(
    end: str, reported: int | None, wait: int | None
) -> None:
    """A sender numbers its calls anew each day, and the entry of the second one is lost."""
    story = Scenario().entered(0, "a")
    story = story.answered(10, "a").completed(60, "a") if end == "completed" else story.left(10, "a")
    story.answered(DAY + 10, "a", wait_ms_reported=reported).completed(DAY + 70, "a")
    first, second = sorted(story.live.ledger.visits(), key=lambda visit: visit.visit_id)

    assert (first.wait_ms, first.start_known) == (10_000, True)
    assert first.outcome is (Outcome.ANSWERED if end == "completed" else Outcome.ABANDONED)
    assert (second.outcome, second.wait_ms, second.start_known) == (Outcome.ANSWERED, wait, False)
    assert (second.talk_ms, len(calls(story))) == (60_000, 2)
    whatever_the_order(story)


def test_an_answer_after_a_promise_to_call_back_is_of_that_visit_however_late() -> None:
    story = Scenario().entered(0, "a").left(10, "a", "callback").answered(DAY, "a")

    assert visit(story).visit_id == "luleå:a@kundcenter"


@pytest.mark.parametrize("second", ["luleå:a", "luleå:a.2"], ids=["one visit id", "two visit ids"])
def test_a_call_under_ids_used_again_may_be_told_in_any_order(second: str) -> None:
    """A caller waits in two queues, one after the other, on the day after somebody else had the same ids."""
    story = Scenario().entered(0, "a", visit="luleå:a").completed(70, "a", visit="luleå:a")
    story.entered(DAY, "a", "bygglov", visit="luleå:a").entered(DAY + 20, "a", visit=second)
    story.left(DAY + 50, "a", "timeout", visit=second)
    its = stories(story, (0, 1, 2, 3, 4))

    assert [(one.contact.contact_id, len(one.visits)) for one in its] == [("luleå:a", 1), (again(story, DAY), 2)]
    whatever_the_order(story)


def test_a_call_is_the_earlier_ones_again_when_an_earlier_entry_says_so() -> None:
    """The entry that seemed to begin a later call was told twice, with two times; the earlier time is the right one."""
    story = Scenario().entered(0, "a", "bygglov", visit="luleå:1").left(61, "a", "closed", visit="luleå:1")
    story.entered(121, "a", visit="luleå:1").entered(121, "a", visit="luleå:2").entered(120, "a", visit="luleå:2")
    story.left(150, "a", visit="luleå:2")

    whatever_the_order(story)


def test_a_contact_id_used_again_after_a_start_of_the_switch_is_another_contact() -> None:
    story = Scenario().entered(0, "a").left(9, "a").restarted(600).entered(1000, "a", "bygglov")

    assert [(outcome, wait) for _, outcome, wait, _ in calls(story)] == [("abandoned", 9_000), ("waiting", 0)]
    whatever_the_order(story)


@pytest.mark.parametrize("later", [7200, DAY])
def test_who_is_called_back_is_the_same_contact_whenever_that_is(later: float) -> None:
    story = Scenario().entered(0, "a").left(9, "a", "callback")
    story.entered(later, "a", visit="luleå:2", entry_reason=EntryReason.CALLBACK).answered(
        later + 5, "a", visit="luleå:2"
    )

    assert (contact(story).outcome, contact(story).called_back_ms) == (Outcome.CALLBACK, (later + 5) * 1000)


def test_who_comes_back_to_a_queue_after_a_long_talk_is_the_same_contact() -> None:
    story = Scenario().entered(0, "a").answered(9, "a").completed(7200, "a").entered(10_000, "a", "bygglov")

    assert len(contact(story).visit_ids) == 2


def test_a_contact_id_used_again_is_told_apart_when_the_earlier_call_is_loaded() -> None:
    story = Scenario().entered(0, "a").left(9, "a")
    written = documents.write("luleå:a", story.live.ledger.evidence_of("luleå:a"))
    ledger = Ledger()
    second = Scenario().entered(DAY, "a", visit="luleå:2", leg_id="luleå:b").left(DAY + 5, "a", visit="luleå:2")
    for event in second.events:
        ledger.apply(event)
    assert [each.contact.contact_id for each in ledger.histories()] == ["luleå:a"]

    ledger.load([documents.read(written)])
    marked = documents.write(again(story, DAY), ledger.evidence_of(again(story, DAY)))
    assert {each.contact.contact_id for each in ledger.histories()} == {"luleå:a", again(story, DAY)}

    reloaded = Ledger()
    reloaded.load([documents.read(marked)])
    reloaded.apply(second.left(DAY + 6, "a", visit="luleå:2", contact_id="luleå:a").events[-1])
    assert [each.contact.contact_id for each in reloaded.histories()] == [again(story, DAY)]


def test_an_entry_told_twice_is_one_visit() -> None:
    story = Scenario().entered(0, "a").entered(0.4, "a").left(5, "a")

    assert visit(story).outcome is Outcome.ABANDONED


# ---- visits that overlap


def nested(outer_answered: float = 4.06) -> Scenario:
    return (
        Scenario()
        .entered(0, "a", queue="utanför")
        .entered(0.02, "a;2", queue="serie", contact_id="luleå:a")
        .answered(4.05, "a;2", queue="serie")
        .answered(outer_answered, "a", queue="utanför", agent_id="luleå:vidare")
        .completed(6, "a;2", queue="serie")
        .completed(6, "a", queue="utanför")
    )


def test_a_queue_whose_member_waits_in_another_one_is_one_wait() -> None:
    assert (contact(nested()).outcome, contact(nested()).wait_ms) == (Outcome.ANSWERED, 4_050)
    assert contact(nested()).wait_after_transfer_ms == 0


def test_a_channel_that_answers_and_then_waits_itself_is_nobody_yet() -> None:
    story = nested(outer_answered=0.03)

    assert (contact(story).outcome, contact(story).wait_ms) == (Outcome.ANSWERED, 4_050)


def test_who_gives_up_in_nested_queues_is_one_person_who_gave_up() -> None:
    story = Scenario().entered(0, "a", queue="utanför").entered(0.02, "a;2", queue="serie", contact_id="luleå:a")
    story.left(4, "a", queue="utanför").left(4.1, "a;2", "system", queue="serie")

    assert (contact(story).outcome, contact(story).wait_ms) == (Outcome.ABANDONED, 4_000)


def test_who_waits_in_two_queues_at_once_is_one_late_caller() -> None:
    story = Scenario().entered(0, "a", queue="utanför").entered(0.02, "a;2", queue="serie", contact_id="luleå:a")

    assert contact(story).waiting_since == story.at(0)
    face = story.live.snapshot(story.at(310)).total
    assert face.periods["day"].counts.waiting_late == 1


def test_who_waits_in_two_queues_at_once_is_one_of_those_who_wait_in_all() -> None:
    story = Scenario().entered(0, "a", queue="utanför").entered(20, "a;2", queue="serie", contact_id="luleå:a")
    story.entered(5, "b", queue="serie").entered(5, "b;2", queue="utanför", contact_id="luleå:b")
    shown = story.live.snapshot(story.at(60))

    assert [line.wait_ms for line in shown.total.waiting] == [60_000, 55_000]
    assert (shown.total.oldest_wait_ms, shown.total.periods["day"].counts.waiting) == (60_000, 2)
    assert [(queue.name, queue.waiting_count) for queue in shown.queues] == [("serie", 2), ("utanför", 2)]


def in_two_queues(**leg: str) -> Scenario:
    return Scenario().entered(0, "a", queue="växel", **leg).entered(1, "a", queue="bygglov", **leg)


@pytest.mark.parametrize("leg", [{}, {"leg_id": ""}], ids=["one leg", "no legs told"])
def test_who_is_answered_in_one_of_two_queues_waits_in_neither(leg: dict[str, str]) -> None:
    story = in_two_queues(**leg).answered(70, "a", queue="bygglov")

    assert (contact(story).outcome, contact(story).wait_ms) == (Outcome.ANSWERED, 70_000)
    assert story.live.ledger.waiting() == []
    whatever_the_order(story)


def test_whom_the_switch_still_lists_in_the_other_queue_waits_there() -> None:
    story = in_two_queues().answered(70, "a", queue="bygglov").snapshot(80, "a", queue="växel", waited=80)

    assert [visit.queue for _, visit in story.live.ledger.waiting()] == ["växel"]


def test_a_leg_that_hung_up_in_one_of_two_queues_waits_in_neither() -> None:
    story = in_two_queues().left(70, "a", queue="bygglov")

    assert (contact(story).outcome, contact(story).wait_ms) == (Outcome.ABANDONED, 70_000)
    assert story.live.ledger.waiting() == []
    whatever_the_order(story)


def test_an_inner_channel_whose_outer_call_is_over_waits_no_more() -> None:
    story = Scenario().entered(0, "a", queue="utanför").entered(0.02, "a;2", queue="serie", contact_id="luleå:a")
    story.answered(4, "a", queue="utanför").completed(60, "a", queue="utanför")

    assert (contact(story).outcome, contact(story).wait_ms) == (Outcome.ANSWERED, 4_000)
    assert story.live.ledger.waiting() == []


def test_a_talk_is_over_when_its_leg_enters_a_queue_again() -> None:
    story = Scenario().entered(0, "a").answered(10, "a").entered(60, "a", queue="bygglov")
    story.left(70, "a", queue="bygglov")

    assert (story.visit("a").talk_ms, story.live.ledger.talking()) == (50_000, [])
    assert contact(story).wait_after_transfer_ms == 10_000
    whatever_the_order(story)


def test_a_part_that_nobody_knows_does_not_hide_that_the_caller_is_late() -> None:
    story = Scenario().entered(0, "a").left(100, "a", "unknown").entered(100, "a", queue="bygglov")

    assert (contact(story).wait_ms, contact(story).waiting_since) == (0, story.at(100))
    assert story.live.snapshot(story.at(410)).total.periods["day"].counts.waiting_late == 1


def test_waits_one_after_the_other_add_up_and_those_that_overlap_count_once() -> None:
    story = Scenario().entered(0, "a").left(100, "a", "timeout").entered(90, "a", queue="bygglov")
    story.answered(150, "a", queue="bygglov")

    assert contact(story).wait_ms == 150_000
    assert contact(story).settled_at == story.at(0) + timedelta(seconds=150)


# ---- a caller who goes on in the queue under another channel


def moved(story: Scenario, seconds: float, contact_id: str = "luleå:a") -> Scenario:
    """Channel c, which somebody put into the queue for caller a, gives way to a's own."""
    return story._tell(
        CallMoved,
        seconds,
        visit_id="luleå:c@kundcenter",
        queue="kundcenter",
        leg_id="luleå:c",
        contact_id=contact_id,
        new_leg_id="luleå:a",
    )


def transferred_in() -> Scenario:
    """The manager interface tells of the move; the log knows the answered channel only, and how long it had waited."""
    story = moved(Scenario().entered(0, "c", contact_id="luleå:c"), 2)
    story.answered(8, "c")
    return story._tell(
        CallAnswered,
        8.2,
        source="urn:kc:log:luleå",
        visit_id="luleå:a@~log",
        queue="kundcenter",
        leg_id="luleå:a",
        agent_id="luleå:agent 1",
        wait_ms_reported=8000,
        time_precision_ms=1000,
    )


def test_a_visit_that_goes_on_under_another_channel_is_one_visit_of_the_callers_contact() -> None:
    story = transferred_in()

    assert (visit(story).outcome, visit(story).wait_ms) == (Outcome.ANSWERED, 8_000)
    assert contact(story).contact_id == "luleå:a"
    whatever_the_order(story)


@pytest.mark.parametrize("placed", [{}, {"queue": "q", "leg_id": "luleå:1"}])
def test_a_caller_who_goes_on_under_another_leg_is_one_call_in_every_queue_whatever_comes_first(
    placed: dict[str, str],
) -> None:
    story = Scenario().entered(0, "a", "q", "luleå:v1", leg_id="luleå:1")
    story._tell(CallMoved, 30, "on", visit_id="luleå:v1", new_leg_id="luleå:2", **placed)
    story.answered(50, "a", visit="luleå:v1")
    story.entered(111, "b", "r", "luleå:v2", leg_id="luleå:2", contact_id="luleå:2").left(131, "b", visit="luleå:v2")

    for order in permutations(range(len(story.events))):
        for asked in (False, True):
            (only,) = stories(story, order, asked=asked)
            assert [(visit.queue, visit.outcome, visit.wait_ms) for visit in only.visits] == [
                ("q", Outcome.ANSWERED, 50_000),
                ("r", Outcome.ABANDONED, 20_000),
            ]


def test_a_list_that_names_the_new_channel_names_the_same_caller() -> None:
    story = moved(Scenario().connected(-60).entered(0, "c", contact_id="luleå:c"), 2)
    story.snapshot(5, "a", waited=5)

    assert (visit(story).outcome, visit(story).visit_id) == (Outcome.WAITING, "luleå:c@kundcenter")


def test_an_earlier_stay_of_the_new_channel_in_that_queue_stays_its_own() -> None:
    story = Scenario().entered(-100, "a", visit="luleå:first").left(-90, "a", "timeout", visit="luleå:first")
    moved(story.entered(0, "c", contact_id="luleå:c"), 2).answered(8, "c")

    assert [(told.outcome, told.wait_ms) for told in story.live.ledger.visits()] == [
        (Outcome.TIMEOUT, 10_000),
        (Outcome.ANSWERED, 8_000),
    ]
    whatever_the_order(story)


def test_what_goes_on_under_another_channel_is_written_down_as_such() -> None:
    story = moved(Scenario().entered(0, "c", contact_id="luleå:c"), 2).answered(8, "c")
    ledger = Ledger()
    ledger.load([documents.read(documents.write("luleå:a", story.live.ledger.evidence_of("luleå:a")))])
    ledger.apply(transferred_in().events[-1])

    assert list(ledger.visits()) == list(story.live.ledger.visits())


# ---- a contact that turns out to be another's


@pytest.mark.parametrize(("outer", "between"), [("7", "10"), ("10", "7")])
def test_whose_wait_it_is_may_be_told_later_than_the_leg_and_more_than_once(outer: str, between: str) -> None:
    story = Scenario().entered(0, outer, "outer").entered(1, "15", "inner").left(9, "15", "abandoned", "inner")
    for number, whose in enumerate((between, outer)):
        story._tell(CallMoved, 9, f"later {number}", visit_id="luleå:15@inner", contact_id=f"luleå:{whose}")

    whatever_the_order(story)
    inner = next(seen for seen in story.live.ledger.visits() if seen.queue == "inner")
    assert inner.contact_id == "luleå:7"


def test_a_talk_that_a_transfer_worked_out_ends_is_measured_by_the_clock_of_its_answer() -> None:
    """Not by the switch's whole seconds."""
    story = Scenario().entered(0, "a").answered(5, "a")
    story.add(
        CallTransferred(
            id="t",
            source=SOURCE,
            switch="luleå",
            observed_at=story.at(5.46),
            switch_time=story.at(5.46),
            time_basis=TimeBasis.DERIVED,
            visit_id="luleå:a@kundcenter",
            kind=TransferKind.UNKNOWN,
        )
    )
    story.completed(5.5, "a", talk_ms_reported=1_000)

    assert (visit(story).talk_ms, visit(story).ended_by) == (500, EndedBy.TRANSFER)


# ---- a channel that is up after its hang-up


def test_who_is_up_after_a_hang_up_in_whole_seconds_was_moved_whatever_comes_first() -> None:
    story = Scenario().entered(0, "a", time_precision_ms=1000).left(10, "a", time_precision_ms=1000)
    story.snapshot(40, up=("luleå:a",))

    assert (visit(story).outcome, visit(story).wait_ms) == (Outcome.TRANSFERRED_OUT, 10_000)
    assert contact(story).outcome is Outcome.TRANSFERRED_OUT
    whatever_the_order(story)


def test_a_hang_up_that_a_finer_clock_tells_of_is_one() -> None:
    story = Scenario().entered(0, "a").left(10, "a").snapshot(40, up=("luleå:a",))

    assert visit(story).outcome is Outcome.ABANDONED


def test_a_call_that_memory_has_let_go_of_is_asked_for_when_its_channel_is_up() -> None:
    story = Scenario().entered(0, "a", time_precision_ms=1000).left(10, "a", time_precision_ms=1000)
    (written,) = (documents.write("luleå:a", story.live.ledger.evidence_of("luleå:a")),)
    story.live.evict(story.at(600))
    story.snapshot(1200, up=("luleå:a", "luleå:b"))

    assert story.live.missing_calls() == {"luleå luleå:a", "luleå luleå:b"}

    story.live.load_calls([written])
    assert visit(story).outcome is Outcome.TRANSFERRED_OUT


# ---- a leg that is listed for the first time


@pytest.mark.parametrize(("contact_id", "calls"), [(None, 1), ("luleå:a", 1), ("luleå:b", 2)])
def test_who_is_listed_in_the_place_of_one_who_is_gone_is_somebody_else_where_the_list_says_so(
    contact_id: str | None, calls: int
) -> None:
    listed = WaitingCaller(leg_id="luleå:b", visit_id="luleå:b@1", contact_id=contact_id, waited_ms=29_500)
    story = Scenario().entered(0, "a")
    story._tell(QueueSnapshot, 30, "list", queue="kundcenter", as_of=story.at(30), waiting=(listed,))

    outcomes = sorted(told.outcome for told in story.live.ledger.contacts())
    assert outcomes == [Outcome.UNKNOWN, Outcome.WAITING][-calls:]


@pytest.mark.parametrize(
    ("leg", "contact_id", "calls"),
    [
        ("luleå:1795877911.176", "luleå:1795877911.176", 1),
        ("luleå:1795877913.171", "luleå:1795877911.170", 1),
        ("luleå:1795877913.179", "luleå:1795877913.178", 1),
        ("luleå:1795877913.180", "luleå:1795877913.180", 2),
        ("luleå:1795877914.5", "luleå:1795877914.5", 2),
        ("luleå:1795877914.5", None, 1),
    ],
    ids=["transferred", "in the same second", "of the same call", "newer", "newer second", "not told"],
)
def test_of_two_channels_of_asterisk_only_an_older_one_can_take_the_place(
    leg: str, contact_id: str | None, calls: int
) -> None:
    listed = WaitingCaller(leg_id=leg, visit_id=f"{leg}@~1", contact_id=contact_id, waited_ms=29_500)
    story = Scenario().entered(0, "1795877913.178")
    story._tell(QueueSnapshot, 30, "list", queue="kundcenter", as_of=story.at(30), waiting=(listed,))

    outcomes = sorted(told.outcome for told in story.live.ledger.contacts())
    assert outcomes == [Outcome.UNKNOWN, Outcome.WAITING][-calls:]
