"""Alerts over time: raised once, told once, eased, ended; with scripted moments, a minute or half a minute apart."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise

from alerts.lifecycle import NotifyReason, State, advance
from alerts.rules import AlertSettings, read
from queue_monitor.model import Alert, AlertChange, AlertKind, AlertLevel, Snapshot, StatusReason
from tests.alerts.moments import CLOSES, at, risk, snapshot


class Watched:
    """A day as the alerts see it; remembers everything that changed."""

    def __init__(self) -> None:
        self.state = State()
        self.said: list[Alert] = []

    def see(self, moment: Snapshot) -> list[Alert]:
        self.state, changed = advance(self.state, read(moment), moment.at)
        self.said += changed
        return list(changed)

    def chances(self, start: float, *chances: float, reachable: bool = True) -> "Watched":
        """One chance of missing the day a minute."""
        for minute, chance in enumerate(chances):
            self.see(snapshot(at(start + minute), risk=risk(chance, reachable=reachable)))
        return self

    def waits(self, start: float, *seconds: float, chance: float | None = None) -> "Watched":
        for minute, wait in enumerate(seconds):
            foretold = None if chance is None else risk(chance)
            self.see(snapshot(at(start + minute), waits=(wait,) if wait else (), risk=foretold))
        return self

    @property
    def story(self) -> list[tuple[str, str, str]]:
        return [(alert.change.value, alert.level.value, alert.notified) for alert in self.said]

    def restarted(self) -> "Watched":
        again = Watched()
        again.state, again.said = State.decode(self.state.encode()), self.said
        return again


def test_warning_alarm_easing_and_end_are_one_episode():
    day = Watched().chances(60, 0.5, 0.86, 0.9, 0.96, 0.99).chances(65, *[0.5] * 16).chances(81, 0.1)

    assert day.story == [
        ("raised", "warning", "screen_only"),
        ("updated", "alarm", "alarm"),
        ("eased", "alarm", "eased"),
        ("cleared", "alarm", "over"),
    ]
    assert len({alert.episode for alert in day.said}) == 1
    assert not day.state.episodes


def test_a_warning_that_passes_was_on_the_screen_and_nowhere_else():
    day = Watched().chances(60, 0.9, *[0.1] * 16)

    assert day.story == [("raised", "warning", "screen_only"), ("cleared", "warning", "never_told")]


def test_what_sinks_far_enough_for_long_enough_ends_without_easing_first():
    day = Watched().chances(60, 0.97, *[0.1] * 16)

    assert [change for change, _, _ in day.story] == ["raised", "cleared"]


def test_a_thousand_flapping_minutes_are_one_message():
    day = Watched()
    for half_minute in range(1000):
        chance = 0.96 if half_minute % 2 else 0.1
        day.see(snapshot(at(20 + half_minute / 2), risk=risk(chance)))

    assert [alert.change for alert in day.said if NotifyReason(alert.notified).notifies] == [AlertChange.RAISED]


def test_easing_and_growing_worse_all_day_never_has_two_open_messages_of_one_episode():
    day = Watched()
    for quarter in range(25):
        day.chances(20 + quarter * 20, 0.96, 0.96, *[0.5] * 18)

    told = [alert for alert in day.said if NotifyReason(alert.notified).notifies]
    assert Counter(alert.change for alert in told)[AlertChange.RAISED] == 1
    worse = [alert.at for alert in told if alert.change is AlertChange.UPDATED]
    assert worse
    assert all(later - sooner >= timedelta(minutes=30) for sooner, later in pairwise(worse))


def test_what_was_told_lately_and_stays_worse_is_told_when_half_an_hour_has_passed():
    day = Watched().chances(60, 0.97, *[0.5] * 16, *[0.97] * 40)

    assert day.story == [
        ("raised", "alarm", "alarm"),
        ("eased", "alarm", "eased"),
        ("updated", "alarm", "told_lately"),
        ("updated", "alarm", "worse_again"),
    ]


def test_a_day_that_nobody_can_save_is_said_once_and_stays_so_while_any_risk_is_left():
    day = Watched().chances(60, 0.97).chances(61, *[0.99] * 30, reachable=False).chances(91, *[0.4, 0.96] * 30)
    day.see(snapshot(CLOSES))

    assert [(alert.kind.value, alert.change.value, alert.notified) for alert in day.said] == [
        ("target_at_risk", "raised", "alarm"),
        ("target_out_of_reach", "updated", "out_of_reach"),
        ("target_out_of_reach", "cleared", "day_ended"),
    ]


def test_a_day_given_up_that_recovers_after_all_is_said_to_be_over():
    day = Watched().chances(60, 0.97).chances(61, *[0.99] * 5, reachable=False).chances(66, *[0.1] * 20)

    assert [(alert.change.value, alert.notified) for alert in day.said] == [
        ("raised", "alarm"),
        ("updated", "out_of_reach"),
        ("cleared", "over"),
    ]


def test_restarted_in_the_middle_of_an_episode_nothing_is_said_twice_and_nothing_forgotten():
    straight, broken = Watched(), Watched()
    for minute, chance in enumerate([0.9, 0.96, 0.97, *[0.5] * 16, 0.96, *[0.1] * 20]):
        straight.chances(60 + minute, chance)
        broken = broken.chances(60 + minute, chance).restarted()

    assert broken.said == straight.said
    assert broken.state == straight.state


def test_what_was_open_yesterday_ends_without_a_word_when_the_next_day_begins():
    day = Watched().chances(400, 0.97).restarted()
    day.see(snapshot(at(24 * 60 + 30), risk=risk(0.3)))

    assert day.story[1:] == [("cleared", "alarm", "too_old")]


def test_a_long_wait_is_on_the_screen_at_five_minutes_and_told_at_ten():
    day = Watched().waits(60, 290, 300, 420, 599, 600, 650, *[0] * 6)

    assert day.story == [
        ("raised", "warning", "screen_only"),
        ("updated", "alarm", "alarm"),
        ("cleared", "alarm", "over"),
    ]


def test_while_people_know_that_the_day_is_at_risk_a_long_wait_is_not_told_again():
    day = Watched().chances(60, 0.97).waits(61, 700, 720, chance=0.97)

    told = [alert.kind for alert in day.said if NotifyReason(alert.notified).notifies]
    assert told == [AlertKind.TARGET_AT_RISK]


def test_once_the_day_is_lost_the_long_wait_takes_over():
    day = Watched().chances(60, 0.97).waits(61, 700, 720, chance=0.97)
    day.see(snapshot(at(64), waits=(730,), risk=risk(0.99, reachable=False)))

    last = [alert for alert in day.said if NotifyReason(alert.notified).notifies][-1]
    assert (last.kind, last.notified) == (AlertKind.LONG_WAIT, "took_over")


def test_a_switch_that_is_away_for_a_minute_is_nobodys_business_and_for_longer_it_is():
    def lost(start: float, *minutes: bool) -> Watched:
        day = Watched()
        for minute, away in enumerate(minutes):
            trouble = StatusReason.SOURCE_DOWN if away else None
            day.see(snapshot(at(start + minute), trouble=trouble))
        return day

    assert lost(60, True, True, False, False).story == []
    assert lost(60, True, True, True, False, False, False).story == [
        ("raised", "alarm", "alarm"),
        ("cleared", "alarm", "over"),
    ]


def test_what_nobody_can_see_has_not_ended():
    day = Watched().chances(60, 0.97)
    for minute in range(30):
        day.see(snapshot(at(61 + minute), trouble=StatusReason.SOURCE_DOWN))

    assert AlertChange.CLEARED not in {a.change for a in day.said if a.kind is AlertKind.TARGET_AT_RISK}


def test_agents_that_are_inferred_may_be_set_to_warn_only():
    careful = AlertSettings(alarm_without_staff=False)
    moment = snapshot(at(60), risk=risk(0.99, staff_known=False))
    readings = read(moment, careful)

    _, (only,) = advance(State(), readings, moment.at, careful)

    assert only.level is AlertLevel.WARNING


def test_the_month_is_told_of_at_a_lower_chance_and_does_not_end_with_the_day():
    day = Watched()
    for moment in (at(60), CLOSES, at(24 * 60 + 60)):
        day.see(snapshot(moment, month_risk=risk(0.75)))

    assert day.story == [("raised", "alarm", "alarm")]
    assert day.said[0].period == "month"
