"""The rules that a user would otherwise set: what each says, and that it knows nothing of what is to come."""

import numpy as np
import pytest

from queue_monitor.backtest.baseline_rules import PLAIN_RULES, PastCall, PastDay, said_by, standings, ticks
from queue_monitor.backtest.scoring import MINUTE, AlertInterval

HOUR = 3600.0
RULES = {rule.name: rule for rule in PLAIN_RULES}


def call(entered: float, wait: float, missed: bool = False) -> PastCall:
    settled = entered + min(wait, 300.0)
    return PastCall("q", entered, entered + wait, True, True, missed, settled)


def day(*calls: PastCall) -> PastDay:
    return PastDay(opens=8 * HOUR, closes=10 * HOUR, calls=calls)


def steady(until: float = 10 * HOUR, every: float = 30.0) -> list[PastCall]:
    return [call(at, 10.0) for at in np.arange(8 * HOUR, until, every)]


def test_an_alert_eases_after_a_quarter_under_seven_tenths_of_its_level():
    moments = 2 * MINUTE * np.arange(12.0)
    values = np.array([0.0, 1.1, 0.8, 0.69, 0.71, *[0.5] * 7])

    assert standings(moments, values, 1.0, 9999.0) == (AlertInterval(2 * MINUTE, 9999.0),)
    longer = standings(np.append(moments, [24 * MINUTE, 26 * MINUTE]), np.append(values, [0.5, 0.5]), 1.0, 9999.0)
    assert longer == (AlertInterval(2 * MINUTE, 26 * MINUTE),)


def test_a_rolling_share_under_the_target_is_said_and_a_share_at_it_is_not():
    late = [call(8 * HOUR + 30.0 * n, 400.0, missed=n % 10 == 0) for n in range(240)]
    later = [call(8 * HOUR + 30.0 * n, 400.0, missed=n % 8 == 0) for n in range(240)]

    assert said_by(RULES["rolling 60 min"], day(*later), 0.9, 300.0)
    assert len(said_by(RULES["rolling 60 min"], day(*late), 0.95, 300.0)) == 1
    assert said_by(RULES["rolling 60 min"], day(*steady()), 0.9, 300.0) == ()


def test_a_caller_past_the_limit_is_said_at_the_next_look_and_counts_while_he_waits():
    waits = call(9 * HOUR + 30.0, 1000.0, missed=True)
    said = said_by(RULES["longest wait"], day(*steady(), waits), 0.9, 300.0)

    assert said[0].raised == 9 * HOUR + 7 * MINUTE  # looked at on odd minutes, from a quarter after opening on


def test_the_budget_burns_twice_as_fast_with_more_than_a_fifth_of_misses():
    def burning(share: int) -> PastDay:
        return day(*(call(8 * HOUR + 30.0 * n, 310.0, missed=n % share == 0) for n in range(240)))

    assert said_by(RULES["burn rate 60+10"], burning(4), 0.9, 300.0)
    assert said_by(RULES["burn rate 60+10"], burning(6), 0.9, 300.0) == ()


@pytest.mark.parametrize("rule", PLAIN_RULES, ids=lambda rule: rule.name)
def test_what_comes_later_changes_nothing_of_what_was_measured_before(rule):
    early = [*steady(until=9 * HOUR), call(8.5 * HOUR, 900.0, missed=True)]
    ruin = [call(9 * HOUR + n, 3000.0, missed=True) for n in range(100)]
    until = [at for at in ticks(day()) if at <= 9 * HOUR]
    quiet, ruined = (rule.measure(day(*calls), np.array(until), 0.9, 300.0) for calls in (early, [*early, *ruin]))

    assert quiet.tolist() == ruined.tolist()
