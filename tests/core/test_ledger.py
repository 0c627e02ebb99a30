"""What is true about callers: the rules of docs/switch-rules.md and docs/definitions.md, one test each."""

from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from queue_monitor.core import matching, refusals
from queue_monitor.core.assessment import decided
from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.ledger import Ledger
from queue_monitor.events import (
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRefused,
    CallRingEnded,
    EndedBy,
    EntryReason,
    LeftOutcome,
    OutcomeBasis,
    RefusalReason,
    RingResult,
    SourceClock,
    TimeBasis,
)
from queue_monitor.model import Level, Outcome, Status, StatusReason
from tests.scenario import SOURCE, TEN, Scenario

LOG = "urn:kc:asterisk_queuelog:luleå"


def whole(seconds: float) -> float:
    """A moment as a log with whole seconds writes it."""
    return float(int(seconds))


def logged(story: Scenario, kind: type, seconds: float, visit: str, **fields: object) -> Scenario:
    fields = {"leg_id": "luleå:anna", "contact_id": "luleå:anna", "queue": "kundcenter"} | fields
    return story._tell(
        kind, whole(seconds), visit, source=LOG, visit_id=visit, live=False, time_precision_ms=1000, **fields
    )


# ---- a caller's way through one queue


def test_a_call_still_waiting_past_five_minutes_is_already_a_miss():
    story = Scenario().entered(0, "anna")

    assert story.day(at=300).misses == 0
    assert story.day(at=300.001).misses == 1


def test_an_answer_ends_the_wait_and_talk_runs_until_the_call_is_over():
    story = Scenario().entered(0, "anna").answered(65.5, "anna").completed(125.5, "anna")
    anna = story.visit("anna")

    assert (anna.outcome, anna.wait_ms, anna.talk_ms, anna.ended_by) == (
        Outcome.ANSWERED,
        65_500,
        60_000,
        EndedBy.CALLER,
    )
    assert story.counts(200).answered_in_time == 1


def test_waiting_callers_come_longest_first_with_the_oldest_wait():
    story = Scenario().entered(30, "bo").entered(0, "anna").entered(60, "cia").answered(70, "bo")
    now = story.live.snapshot(story.at(100)).total

    assert [line.wait_ms for line in now.waiting] == [100_000, 40_000]
    assert now.oldest_wait_ms == 100_000


# ---- 10.1 re-entry, 10.2 overflow, 10.3 transfers


@pytest.mark.parametrize("entry_last", [False, True])
def test_a_ring_counts_also_where_its_end_is_told_before_the_callers_entry(entry_last: bool):
    story = Scenario()
    tell = [
        lambda: story.entered(0, "anna"),
        lambda: story._tell(
            CallRingEnded, 9, visit_id="luleå:anna@kundcenter", ring_id="ring", result=RingResult.NO_ANSWER
        ),
    ]
    for each in tell[::-1] if entry_last else tell:
        each()

    assert [(visit.rings, visit.outcome) for visit in story.visits()] == [(1, Outcome.WAITING)]


def test_the_same_leg_entering_the_same_queue_again_is_a_second_visit_of_one_contact():
    story = (
        Scenario()
        .entered(0, "anna", visit="luleå:anna@1")
        .left(2, "anna", "timeout", visit="luleå:anna@1")
        .entered(2.000059, "anna", visit="luleå:anna@2")
        .left(4, "anna", "timeout", visit="luleå:anna@2")
    )
    first, second = story.visits()

    assert [first.outcome, second.outcome] == [Outcome.TIMEOUT, Outcome.TIMEOUT]
    assert second.entry_reason is EntryReason.REENTRY
    assert second.prev_visit_id == first.visit_id
    assert story.counts(10).abandoned == 0
    assert story.counts(10).entered == 1
    assert story.counts(10, level=Level.VISIT).entered == 2


