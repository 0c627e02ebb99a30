"""The language on the wire: what goes out comes back, and what cannot be understood says which field is at fault."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from queue_monitor import events
from queue_monitor.events import (
    EVENT_TYPES,
    CallEntered,
    Caller,
    Event,
    InvalidEvent,
    RawReference,
    SourceGap,
    same_content,
)

AT = datetime(2026, 3, 2, 8, 15, 30, 250000, tzinfo=UTC)
SCHEMA_FILE = Path(__file__).parent.parent / "docs" / "events-v1.schema.json"

WIRE_FIELDS: dict[str, dict[str, Any]] = {
    "call.entered": {
        "visit_id": "pbx:1", "queue": "kundcenter", "contact_id": "pbx:c1", "position": 3, "entry_reason": "overflow",
        "caller": {"pseudonym": "p1"}, "contact_started_at": "2026-03-02T08:14:00Z",
    },
    "call.moved": {"visit_id": "pbx:1", "position": 2},
    "call.ringing": {"visit_id": "pbx:1", "ring_id": "pbx:r1", "agent_id": "pbx:a1"},
    "call.ring_ended": {"ring_id": "pbx:r1", "result": "no_answer", "ring_ms": 15000},
    "call.answered": {"visit_id": "pbx:1", "agent_id": "pbx:a1", "wait_ms_reported": 300000},
    "call.left": {"visit_id": "pbx:1", "outcome": "exit_key", "outcome_basis": "inferred", "key": "1"},
    "call.refused": {"contact_id": "pbx:c1", "queue": "kundcenter", "reason": "full"},
    "call.transferred": {"visit_id": "pbx:1", "kind": "blind", "to": {"queue": "bygglov", "external": True}},
    "call.completed": {"visit_id": "pbx:1", "ended_by": "caller", "talk_ms_reported": 90000},
    "agent.state": {"agent_id": "pbx:a1", "state": "paused", "reason": "lunch", "queues": ["kundcenter"]},
    "agent.member": {"agent_id": "pbx:a1", "queue": "kundcenter", "action": "added", "level": 2},
    "queue.snapshot": {
        "queue": "kundcenter", "as_of": "2026-03-02T08:15:00Z", "counters": {"answered": "7"}, "complete": False,
        "waiting": [{"leg_id": "pbx:l1", "waited_ms": 4000}], "agents": [{"agent_id": "pbx:a1", "state": "available"}],
    },
    "source.connected": {"reason": "first", "version": "22.10"},
    "source.disconnected": {"reason": "reset"},
    "source.gap": {"from": "2026-03-02T08:00:00Z", "to": "2026-03-02T08:05:00Z", "recovered": "log"},
    "source.clock": {"offset_ms": -120.5, "rtt_ms": 3.0},
    "source.restarted": {},
}  # fmt: skip
SHORT_TYPES = sorted(kind.removeprefix("se.kundcenter.") for kind in EVENT_TYPES)


def wire(short_type: str = "call.entered", **data: object) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "e1",
        "source": "urn:kc:http:front",
        "type": f"se.kundcenter.{short_type}",
        "time": "2026-03-02T08:15:30.25Z",
        "data": {**WIRE_FIELDS[short_type], **data},
    }


def decoded(message: dict[str, Any]) -> Event:
    return events.decode(json.dumps(message))


def encoded(event: Event) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(events.encode(event))
    return made


def test_every_event_type_has_an_example_here() -> None:
    assert sorted(WIRE_FIELDS) == SHORT_TYPES


@pytest.mark.parametrize("short_type", SHORT_TYPES)
def test_an_event_comes_back_as_it_went_out(short_type: str) -> None:
    event = decoded(wire(short_type, switch="pbx", epoch="3", live=False, unmapped={"X": "y"}))

    assert events.decode(events.encode(event)) == event
    assert events.short_type(event) == short_type
    assert event.at == AT


@given(
    moment=st.integers(0, 4 * 10**15).map(lambda us: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
    queue=st.text(min_size=1).filter(lambda text: text.isprintable()),
    position=st.none() | st.integers(0, 10_000),
    raw=st.none() | st.builds(RawReference, kind=st.sampled_from(["ami", "esl"]), sha256=st.text("0123456789abcdef")),
)
def test_nothing_is_lost_on_the_way_whatever_the_call(
    moment: datetime, queue: str, position: int | None, raw: RawReference | None
) -> None:
    event = CallEntered(
        id="e1", source="urn:kc:x:y", observed_at=moment, visit_id="pbx:1", queue=queue, position=position, raw=raw
    )

    assert events.decode(events.encode(event)) == event


def test_json_nested_without_end_is_no_event() -> None:
    with pytest.raises(InvalidEvent):
        events.decode(b'{"a":' * 100_000)


def test_the_envelope_is_cloudevents_in_structured_json() -> None:
    envelope = encoded(
        CallEntered(
            id="e1",
            source="urn:kc:ami:pbx",
            observed_at=AT + timedelta(seconds=1),
            switch_time=AT.astimezone(timezone(timedelta(hours=1))),
            sequence="42",
            visit_id="pbx:1",
            queue="kundcenter",
        )
    )

    data = envelope.pop("data")
    assert envelope == {
        "specversion": "1.0",
        "id": "e1",
        "source": "urn:kc:ami:pbx",
        "type": "se.kundcenter.call.entered",
        "subject": "pbx:1",
        "time": "2026-03-02T08:15:30.250000Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:se.kundcenter:events:1",
        "sequence": "42",
    }
    assert not {"id", "source", "type", "sequence"} & set(data)
    assert (data["visit_id"], data["queue"]) == ("pbx:1", "kundcenter")


@pytest.mark.parametrize(
    ("short_type", "subject"),
    [
        ("call.entered", "pbx:1"),
        ("call.refused", "kundcenter"),
        ("agent.state", "pbx:a1"),
        ("queue.snapshot", "kundcenter"),
        ("source.clock", "urn:kc:http:front"),
    ],
)
def test_the_subject_is_what_the_event_is_about(short_type: str, subject: str) -> None:
    assert encoded(decoded(wire(short_type)))["subject"] == subject


def test_an_event_is_one_line() -> None:
    assert b"\n" not in events.encode(decoded(wire(queue="kund\ncenter")))


def test_the_envelopes_time_is_taken_when_the_data_says_none() -> None:
    event = decoded(wire())

    assert (event.observed_at, event.switch_time) == (AT, AT)


def test_the_datas_own_times_win_over_the_envelopes() -> None:
    event = decoded(wire(observed_at="2026-03-02T08:15:31Z", switch_time=None))

    assert event.observed_at == AT + timedelta(milliseconds=750)
    assert event.switch_time is None
    assert event.at == event.observed_at


def test_what_a_newer_sender_adds_is_passed_over() -> None:
    newer = wire(mood="good") | {"traceparent": "00-1"}

    assert decoded(newer) == decoded(wire())


def test_a_switch_that_is_not_stated_is_the_last_part_of_the_source() -> None:
    assert decoded(wire()).switch_name == "front"
    assert decoded(wire(switch="pbx")).switch_name == "pbx"


def test_a_gap_says_from_on_the_wire() -> None:
    gap = decoded(wire("source.gap"))

    assert isinstance(gap, SourceGap)
    assert gap.from_ == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert encoded(gap)["data"]["from"] == "2026-03-02T08:00:00Z"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"type": "se.kundcenter.call.sung"}, "type: 'se.kundcenter.call.sung' is not an event of ours"),
        ({"specversion": "0.3"}, "$.specversion"),
        ({"id": ""}, "$.id"),
        ({"source": 3}, "$.source"),
        ({"time": "yesterday"}, "$.time"),
        ({"time": "2026-03-02T08:15:30"}, "$.time"),
        ({"data": []}, "$.data"),
        ({"time": None}, "`time`"),
        ({"data": {"queue": "kundcenter"}}, "visit_id"),
        ({"data": {"queue": "", "visit_id": "pbx:1"}}, "$.queue"),
        ({"data": {"queue": "k", "visit_id": "pbx:1", "position": "third"}}, "$.position"),
        ({"data": {"queue": "k", "visit_id": "pbx:1", "entry_reason": "whim"}}, "$.entry_reason"),
        ({"data": {"queue": "k", "visit_id": "pbx:1", "switch_time": "2026-03-02T08:15:30"}}, "$.switch_time"),
    ],
)
def test_what_cannot_be_understood_names_the_field(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decoded(wire() | changes)

    assert told in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff\xfe", b'"text"', b"null"])
def test_nonsense_is_an_invalid_event_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(InvalidEvent):
        events.decode(raw)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_else(raw: bytes) -> None:
    try:
        events.decode(raw)
    except InvalidEvent:
        return


def test_the_published_schema_is_the_one_in_the_code() -> None:
    published = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))

    assert published == json.loads(json.dumps(events.json_schema())), "write it again with: make schema"


@pytest.mark.parametrize("short_type", SHORT_TYPES)
def test_what_we_send_and_what_others_send_is_as_the_schema_says(short_type: str) -> None:
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())

    validator.check_schema(schema)
    validator.validate(wire(short_type))
    validator.validate(encoded(decoded(wire(short_type))))


@pytest.mark.parametrize(
    "changes", [{"type": "se.kundcenter.call.sung"}, {"data": {"queue": "k"}}, {"id": ""}, {"specversion": "0.3"}]
)
def test_what_we_would_not_understand_is_not_as_the_schema_says(changes: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))

    assert not validator.is_valid(wire() | changes)


def test_the_same_fact_has_the_same_id_for_ever() -> None:
    assert events.event_id("urn:kc:ami:pbx", "call.entered", "pbx:1", 1772439330250000) == (
        "83a8dfb6041fdad5102aee1bcf826e61"
    )


def test_what_makes_an_event_itself_makes_its_id() -> None:
    made = {
        events.event_id("urn:kc:ami:pbx", "call.entered", "pbx:1", 1),
        events.event_id("urn:kc:ami:pbx", "call.entered", "pbx:1", 2),
        events.event_id("urn:kc:ami:pbx", "call.entered", "pbx:11"),
        events.event_id("urn:kc:ami:pbx", "call.answered", "pbx:1", 1),
        events.event_id("urn:kc:ami:spare", "call.entered", "pbx:1", 1),
    }

    assert len(made) == 5
    assert all(len(each) == 32 for each in made)


@pytest.mark.parametrize(
    ("seconds", "whole"), [(300, 300_000), (300.001, 300_001), (300.0009, 300_000), (0, 0), (0.0005, 0)]
)
def test_exactly_five_minutes_is_in_time_and_a_millisecond_more_is_not(seconds: float, whole: int) -> None:
    assert events.milliseconds(timedelta(seconds=seconds)) == whole


def test_an_event_that_is_sent_again_after_a_start_is_the_same_though_its_caller_has_another_pseudonym() -> None:
    first = CallEntered(
        id="1", source="urn:kc:x:y", observed_at=AT, visit_id="v", queue="q", caller=Caller(pseudonym="one")
    )
    again = structs.replace(first, caller=Caller(pseudonym="another"))

    assert same_content(first, again) and same_content(again, first)
    assert same_content(first, structs.replace(first, caller=None))
    assert not same_content(first, structs.replace(first, caller=Caller(withheld=True)))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        ('{"id": "1"}'.encode("utf-16"), "it is UTF-16 or UTF-32; UTF-8 is expected"),
        ('{"id": "1"}'.encode("utf-16-be"), "it is UTF-16 or UTF-32; UTF-8 is expected"),
        ('{"id": "1"}'.encode("utf-8-sig"), "it begins with a byte order mark (BOM); UTF-8 without one is expected"),
        (b"{'id': 1}", "JSON is malformed"),
    ],
)
def test_what_is_no_json_is_said_in_words(raw: bytes, words: str):
    with pytest.raises(InvalidEvent, match=re.escape(f"not JSON: {words}")):
        events.decode(raw)
