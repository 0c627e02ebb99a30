"""A simulated day holds together: every caller ends somewhere, nobody is in two calls, and faults do what they say."""

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, datetime, time, timedelta
from functools import cache
from itertools import pairwise

import pytest
from msgspec import structs

from queue_monitor import events
from queue_monitor.events import (
    AgentActivity,
    AgentMember,
    AgentState,
    CallAnswered,
    CallCompleted,
    CallEntered,
    CallLeft,
    CallRefused,
    CallRingEnded,
    CallRinging,
    Event,
    MemberAction,
    QueueSnapshot,
    RefusalReason,
    SourceClock,
    SourceConnected,
    SourceDisconnected,
    SourceRestarted,
)
from queue_monitor.model import Outcome
from queue_monitor.simulation import (
    ZONE,
    ClockOffset,
    Config,
    Day,
    Duplicates,
    Fault,
    Kind,
    Losses,
    QueuePlan,
    Shuffle,
    SourceOutage,
    SwitchRestart,
    simulate,
)

MONDAY = date(2025, 3, 3)
FRIDAY = date(2025, 3, 7)
SATURDAY = date(2025, 3, 8)
EVERY_KIND = [kind for kind in Kind if kind is not Kind.CLOSED]


@cache
def day(kind: Kind = Kind.NORMAL, *faults: Fault, on: date = MONDAY, seed: int = 1, snapshot_seconds: int = 0) -> Day:
    return simulate(Config(date=on, seed=seed, kind=kind, faults=faults, snapshot_seconds=snapshot_seconds))


def local(clock: time, on: date = MONDAY) -> datetime:
    return datetime.combine(on, clock, ZONE)


def fingerprint(config: Config) -> str:
    return hashlib.sha256(b"\n".join(map(events.encode, simulate(config).events))).hexdigest()


# callers


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_caller_who_entered_is_answered_or_leaves_and_does_so_once(kind: Kind) -> None:
    told = day(kind).events
    entered = [e.visit_id for e in told if isinstance(e, CallEntered)]
    ended = [e.visit_id for e in told if isinstance(e, CallAnswered | CallLeft)]

    assert len(set(entered)) == len(entered)
    assert sorted(entered) == sorted(ended)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_answered_call_is_completed_after_it_was_answered_and_no_other_is(kind: Kind) -> None:
    answered = {e.visit_id: e.at for e in day(kind).events if isinstance(e, CallAnswered)}
    completed = {e.visit_id: e.at for e in day(kind).events if isinstance(e, CallCompleted)}

    assert answered.keys() == completed.keys()
    assert all(answered[visit] < completed[visit] for visit in answered)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_every_ring_ends_once(kind: Kind) -> None:
    rings = [e.ring_id for e in day(kind).events if isinstance(e, CallRinging)]
    ended = [e.ring_id for e in day(kind).events if isinstance(e, CallRingEnded)]

    assert len(set(rings)) == len(rings)
    assert sorted(rings) == sorted(ended)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_the_truth_says_what_the_events_say(kind: Kind) -> None:
    told: Counter[str] = Counter()
    for event in day(kind).events:
        if isinstance(event, CallAnswered):
            told["answered"] += 1
        elif isinstance(event, CallLeft):
            told[event.outcome.value] += 1
        elif isinstance(event, CallRefused):
            told["refused"] += 1

    connected = [call for call in day(kind).calls if call.entered_at >= local(time(7, 45))]
    assert Counter(str(call.outcome) for call in connected) == told


def test_a_wait_in_the_truth_is_the_time_from_entering_to_the_answer() -> None:
    entered = {e.visit_id: e.at for e in day().events if isinstance(e, CallEntered)}
    waits = {
        e.visit_id: events.milliseconds(e.at - entered[e.visit_id])
        for e in day().events
        if isinstance(e, CallAnswered | CallLeft)
    }

    assert {call.visit_id: call.wait_ms for call in day().calls if call.visit_id} == waits