def test_an_overflowed_caller_is_judged_once_with_the_waits_added():
    story = (
        Scenario()
        .entered(0, "anna")
        .left(200, "anna", "timeout")
        .entered(200.1, "anna", queue="bygglov")
        .answered(320.1, "anna", queue="bygglov")
    )

    assert story.visit("anna").outcome is Outcome.OVERFLOW
    assert story.visit("anna").next_queue == "bygglov"
    assert story.contact("anna").wait_ms == 320_000
    assert story.counts(400).answered_late == 1
    assert story.counts(400, queue="kundcenter").answered_late == 1
    assert story.counts(400, queue="bygglov").entered == 0
    assert story.counts(400, queue="bygglov", level=Level.VISIT).answered_in_time == 1


@pytest.mark.parametrize("reason", ["overflow", "transfer"])
def test_who_is_moved_on_in_the_moment_of_entering_is_judged_on_the_first_queue(reason: str):
    story = Scenario().entered(0, "anna", queue="växel", entry_reason=EntryReason.DIRECT)
    story.left(0, "anna", "overflow", queue="växel")
    story.entered(0, "anna", queue="bygglov", entry_reason=EntryReason(reason)).answered(20, "anna", queue="bygglov")

    assert (story.contact("anna").first_queue, story.contact("anna").wait_ms) == ("växel", 20_000)


def test_an_overflowing_caller_still_waiting_has_the_earlier_wait_on_the_clock():
    story = Scenario().entered(0, "anna").left(200, "anna", "timeout").entered(200, "anna", queue="bygglov")

    assert story.counts(300).waiting_in_time == 1
    assert story.counts(301).waiting_late == 1


def test_the_longest_wait_is_the_person_s_through_both_queues():
    story = Scenario().entered(0, "anna").left(200, "anna", "timeout").entered(200, "anna", queue="bygglov")
    now = story.live.snapshot(story.at(301))

    assert now.total.oldest_wait_ms == 301_000
    assert now.total.waiting[0].queue_wait_ms == 101_000


def test_a_transfer_never_changes_what_the_first_answer_settled():
    story = (
        Scenario()
        .entered(0, "anna")
        .answered(10, "anna")
        .completed(20, "anna", ended_by=EndedBy.TRANSFER)
        .entered(20, "anna", queue="bygglov")
        .left(500, "anna", "abandoned", queue="bygglov")
    )
    anna = story.contact("anna")

    assert (anna.outcome, anna.wait_ms, anna.wait_after_transfer_ms) == (Outcome.ANSWERED, 10_000, 480_000)
    assert story.visit("anna", "bygglov").entry_reason is EntryReason.TRANSFER
    assert story.counts(600).answered_in_time == 1


def test_a_new_visit_may_open_before_the_old_one_is_over():
    story = (
        Scenario()
        .entered(0, "anna")
        .answered(10, "anna")
        .entered(20, "anna", queue="bygglov")
        .completed(20.5, "anna", ended_by=EndedBy.TRANSFER)
        .left(25, "anna", "timeout", queue="bygglov")
    )

    assert [v.outcome for v in story.visits()] == [Outcome.ANSWERED, Outcome.TIMEOUT]
    assert story.live.events["orphan"] == 0


# ---- 10.4 to 10.7


@pytest.mark.parametrize("outcome", ["timeout", "no_agents", "exit_key", "withdrawn", "callback", "closed", "lost"])
def test_leaving_otherwise_is_never_counted_as_abandoned(outcome: str):
    story = Scenario().entered(0, "anna").left(30, "anna", outcome)

    assert story.counts(60).abandoned == 0
    assert story.counts(60).left_otherwise == 1


def test_a_call_rung_three_times_in_vain_and_then_given_up_is_one_abandonment():
    story = Scenario().entered(0, "anna")
    for ring in range(3):
        story._ring(ring * 20, "anna", f"ring {ring}", "no_answer", after=18)
    story.left(70, "anna")

    assert story.counts(100).abandoned == 1
    assert story.visit("anna").rings == 3
    assert story.live.snapshot(story.at(100)).ring_results[""]["no_answer"] == 3


