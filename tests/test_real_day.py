"""A real Asterisk's day, event by event: bounds hold, calls add up, and no order or repetition changes anything."""

import random
from datetime import timedelta

import pytest

from queue_monitor.app import registry
from queue_monitor.core.contacts import ContactHistory
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.service_level import DEFINITIONS, judge, ratio
from queue_monitor.events import Event
from queue_monitor.model import Counts, DefinitionId, Outcome
from queue_monitor.ports import Rejected
from queue_monitor.replay.recording import play
from tests.scenario import Scenario
from tests.truth import RECORDINGS, SESSIONS


def events_of(*kinds: str) -> list[Event]:
    files = {
        "asterisk_ami": [RECORDINGS / f"{session}.raw.gz" for session in SESSIONS],
        "asterisk_queuelog": [RECORDINGS / "queue_log"],
    }
    recordings = [registry.build_recording(kind, files[kind], "växel", "växel") for kind in kinds]
    return [item for delivery in play(recordings) for item in delivery.items if not isinstance(item, Rejected)]


@pytest.fixture(scope="module")
def merged() -> list[Event]:
    return events_of("asterisk_ami", "asterisk_queuelog")


def applied(events: list[Event], rules: Rules) -> Live:
    live = Live(rules)
    for event in events:
        live.apply(event)
    return live


def stories(live: Live) -> dict[str, ContactHistory]:
    return {story.contact.contact_id: story for story in live.ledger.histories()}


@pytest.mark.parametrize("seed", range(4))
def test_two_sources_shuffled_within_two_seconds_and_doubled_give_the_same_ledger(merged: list[Event], seed: int):
    rules = Scenario().rules
    chance = random.Random(seed)
    disturbed = sorted(
        merged + merged[::3], key=lambda event: event.observed_at + timedelta(seconds=chance.uniform(0, 2))
    )

    assert stories(applied(disturbed, rules)) == stories(applied(merged, rules))


@pytest.mark.parametrize("kinds", [("asterisk_ami",), ("asterisk_queuelog",), ("asterisk_ami", "asterisk_queuelog")])
@pytest.mark.parametrize("limit", [15, 300])
def test_the_truth_lies_between_floor_and_ceiling_at_every_step(kinds: tuple[str, ...], limit: int):
    events = events_of(*kinds)
    rules = Scenario(limit_seconds=limit, short_abandon_seconds=5).rules
    outcomes = {contact.contact_id: contact for contact in applied(events, rules).ledger.contacts()}
    live = Live(rules)
    steps = 0
    for number, event in enumerate(events):
        live.apply(event)
        if number % 7:
            continue
        day = live.snapshot(max(e.observed_at for e in events[: number + 1])).total.periods["day"]
        counts = Counts()
        for contact in live.ledger.contacts():
            ended = outcomes.get(contact.contact_id, contact)
            if ended.outcome is not Outcome.WAITING:
                counts += Counts(**{judge(ended.outcome, ended.wait_ms, rules.target): 1})
        truth = ratio(DEFINITIONS[DefinitionId.D2](counts))
        if truth is not None and day.floor is not None and day.ceiling is not None and not counts.unjudged:
            steps += 1
            assert day.floor - 1e-12 <= truth <= day.ceiling + 1e-12, (number, event)
    assert steps > 20


def test_every_visit_is_counted_once_at_every_step(merged: list[Event]):
    live = Live(Scenario().rules)
    for number, event in enumerate(merged):
        live.apply(event)
        if number % 25 == 0:
            visits = list(live.ledger.visits())
            counts = live.snapshot(event.observed_at).total.visits_today.counts

            assert counts.entered == len(visits)
            assert counts.waiting == sum(visit.outcome is Outcome.WAITING for visit in visits)
            assert counts.lost == sum(visit.outcome is Outcome.LOST for visit in visits)