def test_nobody_gets_in_before_eight_or_after_five_and_those_who_wait_at_five_are_still_served() -> None:
    crowded = simulate(Config(date=MONDAY, kind=Kind.SHORTFALL, seed=4, calls_factor=1.2))
    entered = [e.at for e in crowded.events if isinstance(e, CallEntered) and e.entry_reason == "direct"]
    closed = [e.at for e in crowded.events if isinstance(e, CallRefused) and e.reason is RefusalReason.CLOSED]
    answered = [e.at for e in crowded.events if isinstance(e, CallAnswered)]

    assert local(time(8)) <= min(entered)
    assert max(entered) < local(time(17)) < max(answered)
    assert closed
    assert not any(local(time(8)) <= at < local(time(17)) for at in closed)


def test_somebody_who_would_have_waited_longer_hung_up_before() -> None:
    gave_up = [call for call in day(Kind.BURST).calls if call.outcome is Outcome.ABANDONED]

    assert all(call.offered_wait_ms is None or call.offered_wait_ms >= (call.wait_ms or 0) for call in gave_up)
    assert sum(call.offered_wait_ms is not None for call in gave_up) > 0.9 * len(gave_up)


def test_about_a_quarter_of_those_who_hang_up_ring_again_as_the_same_person() -> None:
    calls = day(Kind.BURST).calls
    gave_up = {c.contact_id for c in calls if c.outcome is Outcome.ABANDONED and c.redial_of is None}
    again = {c.redial_of: c.contact_id for c in calls if c.redial_of}
    person = {e.contact_id: e.caller for e in day(Kind.BURST).events if isinstance(e, CallEntered)}

    assert 0.15 < len(again) / len(gave_up) < 0.35
    assert again.keys() <= gave_up
    assert all(person[first] == person[second] for first, second in again.items() if first and second in person)


def test_every_outcome_is_seen_on_difficult_days() -> None:
    flood = simulate(Config(date=FRIDAY, kind=Kind.BURST, calls_factor=2))
    calls = [call for kind in EVERY_KIND for call in day(kind).calls] + flood.calls
    outcomes = {f"refused {call.refused}" if call.refused else str(call.outcome) for call in calls}

    assert outcomes >= {
        "answered",
        "abandoned",
        "timeout",
        "overflow",
        "exit_key",
        "refused closed",
        "refused full",
    }


def test_a_call_passed_on_to_the_experts_is_the_same_contact_in_a_new_visit() -> None:
    visits = {call.visit_id: call for call in day().calls}
    passed_on = [call for call in day().calls if call.entry_reason == "transfer"]

    assert 3 < len(passed_on) < 60
    for call in passed_on:
        before = visits[call.prev_visit_id or ""]
        assert (before.contact_id, before.outcome) == (call.contact_id, Outcome.ANSWERED)


# agents


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_no_agent_is_in_two_calls_at_once(kind: Kind) -> None:
    talks: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    answered = {e.visit_id: e for e in day(kind).events if isinstance(e, CallAnswered)}
    for event in day(kind).events:
        if isinstance(event, CallCompleted):
            talks[answered[event.visit_id].agent_id].append((answered[event.visit_id].at, event.at))

    for times in talks.values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(times)))


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_call_rings_and_is_answered_only_at_an_agent_who_is_there_and_serves_the_queue(kind: Kind) -> None:
    state: dict[str, AgentActivity] = {}
    serves: set[tuple[str, str]] = set()
    for event in day(kind).events:
        if isinstance(event, AgentState):
            state[event.agent_id] = event.state
        elif isinstance(event, AgentMember):
            change = serves.add if event.action is MemberAction.ADDED else serves.discard
            change((event.agent_id, event.queue))
        elif isinstance(event, CallRinging):
            assert state[event.agent_id] is AgentActivity.RINGING
            assert (event.agent_id, event.queue) in serves
        elif isinstance(event, CallAnswered):
            assert state[event.agent_id] is AgentActivity.BUSY


def test_everybody_has_gone_home_at_the_end_of_the_day() -> None:
    last = {event.agent_id: event.state for event in day().events if isinstance(event, AgentState)}

    assert set(last.values()) == {AgentActivity.LOGGED_OUT}


def test_between_six_and_sixteen_are_on_duty_while_it_is_open() -> None:
    on_duty: set[str] = set()
    counts = []
    for event in day(on=date(2025, 3, 5)).events:
        if isinstance(event, AgentState) and "expert" not in event.agent_id:
            (on_duty.discard if event.state is AgentActivity.LOGGED_OUT else on_duty.add)(event.agent_id)
            if local(time(8, 5), date(2025, 3, 5)) < event.at < local(time(16, 45), date(2025, 3, 5)):
                counts.append(len(on_duty))

    assert min(counts) >= 6
    assert max(counts) <= 18