# ---- 10.10 unknown starts


def test_an_answer_of_a_caller_nobody_saw_enter_has_a_wait_worked_out_and_kept_from_the_histogram():
    story = Scenario()._tell(
        CallAnswered,
        30,
        "v",
        visit_id="luleå:v",
        queue="kundcenter",
        leg_id="luleå:v",
        wait_ms_reported=12_000,
        agent_id="luleå:a",
    )
    visit = story.visits()[0]

    assert (visit.start_known, visit.wait_ms, visit.time_basis) == (False, 12_000, TimeBasis.DERIVED)
    assert story.counts(60).answered_in_time == 1
    assert story.day(60).waits.answered == 0
    assert story.live.events["orphan"] == 1


def test_an_answer_without_any_start_is_counted_apart_and_widens_floor_and_ceiling():
    story = Scenario().entered(0, "bo").answered(5, "bo")
    story._tell(CallAnswered, 30, "v", visit_id="luleå:v", queue="kundcenter", leg_id="luleå:v")
    day = story.day(60)

    assert day.counts.answered_unjudged == 1
    assert (day.headline, day.floor, day.ceiling) == (1.0, 0.5, 1.0)


def test_the_end_of_an_unseen_call_tells_its_talk_and_its_wait():
    story = Scenario()._tell(
        CallCompleted,
        100,
        "v",
        visit_id="luleå:v",
        queue="kundcenter",
        leg_id="luleå:v",
        talk_ms_reported=60_000,
        wait_ms_reported=10_000,
        ended_by=EndedBy.AGENT,
    )
    visit = story.visits()[0]

    assert (visit.outcome, visit.wait_ms, visit.start_known) == (Outcome.ANSWERED, 10_000, False)
    assert visit.entered_at == story.at(30)


# ---- 10.11 snapshots


def test_a_caller_the_switch_no_longer_lists_is_unknown_and_in_no_formula():
    story = Scenario().entered(0, "anna").entered(1, "bo").snapshot(60, "bo", waited=59)
    day = story.day(61)

    assert story.visit("anna").outcome is Outcome.UNKNOWN
    assert story.visit("bo").outcome is Outcome.WAITING
    assert (day.counts.unknown, day.counts.waiting, day.misses) == (1, 1, 0)


def test_a_caller_only_the_switch_knows_appears_with_a_derived_start():
    story = Scenario().snapshot(60, "anna", waited=45)
    anna = story.visit("anna")

    assert (anna.outcome, anna.start_known, anna.entered_at) == (Outcome.WAITING, False, story.at(15))
    assert anna.entry_reason is EntryReason.UNKNOWN


def test_a_caller_in_both_keeps_the_time_that_was_seen():
    story = Scenario().entered(0, "anna").snapshot(60, "anna", waited=61)

    assert len(story.visits()) == 1
    assert story.visit("anna").entered_at == story.at(0)


def test_a_caller_listed_with_too_short_a_wait_has_left_and_entered_anew_in_the_gap():
    story = Scenario().entered(0, "anna").snapshot(60, "anna", waited=10)
    first, second = story.visits()

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.WAITING)
    assert second.entered_at == story.at(50)


def test_what_a_log_tells_later_amends_the_unknown():
    story = Scenario().entered(0, "anna").snapshot(60)
    logged(story, CallEntered, 0, "luleå:anna@log")
    logged(story, CallLeft, 40, "luleå:anna@log", outcome=LeftOutcome.TIMEOUT)

    assert [v.outcome for v in story.visits()] == [Outcome.TIMEOUT]
    assert story.counts(61).unknown == 0


def test_a_guessed_end_gives_way_to_a_known_one_in_time_too():
    story = Scenario().entered(0, "anna").left(0.001, "anna", "unknown", time_basis=TimeBasis.DERIVED)
    story.left(30, "anna", "abandoned")

    assert (story.visit("anna").outcome, story.visit("anna").wait_ms) == (Outcome.ABANDONED, 30_000)


