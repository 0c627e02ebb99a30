"""Whatever order, repetition or interruption: the same ledger, each call once, the truth between the bounds."""

import random
from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.held_calls import HeldCalls
from queue_monitor.core.live import Live
from queue_monitor.core.series import FIELDS
from queue_monitor.core.service_level import DEFINITIONS, judge, ratio
from queue_monitor.events import EntryReason, Event, LeftOutcome, decode, encode
from queue_monitor.model import Counts, DefinitionId, Level, Outcome
from tests.examples import examples
from tests.scenario import Scenario

WAYS = (
    "answered",
    "abandoned",
    "timeout",
    "exit_key",
    "no_agents",
    "overflow",
    "transfer",
    "again",
    "waits",
    "refused",
)


@st.composite
def days(draw: st.DrawFn) -> Scenario:
    """A stretch of a kundcenter's day: callers who end in every way, some still waiting."""
    story = Scenario().connected(-3600)
    tellings: list[tuple[float, int, str, tuple[object, ...], dict[str, object]]] = []

    def tell(at: float, verb: str, *words: object, **fields: object) -> None:
        tellings.append((at, len(tellings), verb, words, fields))

    for number in range(draw(st.integers(1, 12))):
        who, way = f"c{number}", draw(st.sampled_from(WAYS))
        begins = draw(st.floats(0, 900).map(lambda s: round(s, 3)))
        waits = draw(st.sampled_from((1.5, 19.999, 20.0, 120.25, 299.999, 300.0, 300.001, 420.0)))
        ends = round(begins + waits, 3)
        if way == "refused":
            tell(begins, "refused", who)
            continue
        tell(begins, "entered", who)
        if way in ("answered", "transfer"):
            tell(ends, "answered", who)
            tell(ends + 60, "completed", who)
        elif way in ("overflow", "again"):
            tell(ends, "left", who, "timeout")
            queue, visit = ("bygglov", "") if way == "overflow" else ("kundcenter", f"luleå:{who}@again")
            tell(ends + 0.001, "entered", who, queue=queue, visit=visit)
            tell(ends + 30.001, "answered", who, queue=queue, visit=visit)
        elif way != "waits":
            tell(ends, "left", who, way)
        if way == "transfer":
            tell(ends + 60, "entered", who, queue="bygglov")
            tell(ends + 90, "left", who, "abandoned", queue="bygglov")
    for at, _, verb, words, fields in sorted(tellings):
        getattr(story, verb)(at, *words, **fields)
    return story


def ledger_of(events: list[Event], story: Scenario) -> list[ContactHistory]:
    live = Live(story.rules)
    for event in events:
        live.apply(event)
    return stories_of(live)


def stories_of(live: Live) -> list[ContactHistory]:
    return sorted(live.ledger.histories(), key=lambda story: story.contact.contact_id)


def shuffled_within(seconds: float, events: list[Event], seed: int) -> list[Event]:
    """Each event late by up to so much: two of them change places only when they lie closer than that."""
    chance = random.Random(seed)
    return sorted(events, key=lambda event: event.at + timedelta(seconds=chance.uniform(0, seconds)))


@examples(150, deadline=None)
@given(days(), st.integers(0, 2**32))
def test_events_shuffled_within_two_seconds_and_doubled_give_the_same_ledger(story: Scenario, seed: int):
    disturbed = shuffled_within(2, story.events + story.events[::2], seed)

    assert ledger_of(disturbed, story) == ledger_of(story.events, story)


@examples(150, deadline=None)
@given(days(), st.randoms())
def test_events_in_any_order_give_the_same_ledger_and_each_call_is_counted_once(story: Scenario, chance: random.Random):
    in_order, disturbed = Live(story.rules), Live(story.rules)
    events = list(story.events)
    chance.shuffle(events)
    for event in story.events:
        in_order.apply(event)
    for event in events:
        disturbed.apply(event)

    assert stories_of(disturbed) == stories_of(in_order)
    at = story.at(2000)
    for level in Level:
        counts = [
            HeldCalls(live).intervals(at, story.at(-3600), at, "tertial", level, None)[0].counts
            for live in (disturbed, in_order)
        ]
        assert counts[0] == counts[1]
    assert disturbed.windows.totals() == in_order.windows.totals()


@examples(60, deadline=None)
@given(days(), st.data())
def test_killed_at_any_event_and_rebuilt_from_the_journal_gives_the_same_figures(story: Scenario, data: st.DataObject):
    cut = data.draw(st.integers(0, len(story.events)))
    rebuilt = Live(story.rules)
    for event in story.events[:cut]:
        rebuilt.apply(decode(encode(event)))
    for event in story.events[max(0, cut - 3) :]:
        rebuilt.apply(event)

    assert stories_of(rebuilt) == stories_of(story.live)
    at = story.at(2000)
    assert rebuilt.snapshot(at).total == story.live.snapshot(at).total