def test_breaks_have_the_switchs_own_words_for_a_reason() -> None:
    reasons = {e.reason for e in day().events if isinstance(e, AgentState) and e.state is AgentActivity.PAUSED}

    assert {"lunch", "rast", "svarar ej"} <= reasons


def test_in_an_outage_no_phone_rings_for_twenty_five_minutes() -> None:
    outage = day(Kind.OUTAGE)
    assert outage.incident_at
    assert outage.incident_until
    kundcenter = [e.at for e in outage.events if isinstance(e, CallRinging)]

    assert outage.incident_until - outage.incident_at == timedelta(minutes=25)
    assert not any(outage.incident_at < at < outage.incident_until for at in kundcenter)


def test_a_shortfall_is_three_in_ten_fewer_agents() -> None:
    def at_work(kind: Kind) -> int:
        return len({e.agent_id for e in day(kind).events if isinstance(e, AgentMember) and e.queue == "kundcenter"})

    assert 0.55 <= at_work(Kind.SHORTFALL) / at_work(Kind.NORMAL) <= 0.85


def test_a_slow_day_talks_a_third_longer_once_it_has_begun() -> None:
    def mean_talk(kind: Kind) -> float:
        since = day(Kind.SLOW).incident_at
        assert since
        answered = {e.visit_id: e.at for e in day(kind).events if isinstance(e, CallAnswered) and e.at > since}
        ends = {e.visit_id: e.at for e in day(kind).events if isinstance(e, CallCompleted)}
        return sum((ends[visit] - at).total_seconds() for visit, at in answered.items()) / len(answered)

    assert mean_talk(Kind.SLOW) / mean_talk(Kind.NORMAL) == pytest.approx(1.35, abs=0.15)


# the numbers of a day


def test_a_week_has_the_calls_of_a_week_with_the_peak_in_the_morning() -> None:
    totals = []
    by_hour: Counter[int] = Counter()
    for number in range(5):
        dials = [
            call
            for week in range(2)
            for call in day(on=MONDAY + timedelta(days=number, weeks=week)).calls
            if call.visit_id and call.entry_reason == "direct"
        ]
        totals.append(len(dials) / 2)
        by_hour.update(call.entered_at.astimezone(ZONE).hour for call in dials)

    assert 850 < totals[0] < 1200
    assert 600 < totals[4] < 850
    assert {hour for hour, _ in by_hour.most_common(2)} == {9, 10}
    assert by_hour.keys() == set(range(8, 17))