def test_an_incomplete_snapshot_removes_nobody():
    story = Scenario().entered(0, "anna").snapshot(60, complete=False)

    assert story.visit("anna").outcome is Outcome.WAITING


# ---- 10.12 restarts


def test_a_restart_loses_those_who_wait_and_ends_those_who_talk():
    story = Scenario().entered(0, "anna").entered(1, "bo").answered(5, "bo").restarted(30)

    assert story.visit("anna").outcome is Outcome.LOST
    assert story.visit("bo").outcome is Outcome.ANSWERED
    assert story.visit("bo").ended_by is EndedBy.SYSTEM
    assert story.counts(60).abandoned == 0
    assert story.day(60).misses == 1


def test_a_switch_that_says_it_began_after_the_callers_entered_has_lost_them():
    story = Scenario().connected(-10).entered(0, "anna").disconnected(20)
    story.connected(60, switch_started_at=story.at(55)).entered(70, "bo")

    assert story.visit("anna").outcome is Outcome.LOST
    assert story.visit("bo").outcome is Outcome.WAITING


def test_who_was_listed_just_before_a_start_that_is_told_to_two_seconds_is_lost():
    story = Scenario().connected(0).entered(10, "anna").snapshot(20, "anna", waited=10)
    story.connected(26, switch_started_at=story.at(21.9)).snapshot(26.1)

    (visit,) = story.live.ledger.visits()
    assert (visit.outcome, visit.wait_ms) == (Outcome.LOST, 10_000)


def test_who_was_listed_after_the_start_was_not_lost_by_it():
    story = Scenario().connected(0).entered(10, "anna").connected(20, switch_started_at=Scenario().at(15))
    story.snapshot(20, "anna", waited=10).snapshot(30)

    (visit,) = story.live.ledger.visits()
    assert visit.outcome is Outcome.UNKNOWN


def test_the_finer_source_decides_who_hung_up_and_who_was_cut_off_by_a_restart():
    story = Scenario().entered(0.2, "anna").left(29.7, "anna", "lost")
    logged(story, CallEntered, 0.2, "luleå:anna@log")
    logged(story, CallLeft, 29.7, "luleå:anna@log", outcome=LeftOutcome.ABANDONED)

    assert [v.outcome for v in story.visits()] == [Outcome.LOST]


def test_a_log_alone_takes_back_a_hang_up_that_was_a_restart():
    story = Scenario()
    logged(story, CallEntered, 0, "luleå:anna@log")
    logged(story, CallLeft, 29, "luleå:anna@log", outcome=LeftOutcome.ABANDONED)
    logged(story, CallLeft, 30, "luleå:anna@log", outcome=LeftOutcome.LOST, outcome_basis=OutcomeBasis.INFERRED)

    assert [v.outcome for v in story.visits()] == [Outcome.LOST]


# ---- 10.13 two sources of one call


@pytest.mark.parametrize("first", ["manager", "log"])
def test_two_sources_of_one_call_make_one_visit_whichever_speaks_first(first: str):
    story = Scenario()

    def manager() -> None:
        story.entered(0.7, "anna").left(40.9, "anna", "exit_key", outcome_basis=OutcomeBasis.INFERRED)

    def log() -> None:
        logged(story, CallEntered, 0.7, "luleå:anna@log")
        logged(story, CallLeft, 40.9, "luleå:anna@log", outcome=LeftOutcome.EXIT_KEY, key="1")

    for tell in (manager, log) if first == "manager" else (log, manager):
        tell()
    anna = story.visits()

    assert len(anna) == 1
    assert (anna[0].outcome, anna[0].key, anna[0].wait_ms) == (Outcome.EXIT_KEY, "1", 40_200)
    assert anna[0].outcome_basis is OutcomeBasis.STATED
    assert anna[0].visit_id == "luleå:anna@kundcenter"


