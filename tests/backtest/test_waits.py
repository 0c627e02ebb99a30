"""How well waits were foretold, on callers made by hand."""

import math

from queue_monitor.backtest.waits import PREDICTORS, Caller, coverage, figures, met, usual_wait


def caller(entered: float, wait: float, expected: float | None = None, answered: bool = True) -> Caller:
    true = wait if answered else None
    high = None if expected is None else expected + 10
    low = None if expected is None else expected - 10
    return Caller("q", entered, entered + wait, answered, true, expected, low, high)


CALLERS = [caller(0, 20, 30), caller(100, 40, 40), caller(110, 60, 90), caller(200, 2, 0), caller(300, 50, None)]


def told(name: str) -> list[float]:
    return [one.told[PREDICTORS.index(name)] for one in met(CALLERS, usual=33)]


def test_only_those_who_had_to_wait_and_were_answered_are_judged():
    gave_up = caller(400, 100, 50, answered=False)

    assert [one.true for one in met([*CALLERS, gave_up], usual=33)] == [20, 40, 60, 50]


def test_each_plain_rule_says_what_was_known_on_entering():
    assert told("last wait") == [0, 20, 20, 2]  # the first two of 100 and 110 had only the 20 before them
    assert told("average of 10") == [0, 20, 20, (20 + 40 + 60 + 2) / 4]
    assert told("first in line") == [0, 0, 10, 0]
    assert told("usual wait") == [33] * 4


def test_errors_are_what_was_told_less_what_came():
    found = figures(list(met(CALLERS, usual=33)), PREDICTORS.index("this monitor"))

    assert (found.callers, found.mae) == (3, (10 + 0 + 30) / 3)
    assert found.bias == (10 + 0 + 30) / 3
    assert math.isclose(found.rmse, math.sqrt((100 + 0 + 900) / 3))


def test_the_range_held_two_of_three():
    assert coverage(list(met(CALLERS, usual=33))) == 2 / 3


def test_the_usual_wait_is_the_median_of_those_who_had_to():
    assert usual_wait([1, 2, 10, 20, 90]) == 20
    assert usual_wait([1]) == 0
