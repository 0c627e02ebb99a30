"""Alerts that a forecast raised, when the forecast is gone: they hide no other trouble and tell no old numbers."""

import pytest
from msgspec import structs

from alerts.message import Message
from queue_monitor import texts
from queue_monitor.model import AlertKind, AlertReason, Counts
from tests.alerts.messages import SURGE, UPDATED, ZONE, alert
from tests.alerts.moments import at, queue, risk, snapshot
from tests.alerts.test_lifecycle import LiveReading, Rush
from tests.alerts.test_said_when_true import sent
from tests.alerts.test_standing_words import Room

FIVE = Counts(answered_in_time=20)
"""Calls of a quarter of an hour, of which nobody can say whether they are unusually many."""


def told(day: LiveReading) -> list[tuple[str, float]]:
    """The kind of each message, and how many minutes after opening it was sent."""
    sent_ones = [each for each in day.said if each.notified in ("alarm", "together", "took_over", "over")]
    return [(each.kind.value, (each.at - at(0)).total_seconds() / 60) for each in sent_ones]


def test_a_surge_that_nobody_can_measure_any_more_covers_no_other_trouble() -> None:
    """Five minutes after the forecast has gone a lead is told that nobody is logged in."""
    day = Rush().at(60)
    for minute in range(61, 90):
        day.see(snapshot(at(minute), quarter=FIVE, waits=(30.0,), staffed=0 if minute > 69 else 5))

    assert told(day) == [("surge", 60), ("no_agents", 71)]


def test_a_forecast_that_is_away_for_a_moment_brings_no_message_of_its_own() -> None:
    """A restart in a surge, with the first forecast two minutes later, is not told as other trouble."""
    day = Rush().at(60, waits=(700.0,)).restarted()
    for minute in (61, 62):
        day.see(snapshot(at(minute), quarter=FIVE, waits=(700.0,)))
    for minute in range(63, 69):
        Rush.at(day, minute, waits=(700.0,))  # type: ignore[arg-type]

    assert told(day) == [("surge", 60)]


def test_a_day_at_risk_without_a_forecast_covers_a_long_wait_for_five_minutes() -> None:
    """A wait of half an hour is told although the day was said to be at risk, when nothing more is known of the day."""
    day = LiveReading().chances(60, 0.97).waits(61, *[1000.0] * 10)

    assert told(day) == [("target_at_risk", 60), ("long_wait", 66)]


def test_a_day_at_risk_with_a_forecast_covers_a_long_wait_for_as_long_as_it_lasts() -> None:
    """A risk that is measured speaks for the wait for as long as it stands."""
    day = LiveReading().chances(60, 0.97).waits(61, *[1000.0] * 60, chance=0.97)

    assert told(day) == [("target_at_risk", 60)]


@pytest.mark.parametrize("calls", [0, 1, 7])
def test_a_surge_is_over_without_a_forecast_when_hardly_anyone_calls(calls: int) -> None:
    """A surge does not stand until midnight because nobody can say how many are usual."""
    day = Rush().at(60)
    for minute in range(61, 80):
        day.see(snapshot(at(minute), quarter=Counts(answered_in_time=calls)))

    assert sent(day)[-1] == ("over", "det kommer inte längre ovanligt många samtal.")
    assert day.state.open == ()


@pytest.mark.parametrize("calls", [8, 20, 200])
def test_nobody_says_that_a_surge_is_over_while_many_call_and_the_usual_is_not_known(calls: int) -> None:
    """It stands on the screens, as what cannot be measured has not ended."""
    day = Rush().at(60)
    for minute in range(61, 180):
        day.see(snapshot(at(minute), quarter=Counts(answered_in_time=calls)))

    assert [each.kind for each in day.state.open] == [AlertKind.SURGE]