def test_the_log_knows_that_a_withdrawn_caller_was_promised_a_callback():
    story = Scenario().entered(0.5, "anna").left(5.5, "anna", "withdrawn")
    logged(story, CallEntered, 0.5, "luleå:anna@log")
    logged(story, CallLeft, 5.5, "luleå:anna@log", outcome=LeftOutcome.CALLBACK)

    assert story.visit("anna").outcome is Outcome.CALLBACK


def test_a_wait_with_a_fine_start_and_a_coarse_end_is_read_in_the_middle_of_its_second():
    story = Scenario().entered(0.2, "anna")
    logged(story, CallEntered, 0.2, "luleå:anna@log")
    logged(story, CallLeft, 40.9, "luleå:anna@log", outcome=LeftOutcome.TIMEOUT)
    anna = story.visit("anna")

    assert anna.wait_ms == 40_300
    assert anna.precision_ms == 1000


def test_two_switches_that_number_their_calls_alike_are_not_mixed():
    story = Scenario()
    for switch in ("norr", "syd"):
        ids = {"visit": "1795.1@1", "leg_id": "1795.1", "contact_id": f"{switch}:1795.1"}
        story.entered(0, "anna", source=f"urn:kc:asterisk_ami:{switch}", switch=switch, **ids)
    story.left(9, "anna", visit="1795.1@1", source="urn:kc:asterisk_ami:syd", switch="syd")

    assert sorted((v.switch, v.outcome.value) for v in story.visits()) == [("norr", "waiting"), ("syd", "abandoned")]


# ---- refused


def test_a_refused_caller_is_counted_but_never_entered():
    story = Scenario().entered(0, "bo").answered(5, "bo").refused(10, "anna", "full").refused(11, "cia", "no_agents")
    counts = story.counts(60)

    assert (counts.entered, counts.refused, counts.dialled) == (1, 2, 3)
    assert (counts.refused_full, counts.refused_no_agents) == (1, 1)


@pytest.mark.parametrize("first", ["unknown", "växel"])
def test_a_refused_caller_is_counted_once_where_only_one_source_names_the_queue(first: str):
    second = "växel" if first == "unknown" else "unknown"
    story = Scenario().refused(10, "anna", queue=first).refused(10.05, "anna", queue=second)
    story.refused(10.05, "bo", queue=second)

    assert story.counts(60).refused == 2


@pytest.mark.parametrize("first", ["unknown", "växel"])
def test_a_refused_caller_is_counted_in_the_queue_that_one_source_names(first: str):
    second = "växel" if first == "unknown" else "unknown"
    story = Scenario()
    story.live.note_changes(True)
    story.refused(10, "anna", "unknown", queue=first).refused(10.05, "anna", "full", queue=second)
    _, records = story.live.take_records()

    assert [(refusal.queue, refusal.reason) for refusal in story.live.ledger.refusals()] == [
        ("växel", RefusalReason.FULL)
    ]
    assert (story.counts(60).refused_full, story.counts(60, "växel").refused) == (1, 1)
    assert [record.placed.queue for record in records] == ["växel"]


@pytest.mark.parametrize("log_first", [False, True])
@pytest.mark.parametrize("seconds_later", [-0.7, 20])
def test_a_refusal_is_of_the_finer_clock_whichever_source_tells_of_it_first(log_first: bool, seconds_later: float):
    story = Scenario()
    its: dict[str, Any] = {"contact_id": "luleå:anna", "queue": "kundcenter", "reason": RefusalReason.FULL}
    its |= {"source": LOG, "live": False, "time_precision_ms": 1000}
    tell = [
        lambda: story.refused(10.7, "anna", queue="unknown"),
        lambda: story._tell(CallRefused, whole(10.7 + seconds_later), **its),
    ]
    for each in tell[::-1] if log_first else tell:
        each()

    (refusal,) = story.live.ledger.refusals()
    assert (refusal.source, refusal.at, refusal.precision_ms) == (SOURCE, story.at(10.7), 1)
    assert (refusal.queue, story.counts(60).refused) == ("kundcenter", 1)


