"""Alerts over time: raised once, told once, eased, ended; with scripted moments, a minute or half a minute apart."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from msgspec import structs

from alerts.episodes import State
from alerts.lifecycle import advance
from alerts.notification_policy import NotifyReason
from alerts.rules import AlertSettings, read, scopes
from queue_monitor.model import (
    Alert,
    AlertChange,
    AlertKind,
    AlertLevel,
    Counts,
    Crisis,
    Disagreement,
    HoursDoubt,
    Snapshot,
    StatusReason,
)
from queue_monitor.queues import Pool
from tests.alerts.moments import CLOSES, OPENS, at, queue, risk, snapshot


class LiveReading:
    """A day as the alerts see it; remembers everything that changed."""

    def __init__(self) -> None:
        self.state = State()
        self.said: list[Alert] = []

    def see(self, moment: Snapshot) -> list[Alert]:
        pools = [Pool(scope.name, scope.queues) for scope in scopes(moment)]
        measurements = read(moment, crisis=self.state.crisis)
        begun = {name: period.start for name, period in moment.total.periods.items()}
        self.state, changed = advance(self.state, measurements, moment.at, scopes=pools, begun=begun)
        self.said += changed
        return list(changed)

    def chances(self, start: float, *chances: float, reachable: bool = True) -> "LiveReading":
        """One chance of missing the day a minute."""
        for minute, chance in enumerate(chances):
            self.see(snapshot(at(start + minute), risk=risk(chance, reachable=reachable)))
        return self

    def waits(self, start: float, *seconds: float, chance: float | None = None) -> "LiveReading":
        for minute, wait in enumerate(seconds):
            foretold = None if chance is None else risk(chance)
            self.see(snapshot(at(start + minute), waits=(wait,) if wait else (), risk=foretold))
        return self

    @property
    def story(self) -> list[tuple[str, str, str]]:
        return [(alert.change.value, alert.level.value, alert.notified) for alert in self.said]

    @property
    def last_notified(self) -> list[tuple[str, str, str]]:
        """What people are sent."""
        told = (alert for alert in self.said if NotifyReason(alert.notified).notifies)
        return [(alert.kind.value, alert.change.value, alert.notified) for alert in told]

    def restarted(self) -> "LiveReading":
        again = LiveReading()
        again.state, again.said = State.decode(self.state.encode()), self.said
        return again


def test_warning_alarm_easing_and_end_are_one_episode():
    day = LiveReading().chances(60, 0.5, 0.66, 0.7, 0.96, 0.99).chances(65, *[0.5] * 16).chances(81, 0.1)

    assert day.story == [
        ("raised", "warning", "screen_only"),
        ("updated", "alarm", "alarm"),
        ("eased", "alarm", "eased"),
        ("cleared", "alarm", "over"),
    ]
    assert len({alert.episode for alert in day.said}) == 1
    assert not day.state.episodes


def test_a_warning_that_passes_was_on_the_screen_and_nowhere_else():
    day = LiveReading().chances(60, 0.7, *[0.1] * 16)

    assert day.story == [("raised", "warning", "screen_only"), ("cleared", "warning", "never_told")]


def test_what_sinks_far_enough_for_long_enough_ends_without_easing_first():
    day = LiveReading().chances(60, 0.97, *[0.1] * 16)

    assert [change for change, _, _ in day.story] == ["raised", "cleared"]


def test_a_thousand_flapping_minutes_are_one_message():
    day = LiveReading()
    for half_minute in range(1000):
        chance = 0.96 if half_minute % 2 else 0.1
        day.see(snapshot(at(20 + half_minute / 2), risk=risk(chance)))

    assert [alert.change for alert in day.said if NotifyReason(alert.notified).notifies] == [AlertChange.RAISED]


def test_easing_and_growing_worse_all_day_never_has_two_open_messages_of_one_episode():
    day = LiveReading()
    for quarter in range(25):
        day.chances(20 + quarter * 20, 0.96, 0.96, *[0.5] * 18)

    told = [alert for alert in day.said if NotifyReason(alert.notified).notifies]
    assert Counter(alert.change for alert in told)[AlertChange.RAISED] == 1
    worse = [alert.at for alert in told if alert.change is AlertChange.UPDATED]
    assert worse
    assert all(later - sooner >= timedelta(minutes=30) for sooner, later in pairwise(worse))


@pytest.mark.parametrize("low", [0.1, 0.5])
@pytest.mark.parametrize("minutes", [1, 16, 17, 31, 61])
def test_a_thousand_flapping_minutes_are_a_few_messages_whatever_their_pace(minutes: int, low: float):
    """At risk for two minutes, then not for so many: over and over, on two days of 500 minutes."""
    counts, open_messages = [], 0
    for when in (0, 24 * 60):
        day = LiveReading()
        for minute in range(20, 520):
            flaps = minute % (minutes + 2) < 2
            before = len(day.last_notified)
            day.see(snapshot(at(when + minute), risk=risk(0.97 if flaps else low)))
            for _, change, _ in day.last_notified[before:]:
                open_messages += {"raised": 1, "cleared": -1}.get(change, 0)
                assert open_messages in (0, 1)
        open_messages = 0
        counts.append(len(day.last_notified))

    assert max(counts) <= 9


def test_what_was_told_lately_and_stays_worse_is_told_when_half_an_hour_has_passed():
    day = LiveReading().chances(60, 0.97, *[0.5] * 16, *[0.97] * 40)

    assert day.story == [
        ("raised", "alarm", "alarm"),
        ("eased", "alarm", "eased"),
        ("updated", "alarm", "told_lately"),
        ("updated", "alarm", "worse_again"),
    ]


def test_a_day_that_nobody_can_save_is_said_once_and_stays_so_while_any_risk_is_left():
    day = LiveReading().chances(60, 0.97).chances(61, *[0.99] * 30, reachable=False).chances(91, *[0.4, 0.96] * 30)
    day.see(snapshot(CLOSES))

    assert [(alert.kind.value, alert.change.value, alert.notified) for alert in day.said] == [
        ("target_at_risk", "raised", "alarm"),
        ("target_out_of_reach", "updated", "out_of_reach"),
        ("target_out_of_reach", "cleared", "day_ended"),
    ]


def test_a_day_given_up_that_recovers_after_all_is_said_to_be_over():
    day = LiveReading().chances(60, 0.97).chances(61, *[0.99] * 5, reachable=False).chances(66, *[0.1] * 20)

    assert [(alert.change.value, alert.notified) for alert in day.said] == [
        ("raised", "alarm"),
        ("updated", "out_of_reach"),
        ("cleared", "over"),
    ]


def test_restarted_in_the_middle_of_an_episode_nothing_is_said_twice_and_nothing_forgotten():
    straight, broken = LiveReading(), LiveReading()
    for minute, chance in enumerate([0.8, 0.96, 0.97, *[0.5] * 16, 0.96, *[0.1] * 20]):
        straight.chances(60 + minute, chance)
        broken = broken.chances(60 + minute, chance).restarted()

    assert broken.said == straight.said
    assert broken.state == straight.state


def test_what_was_open_yesterday_ends_without_a_word_when_the_next_day_begins():
    day = LiveReading().chances(400, 0.97).restarted()
    day.see(snapshot(at(24 * 60 + 30), risk=risk(0.3)))

    assert day.story[1:] == [("cleared", "alarm", "too_old")]


def test_what_was_open_yesterday_ends_at_midnight_where_it_was_open_until_then():
    tomorrow = snapshot(at(24 * 60))
    closed = structs.replace(tomorrow.total, open=False, waiting=())
    midnight = structs.replace(
        tomorrow,
        at=tomorrow.total.periods["day"].start,
        total=closed,
        queues=tuple(structs.replace(each, open=False) for each in tomorrow.queues),
    )
    day = LiveReading().chances(400, 0.97)
    day.see(midnight)

    assert day.story[1:] == [("cleared", "alarm", "too_old")]
    assert day.state.open == ()


def test_a_long_wait_is_on_the_screen_at_five_minutes_and_told_at_ten():
    day = LiveReading().waits(60, 290, 300, 420, 599, 600, 650, *[0] * 6)

    assert day.story == [
        ("raised", "warning", "screen_only"),
        ("updated", "alarm", "alarm"),
        ("cleared", "alarm", "over"),
    ]


def test_while_people_know_that_the_day_is_at_risk_a_long_wait_is_not_told_again():
    day = LiveReading().chances(60, 0.97).waits(61, 700, 720, chance=0.97)

    told = [alert.kind for alert in day.said if NotifyReason(alert.notified).notifies]
    assert told == [AlertKind.TARGET_AT_RISK]


def test_once_the_day_is_lost_the_long_wait_takes_over():
    day = LiveReading().chances(60, 0.97).waits(61, 700, 720, chance=0.97)
    for minute in range(63, 67):
        day.see(snapshot(at(minute), waits=(730,), risk=risk(0.99, reachable=False)))

    last = [alert for alert in day.said if NotifyReason(alert.notified).notifies][-1]
    assert (last.kind, last.notified) == (AlertKind.LONG_WAIT, "took_over")


def test_a_switch_that_is_away_for_a_minute_is_nobodys_business_and_for_longer_it_is():
    def lost(start: float, *minutes: bool) -> LiveReading:
        day = LiveReading()
        for minute, away in enumerate(minutes):
            no_data_reason = StatusReason.SOURCE_DOWN if away else None
            day.see(snapshot(at(start + minute), no_data_reason=no_data_reason))
        return day

    assert lost(60, True, True, False, False).story == []
    assert lost(60, True, True, True, False, False, False).story == [
        ("raised", "alarm", "alarm"),
        ("cleared", "alarm", "over"),
    ]


def test_what_nobody_can_see_has_not_ended():
    day = LiveReading().chances(60, 0.97)
    for minute in range(30):
        day.see(snapshot(at(61 + minute), no_data_reason=StatusReason.SOURCE_DOWN))

    assert AlertChange.CLEARED not in {a.change for a in day.said if a.kind is AlertKind.TARGET_AT_RISK}


def test_agents_that_are_inferred_may_be_set_to_warn_only():
    careful = AlertSettings(alarm_without_staff=False)
    moment = snapshot(at(60), risk=risk(0.99, staff_known=False))
    measurements = read(moment, careful)

    _, (only,) = advance(State(), measurements, moment.at, careful)

    assert only.level is AlertLevel.WARNING


def test_the_month_is_told_of_at_a_lower_chance_and_does_not_end_with_the_day():
    day = LiveReading()
    for moment in (at(60), CLOSES, at(24 * 60 + 60)):
        day.see(snapshot(moment, month_risk=risk(0.75)))

    assert day.story == [("raised", "alarm", "alarm")]
    assert day.said[0].period == "month"


def test_the_month_ends_with_its_result_when_its_last_day_closes():
    day = LiveReading()
    day.see(snapshot(at(60), month_risk=risk(0.75)))
    last = snapshot(CLOSES)
    opens = last.total.periods["month"].end + timedelta(hours=8)
    day.see(structs.replace(last, hours=structs.replace(last.hours, opens_at=opens)))

    assert [(alert.period, alert.notified) for alert in day.said] == [("month", "alarm"), ("month", "day_ended")]


def test_the_month_is_not_told_of_twice_a_day():
    day = LiveReading()
    for minute, chance in enumerate([0.75, *[0.4] * 20, *[0.75] * 200]):
        day.see(snapshot(at(60 + minute), month_risk=risk(chance)))

    assert [change for _, change, _ in day.last_notified] == ["raised", "eased"]


def test_nobody_is_sent_an_alarm_that_nobody_can_act_on():
    nobody = risk(0.99, reachable=False, agents_for_day=None, agents_for_queue=None)
    day = LiveReading()
    for minute in range(60, 120):
        day.see(snapshot(at(minute), risk=nobody))
    day.see(snapshot(CLOSES))

    assert day.last_notified == []
    assert [(alert.kind.value, alert.notified) for alert in day.said] == [
        ("target_at_risk", "nobody_can_help"),
        ("target_out_of_reach", "nobody_can_help"),
        ("target_out_of_reach", "never_told"),
    ]


def test_a_lost_day_of_which_nobody_knew_is_told_when_the_queue_can_still_be_helped():
    day = LiveReading().chances(60, *[0.99] * 10, reachable=False)

    assert day.last_notified == [("target_out_of_reach", "updated", "out_of_reach")]


def test_a_day_is_not_given_up_because_one_look_found_nobody_who_could_save_it():
    day = LiveReading()
    for minute in range(60, 90):
        day.see(snapshot(at(minute), risk=risk(0.97, reachable=minute % 3 > 0)))

    assert {alert.kind for alert in day.said} == {AlertKind.TARGET_AT_RISK}
    assert len(day.last_notified) == 1


def test_help_that_turns_up_makes_an_alarm_of_what_nobody_was_told():
    day = LiveReading().chances(60, 0.97, 0.97, reachable=False).chances(62, 0.97)

    assert day.last_notified == [("target_at_risk", "updated", "took_over")]


def test_a_long_wait_is_told_when_the_day_has_eased():
    day = LiveReading().chances(60, 0.97, *[0.5] * 16).waits(77, 650, chance=0.5)

    assert day.last_notified[-1] == ("long_wait", "raised", "alarm")


class Rush(LiveReading):
    """Three times the usual calls, and what goes wrong with them, a minute at a time."""

    def at(self, minute: float, factor: float = 4.0, **more: Any) -> "Rush":
        quarter = Counts(answered_in_time=round(12 * factor))
        self.see(snapshot(at(minute), quarter=quarter, usual=12.0, **more))
        return self


def test_in_a_surge_what_else_goes_wrong_is_told_together_and_not_one_by_one():
    day = Rush().at(60)
    for minute in range(61, 90):
        waits = (700.0,) if minute > 75 else ()
        day.at(minute, risk=risk(0.98), waits=waits)

    assert day.last_notified == [
        ("surge", "raised", "alarm"),
        ("surge", "updated", "together"),
        ("surge", "updated", "together"),
    ]
    last = [alert for alert in day.said if alert.notified == "together"]
    assert [alert.figures.also for alert in last] == [
        (AlertKind.TARGET_AT_RISK,),
        (AlertKind.TARGET_AT_RISK, AlertKind.LONG_WAIT),
    ]
    assert all(later.at - sooner.at >= timedelta(minutes=10) for sooner, later in pairwise(last))


def test_a_surge_is_told_though_the_day_is_known_to_be_at_risk_for_it_changes_what_helps():
    day = Rush().at(60, 1.0, risk=risk(0.97)).at(61, risk=risk(0.97))

    assert day.last_notified == [("target_at_risk", "raised", "alarm"), ("surge", "raised", "alarm")]
    assert day.said[-1].figures.also == (AlertKind.TARGET_AT_RISK,)


def test_after_the_surge_each_matter_that_still_stands_is_told_by_itself():
    day = Rush().at(60).at(61, risk=risk(0.97))
    for minute in range(62, 80):
        day.at(minute, 1.0, risk=risk(0.97))

    assert day.last_notified[-2:] == [("surge", "cleared", "over"), ("target_at_risk", "updated", "took_over")]


def test_a_surge_in_one_queue_says_nothing_of_another():
    now = at(60)
    rushed = queue(now, "a", quarter=Counts(answered_in_time=60), usual=12.0)
    day = LiveReading()
    day.see(snapshot(now, rushed, queue(now, "b", waits=(650.0,))))

    assert [(kind, change) for kind, change, _ in day.last_notified] == [("surge", "raised"), ("long_wait", "raised")]


def declared(day: LiveReading, minute: float) -> LiveReading:
    crisis = Crisis(since=at(minute), reason="vattenläcka", by="Anna")
    day.state = structs.replace(day.state, crisis=crisis)
    return day


def ended(day: LiveReading) -> LiveReading:
    day.state = structs.replace(day.state, crisis=None)
    return day


def test_a_crisis_is_told_once_and_speaks_for_every_queue_and_every_surge():
    day = declared(LiveReading(), 60)
    day.see(snapshot(at(60)))
    for minute in range(61, 80):
        now = at(minute)
        rushed = queue(now, "a", quarter=Counts(answered_in_time=60), usual=12.0)
        day.see(snapshot(now, rushed, queue(now, "b", waits=(650.0,), risk=risk(0.97))))

    assert day.last_notified[0] == ("crisis", "raised", "alarm")
    assert {(kind, why) for kind, _, why in day.last_notified[1:]} == {("crisis", "together")}
    assert day.said[-1].figures.also == (AlertKind.TARGET_AT_RISK, AlertKind.LONG_WAIT)
    assert len(day.last_notified) == 2
    assert {alert.kind for alert in day.said if alert.notified == "covered"} >= {
        AlertKind.SURGE,
        AlertKind.LONG_WAIT,
        AlertKind.TARGET_AT_RISK,
    }


def test_a_crisis_stands_first_on_every_page_however_old_other_alarms_are():
    day = LiveReading().chances(50, 0.97, 0.97)
    declared(day, 60)
    day.see(snapshot(at(60), risk=risk(0.97)))

    assert [each.kind for each in day.state.open] == [AlertKind.CRISIS, AlertKind.TARGET_AT_RISK]


def test_a_surge_that_people_know_of_falls_silent_in_a_crisis():
    day = Rush().at(60)
    declared(day, 61)
    for minute in range(61, 90):
        day.at(minute, waits=(700.0,) if minute > 75 else ())

    assert day.last_notified == [
        ("surge", "raised", "alarm"),
        ("crisis", "raised", "alarm"),
        ("crisis", "updated", "together"),
    ]


def test_when_somebody_ends_the_crisis_that_is_told_and_what_still_stands_by_itself():
    day = declared(LiveReading(), 60).chances(60, 0.97, 0.97)
    ended(day).chances(62, 0.97, 0.97)

    assert day.last_notified == [
        ("crisis", "raised", "alarm"),
        ("crisis", "cleared", "over"),
        ("target_at_risk", "updated", "took_over"),
    ]


def test_a_crisis_holds_over_the_night_and_a_restart_and_is_told_again_after_a_day():
    day = declared(LiveReading(), 60).chances(60, 0.1).restarted()
    for hour in range(1, 26):
        day.see(snapshot(at(60 + 60 * hour)))
    assert [kind for kind, _, _ in day.last_notified] == ["crisis"]

    day.see(snapshot(at(60 + 25 * 60 + 1)))
    day.see(snapshot(at(60 + 25 * 60 + 2)))
    assert day.last_notified == 2 * [("crisis", "raised", "alarm")]


@pytest.mark.parametrize("every", [0.5, 5, 60])
def test_a_crisis_of_a_week_is_told_once_a_day_however_often_it_is_looked_at(every: float):
    """A crisis that lasts longer than a day is not declared anew with each look from then on."""
    day = declared(LiveReading(), 60)
    for look in range(round(7 * 24 * 60 / every) if every > 1 else 4000):
        day.see(snapshot(at(60 + look * every)))

    told = [alert.at for alert in day.said if alert.change is AlertChange.RAISED]
    assert len(told) == (7 if every > 1 else 2)
    assert all(later - sooner >= timedelta(hours=25) for sooner, later in pairwise(told))
    ended(day).see(snapshot(at(8 * 24 * 60)))
    assert day.last_notified[-1] == ("crisis", "cleared", "over")
    assert day.state.open == ()


def test_what_a_crisis_covers_is_not_told_by_itself_when_the_crisis_is_told_anew():
    """Between one day's episode of a crisis and the next there is no moment without one."""
    day = declared(LiveReading(), 60)
    for hour in range(60):
        now = at(60 + 60 * hour)
        day.see(snapshot(now, queue(now, "a", waits=(700.0,)), queue(now, "b", staffed=0, waits=(40.0,))))

    assert {kind for kind, _, _ in day.last_notified} == {"crisis"}


