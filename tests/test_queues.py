"""What pools are called, also where a queue has a plus in its own name."""

from datetime import timedelta

import msgspec
import pytest

from alerts.episodes import State
from alerts.lifecycle import advance
from alerts.people import Recipient
from alerts.rules import read, scopes
from queue_monitor.core.live import Live
from queue_monitor.core.windows import Calendars
from queue_monitor.forecast.forecaster import Forecaster, Learned, LearnedByPool, decode_learned, encode_learned, recall
from queue_monitor.model import Alert, AlertKind, Target
from queue_monitor.queues import Pool, pool_of
from tests.alerts.moments import at, queue, snapshot
from tests.scenario import Scenario, office_hours

PLUS = "Bygg + miljö"


def waits_long(name: str, *others: str) -> Alert:
    """The alert of somebody who waits long in a queue, or in a pool of several."""
    now, queues = at(60), (name, *others)
    face = queue(now, pool_of(queues).name, waits=(1200,))
    face = msgspec.structs.replace(face, queues=queues)
    state = State()
    for minute in range(3):
        moment = snapshot(now, face)
        pools = [Pool(scope.name, scope.queues) for scope in scopes(moment)]
        state, changed = advance(state, read(moment), now + timedelta(minutes=minute), scopes=pools)
        for alert in changed:
            if alert.kind is AlertKind.LONG_WAIT:
                return alert
    raise AssertionError("no alert")


@pytest.mark.parametrize(
    ("of", "asked", "told"),
    [
        ((PLUS,), PLUS, True),
        ((PLUS,), "BYGG + MILJÖ", True),
        ((PLUS,), "Bygg", False),
        ((PLUS, "växel"), PLUS, True),
        ((PLUS, "växel"), "miljö", False),
        (("Bygg", "miljö"), "miljö", True),
    ],
)
def test_whoever_asks_for_a_queue_is_told_of_it_and_of_its_pools_only(of: tuple[str, ...], asked: str, told: bool):
    person = Recipient(name="ledare", channel="sms", queues=frozenset({asked}))

    assert person.wants(waits_long(*of)) is told


def test_no_pool_is_named_like_another_or_like_a_queue():
    story = Scenario()
    for number, (agent, queues) in enumerate({"eva": ("a", "b"), "bo": ("a + b",), "li": ("c", "d + e")}.items()):
        story.agent(number, agent, "available", *queues)
    for caller, name in enumerate(("a", "b", "a + b", "c", "d + e")):
        story.entered(10, str(caller), name)
    names = {pool.name: pool.queues for pool in story.live.scopes()}

    assert names == {"(a + b)": ("a", "b"), "a + b": ("a + b",), "c + (d + e)": ("c", "d + e")}
    assert pool_of(["c + d", "e"]).name != pool_of(["c", "d + e"]).name


def test_an_alert_written_before_its_queues_were_is_read_with_those_of_its_name():
    written = msgspec.to_builtins(waits_long("Bygg", "växel"))
    del written["queues"]

    assert msgspec.convert(written, Alert).queues == ("Bygg", "växel")


def test_a_queue_with_a_plus_in_its_name_is_learned_of_as_one_queue_over_a_restart():
    kept: LearnedByPool = {pool_of(queues).keys: Learned(queues=queues) for queues in [(PLUS,), (PLUS, "växel")]}
    again = Live(Scenario().rules, Forecaster(Target(), Calendars(office_hours())))
    recall(again, decode_learned(encode_learned(kept)), at(0))

    assert again.queues() == [PLUS, "växel"]
    assert again.scopes() == [pool_of([PLUS, "växel"])]