def test_a_refusal_that_is_named_later_replaces_what_was_written_down():
    story = Scenario()
    story.live.note_changes(True)
    story.refused(10, "anna", queue="unknown").live.take_records()
    _, records = story.refused(10.05, "anna", queue="växel").live.take_records()

    assert [(record.placed.queue, record.is_counted) for record in records] == [("unknown", False), ("växel", True)]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("entered", [12, 300])
def test_who_is_refused_by_one_queue_and_gets_into_another_in_the_same_call_was_not_refused(order: int, entered: int):
    story = Scenario()
    story.live.note_changes(True)
    tell = [lambda: story.refused(10, "anna", queue="växel"), lambda: story.entered(entered, "anna", "bygglov")]
    for each in (tell, tell[::-1])[order]:
        each()
        story.live.settle()
    story.refused(10.05, "anna", queue="unknown")  # the other source, in whatever order
    story.answered(entered + 4, "anna", "bygglov").refused(12, "bo", queue="växel")
    _, records = story.live.take_records()
    counts = story.counts(400)

    assert (counts.dialled, counts.entered, counts.refused) == (2, 1, 1)
    assert [record.refusal.leg_id for record in records] == ["luleå:bo"]


@pytest.mark.parametrize("by", ["a list", "the answer", "the end"])
def test_who_is_refused_and_gets_into_a_queue_while_nobody_listens_was_not_refused(by: str):
    def tell(story: Scenario) -> Scenario:
        if by == "a list":
            return story.snapshot(30, "anna", queue="bygglov", waited=18)
        fields = {"agent_id": "luleå:bo"} if by == "the answer" else {"outcome": LeftOutcome.TIMEOUT}
        kind = CallAnswered if by == "the answer" else CallLeft
        return logged(story, kind, 30, "luleå:anna@~12", queue="bygglov", wait_ms_reported=18_000, **fields)

    then = tell(Scenario().refused(10, "anna", queue="växel"))
    before = tell(Scenario()).refused(10, "anna", queue="växel")

    for story in (then, before):
        assert (story.counts(400).dialled, story.counts(400).refused) == (1, 0)


def test_who_was_put_on_to_a_queue_that_is_full_had_got_in():
    story = Scenario().entered(0, "anna").answered(9, "anna").completed(60, "anna").refused(60.5, "anna", queue="växel")

    assert (story.counts(70).dialled, story.counts(70).refused) == (1, 0)


def test_who_calls_again_next_day_under_the_same_id_was_refused_the_day_before():
    story = Scenario().refused(10, "anna", queue="växel").entered(24 * 3600, "anna")

    assert len(list(story.live.ledger.refusals())) == 1


@pytest.mark.parametrize("log_first", [False, True])
def test_a_refusal_that_the_log_tells_of_after_an_announcement_is_the_same(log_first: bool):
    story = Scenario()
    told = [(10, SOURCE), (30, SOURCE), (14, LOG), (34, LOG)]
    for at, source in told[2:] + told[:2] if log_first else told:
        story.refused(at, "anna", queue="växel", source=source)

    assert story.counts(60).refused == 2


def test_a_caller_refused_by_two_queues_is_refused_by_both():
    story = Scenario().refused(10, "anna", queue="växel").refused(10.05, "anna", queue="bygglov")

    assert story.counts(60).refused == 2


def test_the_day_is_never_within_target_while_many_were_refused():
    story = Scenario().connected(-7200)
    for caller in range(30):
        story.entered(caller, f"c{caller}").answered(caller + 1, f"c{caller}")
    story.refused(40, "anna")
    verdict = decided(story.live.snapshot(story.at(60))).total.verdict

    assert story.day(60).headline == 1.0
    assert (verdict.status, verdict.reason) == (Status.AT_RISK, StatusReason.MANY_REFUSED)


# ---- opening hours


