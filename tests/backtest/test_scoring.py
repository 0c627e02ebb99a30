"""The score of a rule, on days made by hand whose figures can be worked out in one's head."""

import math
from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from queue_monitor.backtest.scoring import (
    AlertInterval,
    Chance,
    JudgedDay,
    brier,
    budget_gone,
    lead_minutes,
    reliability,
    score,
    scored,
)

HOUR, MINUTE = 3600.0, 60.0
GONE = 12 * HOUR


def day(
    good: int = 95,
    gone: float | None = None,
    said: Sequence[AlertInterval] = (),
    told: float | None = None,
    number: int = 0,
) -> JudgedDay:
    return JudgedDay(
        day=date(2026, 3, 2) + timedelta(days=number),
        good=good,
        of=100,
        target=0.9,
        gone=gone,
        said={"ours": tuple(said)},
        chances=() if told is None else (Chance(10 * HOUR, told),),
    )


def lost(said: Sequence[AlertInterval] = (), told: float | None = None) -> JudgedDay:
    return day(good=80, gone=GONE, said=said, told=told)


def before(minutes: float, until: float = math.inf) -> AlertInterval:
    return AlertInterval(GONE - minutes * MINUTE, until)


# ---- when the budget is gone


def test_the_budget_of_a_hundred_calls_is_gone_with_the_eleventh_miss():
    ten = [float(moment) for moment in range(10)]

    assert budget_gone(ten, 100, 0.9) is None
    assert budget_gone([*ten, 99.0], 100, 0.9) == 99.0


def test_the_budget_is_counted_in_whole_calls():
    assert budget_gone([1.0], 10, 0.9) is None
    assert budget_gone([1.0], 9, 0.9) == 1.0
    assert budget_gone([], 0, 0.9) is None


# ---- lead


def test_the_lead_is_from_the_alert_to_the_moment_of_no_return():
    assert lead_minutes(GONE, [before(45)]) == 45


def test_an_alert_that_eased_less_than_half_an_hour_before_still_counts():
    assert lead_minutes(GONE, [before(60, until=GONE - 29 * MINUTE)]) == 60
    assert lead_minutes(GONE, [before(60, until=GONE - 31 * MINUTE)]) == 0


def test_an_alert_after_the_moment_of_no_return_is_no_warning_of_it():
    assert lead_minutes(GONE, [before(-1)]) == 0


# ---- figures


def test_four_lost_days_seen_an_hour_a_quarter_seven_minutes_before_and_never():
    figures = score([lost([before(60)]), lost([before(15)]), lost([before(7)]), lost()], "ours")

    assert figures.recall_10 == 0.5
    assert figures.recall_5 == 0.75
    assert figures.lead_minutes == 11  # between 15 and 7
    assert figures.precision == 1.0


def test_a_false_alarm_in_seven_days_is_three_a_month():
    days = [day(said=[before(60)]), *(day() for _ in range(6))]

    assert score(days, "ours").false_a_month == 3.0
    assert score(days, "ours").precision == 0.0


def test_a_false_alarm_on_a_day_that_nearly_was_lost_is_told_apart():
    near, far = day(good=91, said=[before(60)]), day(good=92, said=[before(60)])

    assert score([near], "ours").false_far_a_month == 0
    assert score([far], "ours").false_far_a_month == 21


def test_flapping_is_alerts_on_a_day_with_any_and_days_with_three():
    thrice = day(said=[before(90, GONE - 80 * MINUTE), before(60, GONE - 50 * MINUTE), before(30)])
    figures = score([thrice, day(said=[before(60)]), day(), day()], "ours")

    assert figures.per_alert_day == 2.0
    assert figures.often == 0.25


def test_where_there_is_nothing_to_judge_by_there_is_no_number():
    figures = score([day()], "ours")

    assert math.isnan(figures.recall_10)
    assert math.isnan(figures.lead_minutes)
    assert math.isnan(figures.precision)
    assert figures.false_a_month == 0
    assert math.isnan(score([], "ours").false_a_month)


def test_the_interval_holds_the_figure_and_is_the_same_each_time():
    days = [lost([before(60)]), lost(), *(day(number=number) for number in range(8))]
    found = scored(days, "ours")

    assert found.low.recall_10 <= found.figures.recall_10 <= found.high.recall_10
    assert (found.low.recall_10, found.high.recall_10) == (0.0, 1.0)
    assert found == scored(days, "ours")


# ---- calibration


def test_the_brier_score_is_the_mean_squared_error_of_what_was_told():
    days = [lost(told=0.9), day(told=0.1), day(told=0.3), day()]
    found, score_, nothing = brier(days, 10 * HOUR)

    assert found == 3  # of the fourth nothing was told
    assert score_ == pytest.approx((0.01 + 0.01 + 0.09) / 3)
    assert nothing == pytest.approx(1 / 3 * 2 / 3)


def test_a_chance_told_more_than_ten_minutes_ago_is_not_what_is_told_now():
    assert brier([lost(told=0.9)], 10 * HOUR + 11 * MINUTE)[0] == 0


def test_reliability_holds_what_was_told_against_what_came():
    days = [lost(told=0.9), day(told=0.9), day(told=0.05), day(told=1.0)]
    bins = reliability(days, [10 * HOUR])

    assert [(one.low, one.moments, one.lost) for one in bins] == [(0.0, 1, 0.0), (0.85, 2, 0.5), (0.95, 1, 0.0)]
