"""The forecast sees the callers, judgements and agents of the ledger, the windows and the board, at every step."""

import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from queue_monitor.app import registry
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.service_level import terms
from queue_monitor.core.windows import Calendars
from queue_monitor.events import Event
from queue_monitor.forecast.forecaster import Forecaster, forecaster_of
from queue_monitor.model import DefinitionId, ExitPolicy, Outcome, QueueNow, Target
from queue_monitor.ports import Rejected
from queue_monitor.queues import Pool
from queue_monitor.replay.recording import play
from queue_monitor.simulation import Config, Kind, simulate
from tests.core.test_properties import days
from tests.examples import examples
from tests.scenario import Scenario, office_hours
from tests.truth import RECORDINGS, SESSIONS

ELSEWHERE = RECORDINGS.parent
BLUR = timedelta(seconds=1)
"""A clock cut to whole seconds may put an end a little after it was heard."""

KINDS: dict[str, dict[str, list[Path]]] = {
    "ami": {"asterisk_ami": [RECORDINGS / f"{session}.raw.gz" for session in SESSIONS]},
    "queue_log": {"asterisk_queuelog": [RECORDINGS / "queue_log"]},
    "freeswitch": {"freeswitch": sorted((ELSEWHERE / "freeswitch").glob("0*.esl"))},
}
KINDS["ami and queue_log"] = KINDS["ami"] | KINDS["queue_log"]


def watched(rules: Rules) -> Live:
    return Live(rules, Forecaster(rules.target, Calendars(rules.calendar)))


def agree(live: Live, now: datetime) -> None:
    """Every pool and queue has the same callers, judgements and agents in the forecast as on the board."""
    shown = live.alert_snapshot(now)
    for face in (*shown.queues, *shown.pools):
        _agree(live, face, now)


def _agree(live: Live, face: QueueNow, now: datetime) -> None:
    forecaster = forecaster_of(live)
    assert forecaster is not None and forecaster.today is not None
    today = forecaster.today
    day = forecaster.day_of(Pool(face.name, face.queues), today)
    if day is None:
        return
    live.forecast_inputs(now)  # which tells the forecast who may have left unseen
    at = (now - today.midnight).total_seconds()
    seen, counts = day.state(at), face.periods["day"].counts
    judged = terms(counts)
    assert len(seen.waiting) == sum(not caller.doubtful for caller in face.waiting)
    assert seen.outcomes == (
        judged.in_time,
        judged.answered - judged.in_time,
        judged.abandoned_short,
        judged.abandoned_in_time,
        judged.abandoned_late,
        counts.left_otherwise,
        counts.waiting_late,
    )
    if seen.agents_known and face.staff.known:  # not so after a silence, until each agent has been heard of
        assert seen.logged_in_by_minute[-1] >= seen.agents
        assert int(seen.agents_by_minute[-1]) == face.staff.staffed - face.staff.paused + _unsure(live, face)


def _unsure(live: Live, face: QueueNow) -> int:
    """Agents of whom only is known that they are there: the board does not count them as staff."""
    queues = set(face.queues)
    unsure = (agent.queues for agent in live.agents.now() if agent.state == "unknown")
    return sum(not its or bool(queues & set(its)) for its in unsure)


def told(live: Live, events: Iterable[Event], every: int = 1) -> None:
    now = None
    for number, event in enumerate(events):
        live.apply(event)
        now = event.at if now is None else max(now, event.at)
        if number % every == 0:
            agree(live, now + BLUR)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_switch_is_the_same_to_the_forecast_as_to_the_board(kind: str) -> None:
    recordings = [
        registry.build_recording(name, files, "växel", "växel") for name, files in KINDS[kind].items() if files
    ]
    events = [item for delivery in play(recordings) for item in delivery.items if not isinstance(item, Rejected)]
    target = Target(limit_seconds=15, short_abandon_seconds=5)
    live = watched(Rules(calendar=office_hours(), target=target))

    told(live, events, every=max(1, len(events) // 400))

    forecaster = forecaster_of(live)
    assert forecaster is not None and forecaster.today is not None
    assert len(forecaster.today.calls) > 0


@examples(60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    days(), st.integers(0, 2**32), st.sampled_from([ExitPolicy(), ExitPolicy(excluded=frozenset({Outcome.EXIT_KEY}))])
)
def test_callers_of_every_kind_are_the_same_to_both_whatever_the_order(
    story: Scenario, seed: int, exit_policy: ExitPolicy
) -> None:
    rules = Rules(calendar=story.rules.calendar, target=story.rules.target, exit_policy=exit_policy)
    chance = random.Random(seed)
    events = sorted(story.events * 2, key=lambda event: event.at.timestamp() + chance.uniform(0, 300))

    told(watched(rules), events)


@pytest.mark.parametrize("kind", [Kind.BURST, Kind.SHORTFALL])
def test_a_simulated_day_is_the_same_to_both(kind: Kind) -> None:
    day = simulate(Config(date=date(2026, 11, 23), kind=kind))
    live = watched(Rules(calendar=office_hours(), target=Target(definition=DefinitionId.D3)))

    told(live, day.events, every=150)