OPENING = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def test_a_caller_from_before_opening_is_judged_from_opening_and_listed_apart():
    story = Scenario(start=OPENING).entered(-600, "anna").answered(290, "anna")
    counts = story.counts(400)

    assert (counts.answered_in_time, counts.early) == (1, 1)
    assert story.day(400).waits.max_seconds == 290


def test_a_caller_settled_before_opening_is_outside_hours():
    story = Scenario(start=OPENING).entered(-600, "anna").left(-60, "anna")
    day = story.day(400)

    assert (day.counts.entered, day.outside_hours.abandoned) == (0, 1)


def test_a_caller_who_enters_at_seventeen_is_outside_hours_and_a_second_before_is_not():
    closing = OPENING + timedelta(hours=9)
    story = Scenario(start=closing).entered(-1, "anna").answered(200, "anna").entered(0, "bo").answered(9, "bo")
    day = story.day(400)

    assert (day.counts.answered, day.outside_hours.answered) == (1, 1)


def test_entered_16_58_and_answered_17_04_belongs_to_the_hour_it_entered():
    story = Scenario(start=OPENING + timedelta(hours=8, minutes=58)).entered(0, "anna").answered(360, "anna")
    hours = HeldCalls(story.live).intervals(
        story.at(400), OPENING, OPENING + timedelta(hours=10), "hour", Level.CONTACT, None
    )

    assert [period.counts.answered_late for period in hours] == [0] * 8 + [1, 0]


# ---- the feed


def test_a_source_that_is_down_makes_its_queues_no_data():
    story = Scenario().connected(-60).entered(0, "anna").answered(2, "anna").disconnected(10)
    verdict = decided(story.live.snapshot(story.at(20))).total.verdict

    assert (verdict.status, verdict.reason) == (Status.NO_DATA, StatusReason.SOURCE_DOWN)


def test_before_anything_is_heard_there_is_no_data_and_no_number():
    snapshot = decided(Scenario().live.snapshot(TEN))

    assert snapshot.total.verdict.status is Status.NO_DATA
    assert snapshot.total.periods["day"].headline is None


def test_the_same_event_twice_counts_once():
    story = Scenario().entered(0, "anna").answered(5, "anna")
    for event in list(story.events):
        story.live.apply(event)

    assert story.counts(60).entered == 1
    assert story.live.events["duplicate"] == 2


def test_queue_names_differ_only_in_case_for_a_switch_that_does_not_care():
    story = Scenario().entered(0, "anna", queue="Kundcenter").entered(1, "bo", queue="kundcenter")

    assert [queue.name for queue in story.live.snapshot(story.at(5)).queues] == ["Kundcenter"]
    assert len(story.live.snapshot(story.at(5)).queues[0].waiting) == 2


@pytest.mark.parametrize(("offset_ms", "entered"), [(29_000.0, 45.0), (45_000.0, 0.0), (-45_000.0, 0.0)])
def test_a_switch_whose_clock_is_far_off_is_timed_by_ours(offset_ms: float, entered: float):
    """The switch writes 45 s; by our clock it was 0 s."""
    story = Scenario()._tell(SourceClock, -35, offset_ms=offset_ms)._tell(SourceClock, -5, offset_ms=offset_ms)
    for kind, at in ((CallEntered, 0), (CallAnswered, 20)):
        story.add(
            kind(
                id=f"{kind.__name__}",
                source=SOURCE,
                switch="luleå",
                observed_at=story.at(at),
                switch_time=story.at(45 + at),
                visit_id="luleå:anna@kundcenter",
                queue="kundcenter",
                leg_id="luleå:anna",
            )
        )
    anna = story.visit("anna")

    assert anna.entered_at == story.at(entered)
    assert anna.wait_ms == 20_000
    assert anna.time_basis is (TimeBasis.MONITOR if abs(offset_ms) > 30_000 else TimeBasis.SWITCH)


# ---- an illegal step is counted, never an error