@examples(60, deadline=None)
@given(days(), st.integers(0, 2**32))
def test_entered_is_answered_and_left_and_waiting_at_every_step(story: Scenario, seed: int):
    live = Live(story.rules)
    entered: set[str] = set()
    for event in story.events:
        live.apply(event)
        if event.__class__.__name__ == "CallEntered":
            entered.add(event.visit_id)  # type: ignore[attr-defined]
        visits = list(live.ledger.visits())
        by_outcome = {outcome: sum(v.outcome is outcome for v in visits) for outcome in Outcome}
        counts = live.snapshot(event.at).total.visits_today.counts

        assert len(visits) == len(entered)
        assert counts.entered == len(entered)
        assert counts.answered == by_outcome[Outcome.ANSWERED]
        assert counts.waiting == by_outcome[Outcome.WAITING]
        assert counts.abandoned == by_outcome[Outcome.ABANDONED]
        for outcome in (Outcome.TIMEOUT, Outcome.OVERFLOW, Outcome.EXIT_KEY, Outcome.NO_AGENTS):
            assert getattr(counts, outcome.value) == by_outcome[outcome]


@examples(60, deadline=None)
@given(days(), st.sampled_from(DefinitionId))
def test_the_truth_lies_between_floor_and_ceiling_at_every_step(story: Scenario, definition: DefinitionId):
    """The truth at a step: how those who had entered by then came out in the end."""
    rules = Scenario(definition=definition).rules
    full = Live(rules)
    for event in story.events:
        full.apply(event)
    live = Live(rules)
    for event in story.events:
        live.apply(event)
        day = live.snapshot(event.at).total.periods["day"]
        known = {contact.contact_id for contact in live.ledger.contacts()}
        truth = share_of(full, known, definition)
        if truth is not None and day.floor is not None and day.ceiling is not None:
            assert day.floor <= truth <= day.ceiling


def share_of(full: Live, contacts: set[str], definition: DefinitionId) -> float | None:
    counts = Counts()
    for contact in full.ledger.contacts():
        if contact.contact_id in contacts:
            waits_for_ever = contact.outcome is Outcome.WAITING
            field = "waiting_late" if waits_for_ever else judge(contact.outcome, contact.wait_ms, full.rules.target)
            counts += Counts(**{field: 1})
    return ratio(DEFINITIONS[definition](counts))


@examples(40, deadline=None)
@given(days())
def test_the_parts_of_a_day_add_up_to_the_day(story: Scenario):
    at = story.at(3000)
    start, end = story.at(-3600), story.at(7200)
    for level in Level:
        hours = HeldCalls(story.live).intervals(at, start, end, "hour", level, None)
        queues = [
            HeldCalls(story.live).intervals(at, start, end, "tertial", level, queue)[0].counts
            for queue in story.live.queues()
        ]
        whole = HeldCalls(story.live).intervals(at, start, end, "tertial", level, None)[0].counts

        assert sum((period.counts for period in hours), Counts()) == whole
        assert sum(queues, Counts()) == whole


def nonsense(chance: random.Random) -> Scenario:
    """What no switch would tell: ends without beginnings, two queues for one visit, snapshots of nobody, restarts."""
    story = Scenario()
    for number in range(chance.randrange(3, 30)):
        visit, who = f"v{chance.randrange(4)}", f"c{chance.randrange(3)}"
        at = chance.choice((-100, 0, 1, 60, 61, 120, 300, 301, 600)) + chance.randrange(3)
        queue = chance.choice(("kundcenter", "bygglov", "KundCenter"))
        leg = chance.choice(({"leg_id": ""}, {"leg_id": f"leg {chance.randrange(3)}"}))
        match chance.randrange(10):
            case 0 | 1 | 2:
                reason = chance.choice(list(EntryReason))
                story.entered(at, who, queue, visit, **leg, entry_reason=reason, start_known=chance.random() < 0.8)
            case 3 | 4:
                story.answered(at, who, queue, visit, **leg, agent_id=f"agent {number}")
            case 5 | 6:
                story.left(at, who, chance.choice(list(LeftOutcome)), queue, visit)
            case 7:
                story.completed(at, who, queue, visit)
            case 8:
                whose = [f"c{number}" for number in range(3) if chance.random() < 0.4]
                story.snapshot(at, *whose, queue=queue, waited=chance.choice((0, 10, 400)), complete=True)
            case _:
                story.restarted(at)
    return story


@examples(300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_is_told_the_counts_are_those_of_the_calls_in_the_ledger(chance: random.Random):
    story = nonsense(chance)
    live = Live(story.rules)
    for event in story.events:
        live.apply(event)
        windows, found = live.windows, {level: Counter[tuple[str, str]]() for level in Level}
        for contact in live.ledger.contacts():
            if contact.outcome is not Outcome.WAITING and (judged := windows.place_settled(contact)):
                found[Level.CONTACT][judged.place.queue, windows.field_of(contact, judged)] += 1
        for visit in live.ledger.visits():
            if visit.outcome is not Outcome.WAITING and (judged := windows.place_visit(visit, event.at)):
                found[Level.VISIT][
                    judged.place.queue, judge(visit.outcome, judged.wait_ms, windows.target_at(judged.place.minute))
                ] += 1

        start, end = story.at(-86_400), story.at(86_400)
        for level in Level:
            for queue in windows.queues():
                counts = sum(
                    (windows.counts(level, (queue,), start, end, inside) for inside in (True, False)), Counts()
                )
                names = {name for name in FIELDS if name != "early" and not name.startswith("by_")}
                counted = {(queue, name): number for name in names if (number := getattr(counts, name))}
                assert counted == {key: number for key, number in found[level].items() if key[0] == queue}