def test_a_crisis_is_told_though_nothing_can_be_seen_and_then_says_no_numbers():
    day = declared(LiveReading(), 60)
    (alert,) = day.see(snapshot(at(60), no_data_reason=StatusReason.SOURCE_SILENT))

    assert (alert.kind, alert.figures.since) == (AlertKind.CRISIS, at(41))


def test_a_queue_that_becomes_part_of_a_pool_takes_its_alarm_along_and_nothing_is_said_twice():
    day = LiveReading()
    for minute in (60, 61):
        now = at(minute)
        day.see(snapshot(now, queue(now, "a", risk=risk(0.97)), queue(now, "b", risk=risk(0.97))))
    for minute in range(62, 80):
        now = at(minute)
        pool = queue(now, "a + b", risk=risk(0.97))
        day.see(snapshot(now, queue(now, "a"), queue(now, "b"), pools=(pool,)))

    assert [(alert.queue, alert.change.value, alert.notified) for alert in day.said] == [
        ("a", "raised", "alarm"),
        ("b", "raised", "alarm"),
        ("b", "cleared", "joined"),
    ]
    assert [episode.queue for episode in day.state.open] == ["a + b"]


def test_what_stood_when_contact_was_lost_does_not_stand_the_day_after():
    day = LiveReading().chances(60, 0.97)
    for minute in range(61, 24 * 60 + 200, 10):
        day.see(snapshot(at(minute), no_data_reason=StatusReason.SOURCE_DOWN))

    target = [alert for alert in day.said if alert.kind is AlertKind.TARGET_AT_RISK]
    assert [alert.notified for alert in target] == ["alarm", "too_old"]


def test_switch_and_calendar_that_disagree_are_a_warning_on_the_screens_for_the_day():
    def turned_away(minute: float, calls: int) -> Snapshot:
        found = Disagreement(
            queue="kundcenter",
            day=OPENS.date(),
            doubt=HoursDoubt.REFUSED_WHILE_OPEN,
            calls=calls,
            first=at(50),
            last=at(minute),
        )
        return structs.replace(snapshot(at(minute)), hours_disagreements=(found,))

    day = LiveReading()
    for minute, calls in ((55, 2), (60, 3), (70, 9)):
        day.see(turned_away(minute, calls))

    assert day.story == [("raised", "warning", "screen_only")]
    assert day.state.open[0].figures.arrived == 9