def test_ends_without_beginnings_and_answers_after_the_end_do_no_harm():
    story = (
        Scenario().left(5, "ghost").completed(6, "phantom").entered(10, "anna").left(20, "anna").answered(21, "anna")
    )

    assert story.live.events["orphan"] == 2
    assert len(story.visits()) == 3


def test_to_ask_after_a_call_that_nobody_has_heard_of_works_out_nothing(monkeypatch: pytest.MonkeyPatch):
    story = Scenario().entered(0, "anna", visit="luleå:besök", leg_id="luleå:ben")
    worked_out: list[str] = []
    monkeypatch.setattr(Ledger, "_settle", lambda self: worked_out.append("all"))

    assert not story.live.is_open("luleå", "luleå:bo")
    assert worked_out == []
    monkeypatch.undo()
    assert all(story.live.is_open("luleå", known) for known in ("luleå:besök", "luleå:ben"))


def test_a_leg_that_a_list_joins_to_another_is_open_no_more():
    story = Scenario().connected(-600).snapshot(0, "beata").entered(0, "anna")

    story.snapshot(10, "beata", waited=10, complete=True).snapshot(20, "beata", waited=20, complete=True)

    assert [visit.leg_id for visit in story.live.ledger.visits()] == ["luleå:anna"]


# ---- lists that name no visit


def test_a_list_that_counts_the_wait_from_the_beginning_of_the_call_makes_no_second_stay():
    story = Scenario().entered(100, "anna").snapshot(110, "anna", waited=110).snapshot(140, "anna", waited=140)
    story.answered(150, "anna")

    (visit,) = story.visits()
    assert (visit.outcome, visit.wait_ms) == (Outcome.ANSWERED, 50_000)


def test_a_caller_whom_the_lists_of_two_queues_name_with_one_wait_stands_in_both():
    story = Scenario().snapshot(20, "anna", waited=15).snapshot(25, "anna", waited=20, queue="bygglov").snapshot(25)

    assert {visit.queue: visit.outcome for visit in story.visits()} == {
        "kundcenter": Outcome.UNKNOWN,
        "bygglov": Outcome.WAITING,
    }


@pytest.mark.parametrize("later", [None, 31, 40, 300])
def test_a_list_after_the_answer_takes_no_wait_away(later: float | None):
    story = Scenario().entered(0, "anna").entered(10, "anna", queue="bygglov").snapshot(20, "anna", waited=20)
    story.answered(30, "anna", queue="bygglov")
    if later is not None:
        story.snapshot(later)

    (contact,) = story.live.ledger.contacts()
    assert (contact.outcome, contact.wait_ms) == (Outcome.ANSWERED, 30_000)


def calls_of(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[object]:
    """Return a list that grows with each call of a function from now on."""
    calls, function = list[object](), getattr(module, name)

    def noted(*told: object) -> object:
        calls.append(told)
        return function(*told)

    monkeypatch.setattr(module, name, noted)
    return calls


def test_a_caller_who_comes_back_a_thousand_times_is_held_against_the_stays_near_by(monkeypatch: pytest.MonkeyPatch):
    """A dialplan sends a waiting caller back into the queue every ten seconds."""
    story = Scenario()
    for at in range(1_000):
        story.entered(10 * at, "anna", visit=f"v{at}").left(10 * at + 9, "", "timeout", visit=f"v{at}")
    compared = calls_of(monkeypatch, matching, "_gap")

    assert len(list(story.live.ledger.visits())) == 1_000
    assert len(compared) < 10 * 1_000


def test_a_caller_who_is_refused_a_thousand_times_is_held_against_the_refusals_near_by(
    monkeypatch: pytest.MonkeyPatch,
):
    compared = calls_of(monkeypatch, refusals, "_may_be_one_queue")
    story = Scenario()
    for at in range(1_000):
        story.refused(10 * at, "anna")

    assert len(list(story.live.ledger.refusals())) == 1_000
    assert len(compared) < 20 * 1_000
