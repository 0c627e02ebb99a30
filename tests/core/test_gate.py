"""The gate: what an event may say, and which times are believed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_monitor.core.gate import AHEAD, MAX_NUMBER, MAX_TEXT, Gate, Redated, Unfit, masked
from queue_monitor.events import (
    AgentActivity,
    AgentState,
    CallCompleted,
    CallEntered,
    Event,
    QueueSnapshot,
    SourceClock,
    SourceConnected,
    SourceDisconnected,
    SourceGap,
    TimeBasis,
    WaitingCaller,
)
from tests.scenario import SOURCE, TEN

KEPT = TEN - timedelta(days=400)
YEAR = timedelta(days=365)


def said(kind: type[Event] = CallEntered, **fields: Any) -> Event:
    needed: dict[str, Any] = {"id": "1", "source": SOURCE, "observed_at": TEN, "switch_time": TEN}
    if kind in (CallEntered, CallCompleted):
        needed |= {"visit_id": "luleå:1"}
    if kind in (CallEntered, QueueSnapshot):
        needed |= {"queue": "kundcenter"}
    return kind(**(needed | fields))


def judged(event: Event, by_sender: bool = True, offset_ms: float = 0.0) -> Event | Redated | Unfit:
    return Gate(lambda source: offset_ms).judge(event, TEN, KEPT, by_sender=by_sender)


def test_an_ordinary_event_is_taken_as_it_is():
    event = said(contact_id="luleå:1", position=3, dialled="0920453000")

    assert judged(event) is event


@pytest.mark.parametrize("by_sender", [True, False])
@pytest.mark.parametrize(
    ("event", "field", "reason"),
    [
        (said(CallCompleted, talk_ms_reported=10**18), "talk_ms_reported", "number_out_of_range"),
        (said(position=-(10**10)), "position", "number_out_of_range"),
        (said(position=701740605), "position", "number_out_of_range"),
        (said(priority=-701740605), "priority", "number_out_of_range"),
        (said(time_precision_ms=10**18), "time_precision_ms", "number_out_of_range"),
        (said(SourceClock, offset_ms=1e300), "offset_ms", "number_out_of_range"),
        (said(SourceClock, offset_ms=float("nan")), "offset_ms", "number_out_of_range"),
        (said(SourceClock, offset_ms=float("inf")), "offset_ms", "number_out_of_range"),
        (said(id="one\n2026-01-01 INFO forged"), "id", "unfit_text"),
        (said(source="urn:kc:x:a\r\nb"), "source", "unfit_text"),
        (said(queue="k" * (MAX_TEXT + 1)), "queue", "unfit_text"),
        (said(queue="kund\u202eretnec"), "queue", "unfit_text"),
        (said(queue="half \ud800"), "queue", "unfit_text"),
        (said(queue="   "), "queue", "unfit_text"),
        (said(queue=""), "queue", "unfit_text"),
        (said(queue="\u200b\u2060 "), "queue", "unfit_text"),
        (said(QueueSnapshot, as_of=TEN, waiting=(WaitingCaller(leg_id=""),)), "waiting[0].leg_id", "unfit_text"),
        (said(unmapped={"a\x1b": "b"}), "unmapped", "unfit_text"),
        (said(QueueSnapshot, as_of=TEN, counters={"calls": "\x00"}), "counters", "unfit_text"),
        (
            said(QueueSnapshot, as_of=TEN, waiting=(WaitingCaller(leg_id="a"), WaitingCaller(leg_id="b\n"))),
            "waiting[1].leg_id",
            "unfit_text",
        ),
        (
            said(QueueSnapshot, as_of=TEN, waiting=(WaitingCaller(leg_id="a", waited_ms=10**18),)),
            "waiting[0].waited_ms",
            "number_out_of_range",
        ),
        (
            said(AgentState, agent_id="a", state=AgentActivity.BUSY, queues=("k", "\t")),
            "queues[1]",
            "unfit_text",
        ),
        (said(QueueSnapshot, as_of=TEN, waiting=(WaitingCaller(leg_id="a"),) * 5001), "waiting", "too_many_items"),
    ],
)
def test_what_no_switch_says_is_refused_at_every_door_and_its_field_is_named(
    event: Event, field: str, reason: str, by_sender: bool
):
    found = judged(event, by_sender)

    assert isinstance(found, Unfit)
    assert (found.field, found.reason) == (field, reason)


def test_what_is_at_the_limit_is_taken():
    event = said(CallCompleted, talk_ms_reported=MAX_NUMBER)

    assert judged(event) is event
    assert isinstance(judged(said(queue="k" * MAX_TEXT)), Event)
    assert isinstance(judged(said(SourceClock, offset_ms=-1.8e12)), Event)


@pytest.mark.parametrize(
    "at",
    [
        TEN + AHEAD + timedelta(seconds=1),
        TEN + YEAR,
        datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
    ],
)
def test_a_time_that_the_sender_wrote_is_refused_when_no_clock_shows_it(at: datetime):
    found = judged(said(switch_time=at))

    assert isinstance(found, Unfit)
    assert (found.field, found.reason, found.kind) == ("time", "time_out_of_range", "time")


def test_a_time_just_within_the_limits_is_taken_and_is_in_utc():
    ahead = (TEN + AHEAD).astimezone(datetime.fromisoformat("2026-01-01T00:00:00+02:00").tzinfo)
    taken = judged(said(switch_time=ahead))

    assert isinstance(taken, Event)
    assert (taken.at, taken.at.tzinfo) == (TEN + AHEAD, UTC)
    assert isinstance(judged(said(switch_time=KEPT)), Event)


def test_a_switch_that_we_watch_and_whose_clock_is_ahead_is_dated_by_receipt():
    found = judged(said(switch_time=TEN + YEAR, contact_started_at=TEN + YEAR), by_sender=False)

    assert isinstance(found, Redated)
    assert isinstance(found.event, CallEntered)
    assert (found.event.at, found.event.time_basis) == (TEN, TimeBasis.MONITOR)
    assert found.event.contact_started_at is None


def test_a_log_that_is_ahead_is_dated_by_receipt_too():
    found = judged(said(switch_time=TEN + YEAR, live=False), by_sender=False)

    assert isinstance(found, Redated)
    assert found.event.at == TEN


def test_a_snapshot_of_a_switch_that_is_ahead_lists_who_waits_now():
    waiting = (WaitingCaller(leg_id="a", waited_ms=4000, entered_at=TEN + YEAR),)
    found = judged(said(QueueSnapshot, switch_time=TEN, as_of=TEN + YEAR, waiting=waiting), by_sender=False)

    assert isinstance(found, Redated)
    assert isinstance(found.event, QueueSnapshot)
    assert (found.event.as_of, found.event.waiting[0].entered_at, found.event.waiting[0].waited_ms) == (TEN, None, 4000)


def test_a_time_is_judged_as_the_ledger_uses_it_after_the_rule_for_clocks_that_are_off():
    taken = judged(said(switch_time=TEN + YEAR), offset_ms=YEAR / timedelta(milliseconds=1))
    unset = judged(said(switch_time=datetime(1970, 1, 1, tzinfo=UTC)), by_sender=False, offset_ms=-1.7e12)

    assert isinstance(taken, Event)
    assert isinstance(unset, Event)
    assert taken.at == unset.at == TEN


def test_an_old_line_of_a_log_is_no_longer_kept():
    found = judged(said(switch_time=KEPT - timedelta(seconds=1), live=False), by_sender=False)

    assert isinstance(found, Unfit)
    assert found.reason == "no_longer_kept"


def test_a_switch_may_have_run_for_years_and_a_gap_ends_after_it_begins():
    running = said(SourceConnected, switch_started_at=TEN - 3 * YEAR)
    turned = judged(said(SourceGap, from_=TEN, to=TEN - timedelta(seconds=1)))
    ahead = judged(said(SourceGap, from_=TEN + YEAR, to=TEN + YEAR))

    assert judged(running) is running
    assert isinstance(turned, Unfit)
    assert isinstance(ahead, Unfit)
    assert (turned.field, ahead.field) == ("to", "from")


def test_our_own_word_that_a_source_is_gone_is_taken_whatever_error_it_repeats():
    found = judged(said(SourceDisconnected, reason="refused:\n" + "x" * 900), by_sender=False)

    assert isinstance(found, SourceDisconnected)
    assert found.reason.startswith("refused: xx")
    assert len(found.reason) == MAX_TEXT


def test_words_about_a_message_hold_no_digits_and_nothing_that_was_quoted():
    assert [masked(place) for place in ("line 12", "event 0", "at byte 164")] == ["line 12", "event 0", "at byte 164"]
    assert masked("line 0701234567") == "line ##########"
    assert masked("line 12: got 'Anna 070'\n`x`") == "line ##: got … …"


@given(st.integers(), st.text(), st.datetimes(timezones=st.just(UTC)), st.booleans())
def test_whatever_is_said_the_gate_answers_and_what_it_takes_is_within_its_limits(
    number: int, text: str, at: datetime, by_sender: bool
):
    event = said(CallCompleted, switch_time=at, talk_ms_reported=number, visit_id=f"a{text}", leg_id=text)

    found = judged(event, by_sender)
    taken = found.event if isinstance(found, Redated) else found

    if isinstance(taken, CallCompleted):
        assert KEPT <= taken.at <= TEN + AHEAD
        assert abs(taken.talk_ms_reported or 0) <= MAX_NUMBER
        assert text == "" or text.isprintable() or not any(c < " " for c in text)