@pytest.mark.parametrize("usual", [None, 12.0])
def test_a_surge_that_stands_at_closing_time_ends_with_the_day(usual: float | None) -> None:
    """After closing nothing is usual, and no wall says all evening that unusually many call."""
    day = LiveReading()
    for minute in range(530, 545):
        quarter = Counts(answered_in_time=48)
        day.see(snapshot(at(minute), quarter=quarter, usual=12.0 if minute < 540 else usual))

    assert [(each.change.value, each.notified) for each in day.said] == [("raised", "alarm"), ("cleared", "closed")]
    assert day.said[-1].at == at(540)


def test_without_a_forecast_a_standing_risk_tells_the_numbers_of_the_moment_and_no_advice_of_before() -> None:
    """The lead reads "nobody waits" where nobody does, and nothing of the agents that were once enough."""
    room = Room()
    room.see(snapshot(at(60), risk=risk(0.97), waits=(20.0,) * 7))
    shown = room.see(snapshot(at(90), in_time=300))

    assert shown is not None
    assert shown.text == "Hittills i dag: 90,4\N{NO-BREAK SPACE}% besvarade inom 5 minuter " + (
        "(mål 90\N{NO-BREAK SPACE}%). Ingen väntar. Månaden: 92,4\N{NO-BREAK SPACE}%."
    )


def test_without_a_forecast_a_standing_month_tells_its_share_of_the_moment() -> None:
    """The share of the month is that of the board beside it."""
    room = Room()
    room.see(snapshot(at(60), month_risk=risk(0.75), month=0.85))
    shown = room.see(snapshot(at(90), month=0.84))

    assert shown is not None
    assert (
        shown.text == "Hittills i månaden: 84\N{NO-BREAK SPACE}% besvarade inom 5 minuter (mål 90\N{NO-BREAK SPACE}%)."
    )


def test_without_a_forecast_a_standing_surge_counts_the_calls_and_names_no_factor() -> None:
    """ "0.0 times the usual" is not said, and neither is the factor of an hour ago."""
    room = Room()
    room.see(snapshot(at(60), quarter=Counts(answered_in_time=48), usual=12.0))
    shown = room.see(snapshot(at(90), quarter=FIVE, waits=(40.0, 20.0)))

    assert shown is not None
    assert shown.title == "Kl. 9.00 – Kundcenter: 20 samtal på 15 minuter."
    assert shown.text.startswith("2 väntar, längst 40 s. 5 inloggade.")


def test_a_pool_without_its_first_forecast_keeps_the_alert_of_its_queue_with_its_own_numbers() -> None:
    """A queue that joins a pool brings its alert along; until the pool is forecast its numbers are the pool's."""
    room = Room()
    room.see(snapshot(at(60), queue(at(60), "a", risk=risk(0.97), waits=(20.0,)), queue(at(60), "b")))
    now = at(61)
    pool = queue(now, "a + b", waits=(20.0, 30.0, 40.0), label="Båda")
    shown = room.see(snapshot(now, queue(now, "a", waits=(20.0,)), queue(now, "b"), pools=(pool,)))

    assert shown is not None
    assert shown.queue == "a + b"
    assert "3 väntar, längst 40 s." in shown.text
    assert shown.label == "Båda"


@pytest.mark.parametrize(
    ("arrived", "sv", "en"),
    [
        (0, "0 samtal på 15 minuter, färre än nyss.", "0 calls in 15 minutes, fewer than before."),
        (1, "1 samtal på 15 minuter, färre än nyss.", "1 call in 15 minutes, fewer than before."),
        (2, "2 samtal på 15 minuter, färre än nyss.", "2 calls in 15 minutes, fewer than before."),
    ],
)
def test_one_call_is_told_in_the_singular(arrived: int, sv: str, en: str) -> None:
    """English has "1 call"."""
    sinking = alert(AlertKind.SURGE, UPDATED, AlertReason.MANY_AT_ONCE, structs.replace(SURGE, arrived=arrived))
    sinking = structs.replace(sinking, lower=True)

    assert [Message(sinking, ZONE, language).title.partition(": ")[2] for language in ("sv", "en")] == [sv, en]
    assert set(texts.LANGUAGES) == {"sv", "en"}