def test_over_many_days_of_the_mix_nine_in_ten_are_answered_in_time_and_a_quarter_of_the_days_are_lost() -> None:
    # 800 days gave a mean of 91.5 % and 26 % lost; 20 days are a sample of them.
    weekdays = [MONDAY + timedelta(days=number // 5 * 7 + number % 5) for number in range(20)]
    shares = [simulate(Config(date=weekday, seed=11)).share() or 0.0 for weekday in weekdays]

    assert 0.87 < sum(shares) / len(shares) < 0.96
    assert 0.03 < sum(share < 0.9 for share in shares) / len(shares) < 0.5


def test_a_burst_brings_three_times_the_calls_while_it_lasts() -> None:
    start, end = day(Kind.BURST).incident_at, day(Kind.BURST).incident_until
    assert start
    assert end

    def during(kind: Kind) -> int:
        return sum(
            start <= call.entered_at < end
            for call in day(kind).calls
            if call.redial_of is None and call.entry_reason == "direct"
        )

    assert during(Kind.BURST) / during(Kind.NORMAL) == pytest.approx(3, rel=0.3)


def test_half_the_staff_is_a_worse_day_and_half_the_calls_a_better_one() -> None:
    shares = [
        simulate(Config(date=MONDAY, kind=Kind.NORMAL, staff_factor=staff, calls_factor=calls)).share() or 0.0
        for staff, calls in ((0.5, 1.0), (1.0, 1.0), (1.0, 0.5))
    ]

    assert shares == sorted(shares)
    assert shares[0] < 0.7


def test_twice_as_wild_days_differ_more_from_each_other_and_another_week_has_other_days() -> None:
    def calls(usual: Config) -> list[int]:
        return [len(simulate(structs.replace(usual, seed=seed)).calls) for seed in range(8)]

    usual = Config(date=MONDAY, kind=Kind.NORMAL)
    tame, wild = calls(usual), calls(structs.replace(usual, wildness=2.0))
    other = calls(structs.replace(usual, calls_by_weekday=(720, 820, 850, 890, 1000)))

    assert max(wild) - min(wild) > 1.4 * (max(tame) - min(tame))
    assert sum(other) / sum(tame) == pytest.approx(0.72, abs=0.06)


def test_one_queue_alone_works_too() -> None:
    alone = simulate(Config(date=MONDAY, queues=(QueuePlan(name="växeln", share=1.0, skill=1.0),)))

    assert {call.queue for call in alone.calls} == {"växeln"}
    assert (alone.share() or 0.0) > 0.5


def test_a_day_without_calls_has_no_share() -> None:
    assert day(on=SATURDAY).share() is None


@pytest.mark.parametrize("config", [Config(date=SATURDAY), Config(date=MONDAY, kind=Kind.CLOSED)])
def test_on_a_saturday_and_on_a_closed_day_nothing_happens(config: Config) -> None:
    quiet = simulate(config)

    assert quiet.kind is Kind.CLOSED
    assert not quiet.events
    assert not quiet.calls


# the same again


def test_the_same_seed_gives_the_same_bytes_in_another_process_with_another_hash_seed() -> None:
    program = (
        "import hashlib, datetime; from queue_monitor import events; from queue_monitor.simulation import *;"
        "d = simulate(Config(date=datetime.date(2025, 3, 7), snapshot_seconds=600, faults=(Duplicates(ratio=0.1),)));"
        "print(hashlib.sha256(b'\\n'.join(map(events.encode, d.events))).hexdigest())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)

    here = fingerprint(Config(date=FRIDAY, snapshot_seconds=600, faults=(Duplicates(ratio=0.1),)))
    assert there.stdout.strip() == here


def test_another_seed_and_another_date_give_another_day() -> None:
    days = {
        fingerprint(Config(date=FRIDAY)),
        fingerprint(Config(date=FRIDAY, seed=2)),
        fingerprint(Config(date=FRIDAY + timedelta(days=7))),
    }

    assert len(days) == 3


def test_without_a_kind_asked_for_most_days_are_normal_and_some_are_not() -> None:
    kinds = Counter(simulate(Config(date=FRIDAY, seed=seed, calls_factor=0.02)).kind for seed in range(120))

    assert 0.6 < kinds[Kind.NORMAL] / 120 < 0.84
    assert kinds.keys() == set(EVERY_KIND)


# what the switch tells


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_events_come_in_the_order_of_time_from_a_quarter_to_eight(kind: Kind) -> None:
    told = day(kind, snapshot_seconds=60).events

    assert isinstance(told[0], SourceConnected)
    assert told[0].at == local(time(7, 45))
    assert all(first.at <= second.at for first, second in pairwise(told))
    assert all(event.observed_at == event.at for event in told)


def test_every_event_has_its_own_id() -> None:
    told = day(Kind.BURST, SwitchRestart(at=time(10)), snapshot_seconds=60).events

    assert len({event.id for event in told}) == len(told)


def test_every_event_survives_the_wire() -> None:
    told = day(Kind.BURST, snapshot_seconds=600).events

    assert [events.decode(events.encode(event)) for event in told] == told


def test_no_event_holds_a_number_or_a_name_of_the_caller() -> None:
    callers = [e.caller for e in day().events if isinstance(e, CallEntered)]

    assert all(caller and (caller.withheld or (caller.pseudonym or "").isalpha()) for caller in callers)
    assert any(caller and caller.withheld for caller in callers)


def test_the_same_person_has_another_pseudonym_tomorrow() -> None:
    def seen(on: date) -> set[str | None]:
        return {e.caller.pseudonym for e in day(on=on).events if isinstance(e, CallEntered) and e.caller}

    assert seen(MONDAY) & seen(FRIDAY) == {None}


def test_a_snapshot_lists_exactly_those_who_wait() -> None:
    waiting: dict[str, list[str]] = defaultdict(list)
    seen = 0
    for event in day(Kind.BURST, snapshot_seconds=60).events:
        if isinstance(event, CallEntered):
            waiting[event.queue].append(event.visit_id)
        elif isinstance(event, CallAnswered | CallLeft):
            waiting[event.queue].remove(event.visit_id)
        elif isinstance(event, QueueSnapshot):
            assert [caller.visit_id for caller in event.waiting] == waiting[event.queue]
            seen += len(event.waiting)

    assert seen > 100


# what goes wrong on the way


def ids(told: list[Event]) -> list[str]:
    return [event.id for event in told]


def test_while_the_source_is_away_nothing_is_told_and_afterwards_it_says_who_waits() -> None:
    outage = SourceOutage(at=time(10), seconds=600)
    cut = day(Kind.BURST, outage).events
    gone, back = local(time(10)), local(time(10, 10))

    assert not [event for event in cut if gone < event.at < back]
    assert [type(e) for e in cut if e.at == back][:2] == [SourceConnected, QueueSnapshot]
    assert [e.at for e in cut if isinstance(e, SourceDisconnected)] == [gone]
    assert {e.epoch for e in cut if e.at < gone}.isdisjoint(e.epoch for e in cut if e.at > back)


def test_a_source_outage_changes_nothing_of_what_happens() -> None:
    assert day(Kind.BURST, SourceOutage(at=time(10), seconds=600)).calls == day(Kind.BURST).calls


def test_doubled_events_come_twice_with_the_same_id_and_nothing_else_changes() -> None:
    doubled = ids(day(Kind.NORMAL, Duplicates(ratio=0.1)).events)
    once = ids(day().events)

    assert set(doubled) == set(once)
    assert max(Counter(doubled).values()) == 2
    assert 1.08 < len(doubled) / len(once) < 1.12


def test_shuffled_events_are_the_same_ones_at_most_two_seconds_late() -> None:
    shuffled = day(Kind.NORMAL, Shuffle(seconds=2)).events

    assert sorted(ids(shuffled)) == sorted(ids(day().events))
    assert ids(shuffled) != ids(day().events)
    assert all(timedelta() <= event.observed_at - event.at <= timedelta(seconds=2) for event in shuffled)
    assert all(first.observed_at <= second.observed_at for first, second in pairwise(shuffled))


def test_nothing_is_shuffled_to_the_other_side_of_a_disconnection() -> None:
    both = day(Kind.NORMAL, SourceOutage(at=time(10), seconds=600), Shuffle(seconds=2)).events
    positions = {type(e): i for i, e in enumerate(both) if isinstance(e, SourceDisconnected | SourceConnected)}
    gone, back = positions[SourceDisconnected], positions[SourceConnected]

    assert back == gone + 1


def test_lost_events_are_missing_and_the_rest_is_untouched() -> None:
    left = ids(day(Kind.NORMAL, Losses(ratio=0.05)).events)
    kept = set(left)

    assert left == [event.id for event in day().events if event.id in kept]
    assert 0.93 < len(left) / len(day().events) < 0.97


def test_a_restart_of_the_switch_loses_those_who_wait_and_cuts_off_those_who_talk() -> None:
    restart = local(time(10))
    after = day(Kind.SHORTFALL, SwitchRestart(at=time(10)))
    told = [e for e in after.events if isinstance(e, SourceRestarted)]
    ended = {e.visit_id for e in after.events if isinstance(e, CallAnswered | CallLeft)}
    lost = [call for call in after.calls if call.outcome is Outcome.LOST]
    cut_off = [call for call in after.calls if call.outcome is Outcome.ANSWERED and call.completed_at is None]

    assert [e.at for e in told] == [restart]
    assert lost
    assert cut_off
    assert {call.visit_id for call in lost}.isdisjoint(ended)
    assert all(call.entered_at < restart for call in lost + cut_off)
    assert not [e for e in after.events if isinstance(e, CallAnswered) and 0 < (e.at - restart).total_seconds() < 20]


def test_a_clock_that_is_ahead_shows_in_the_switchs_times_and_is_told() -> None:
    ahead = day(Kind.NORMAL, ClockOffset(seconds=3)).events

    assert {event.at - event.observed_at for event in ahead} == {timedelta(seconds=3)}
    assert {event.offset_ms for event in ahead if isinstance(event, SourceClock)} == {3000.0}
