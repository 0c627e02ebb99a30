"""Numbers and free words in what a sender wrote: which are replaced or dropped, and what stays as it is."""

import gzip
import re
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect, structs

from adapters.mqtt.publishers import Publisher, Sign
from adapters.mqtt.translator import GONE, WILL
from queue_monitor import events
from queue_monitor.core.privacy import COUNTERS, HIDDEN, LISTED, Veil, without_numbers
from queue_monitor.events import (
    AgentActivity,
    AgentState,
    CallAnswered,
    CallEntered,
    Caller,
    CallLeft,
    CallTransferred,
    Event,
    LeftOutcome,
    QueueAgent,
    QueueSnapshot,
    RawReference,
    SourceConnected,
    SourceGap,
    TransferTarget,
    WaitingCaller,
)
from queue_monitor.runtime.month_keys import MonthKeys
from tests.scenario import SOURCE, STOCKHOLM, TEN

NUMBER = "0701740605"
SPELLINGS = (
    "+46701740605",
    "0046701740605",
    "070-1740605",
    "070-174 06 05",
    "070/174 06 05",
    "+46 70-174 06 05",
    "+46 (0)70-174 06 05",
    "tel:+46701740605",
    "tel:46701740605",
    "sip:0701740605",
    "SIPS:+46701740605",
    "０７０１７４０６０５",
    "＋４６ ７０-174 06 05",
    "٠٧٠١٧٤٠٦٠٥",
    "070१७४0605",
    "070‑174\u200906\u200905",
    "070\u200b1740605",
    "ｔｅｌ：+46701740605",
)
LAST_OF_NOVEMBER = datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC)  # 23:59:59 in Stockholm
FIRST_OF_DECEMBER = LAST_OF_NOVEMBER + timedelta(seconds=1)


class Now:
    """What is going on, as a test says it."""

    def __init__(self) -> None:
        self.calls: set[tuple[str, str]] = set()
        self.agents: set[str] = set()
        self.asked = 0

    def is_open(self, switch: str, call: str) -> bool:
        self.asked += 1
        return (switch, call) in self.calls

    def knows_agent(self, agent_id: str) -> bool:
        return agent_id in self.agents


def veil(now: Now | None = None, names: tuple[str, ...] = ()) -> Veil:
    keys = iter(range(1, 100))
    return Veil(MonthKeys(None, lambda size: bytes([next(keys)]) * size), now or Now(), STOCKHOLM, names)


def said(kind: type[Event] = CallEntered, **fields: Any) -> Any:
    needed: dict[str, Any] = {"id": "1", "source": SOURCE, "switch": "vxl", "observed_at": TEN, "switch_time": TEN}
    if kind in (CallEntered, CallAnswered, CallLeft, CallTransferred):
        needed |= {"visit_id": "vxl:1"}
    if kind in (CallEntered, QueueSnapshot):
        needed |= {"queue": "kundcenter"}
    return kind(**(needed | fields))


def under(cover: Veil, event: Event) -> Any:
    return cover.over(event, event.at).event


# ---- ids


@pytest.mark.parametrize("written", SPELLINGS)
def test_a_number_in_an_id_is_replaced_however_it_is_written_and_always_alike(written: str):
    cover = veil()

    expected = under(cover, said(contact_id=f"vxl:{NUMBER}")).contact_id
    event = under(cover, said(id=f"{written}/joined", contact_id=f"vxl:{written}", visit_id=f"vxl:{written}@pbx-17"))

    assert expected.startswith("vxl:nr-")
    assert event.contact_id == expected
    assert event.visit_id == f"{expected}@pbx-17"
    assert event.id == f"{expected.removeprefix('vxl:')}/joined"


def digits(text: str) -> str:
    """A text with the digits of any script as plain ones."""
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in text)


@pytest.mark.parametrize("before", ["", "7.", "x", "_", "a1b2-", "8/", "1795507200.12/", "+"])
@pytest.mark.parametrize("behind", ["", ".7", "x", "_", "-17", "/1", "@pbx", "/1795507200.12", " ", "c"])
@pytest.mark.parametrize("written", SPELLINGS)
def test_a_number_is_found_whatever_stands_around_it(before: str, written: str, behind: str):
    found = under(veil(), said(contact_id=f"vxl:{before}{written}{behind}")).contact_id

    assert "740605" not in re.sub(r"[ /-]", "", digits(found))


def test_a_plus_begins_a_number_behind_digits_too():
    assert "740605" not in under(veil(), said(contact_id="vxl:17+46701740605")).contact_id


def test_what_stands_behind_a_number_is_no_part_of_it():
    cover = veil()

    event = under(cover, said(contact_id=f"vxl:{NUMBER}", visit_id=f"vxl:{NUMBER}-17", leg_id=f"SIP/{NUMBER}-0000001a"))

    replaced = event.contact_id.removeprefix("vxl:")
    assert (event.visit_id, event.leg_id) == (f"vxl:{replaced}-17", f"SIP/{replaced}-0000001a")


def test_two_numbers_stay_two_and_the_key_decides_what_they_become():
    ids = [f"vxl:07017406{last:02}" for last in range(5, 100)]

    first, second = ([under(cover, said(contact_id=id_)).contact_id for id_ in ids] for cover in (veil(), veil()))
    other = Veil(MonthKeys(None, lambda size: bytes([77]) * size), Now(), STOCKHOLM)

    assert len(set(first)) == len(ids)
    assert first == second
    assert set(first).isdisjoint(under(other, said(contact_id=id_)).contact_id for id_ in ids)


def test_ids_inside_lists_and_parts_are_replaced_like_all_others():
    cover = veil()
    expected = under(cover, said(leg_id=f"vxl:{NUMBER}")).leg_id
    caller = WaitingCaller(leg_id=f"vxl:{NUMBER}", visit_id=f"vxl:{NUMBER}", contact_id=f"vxl:{NUMBER}")
    agent = QueueAgent(agent_id=f"vxl:{NUMBER}", state=AgentActivity.AVAILABLE)

    snapshot = under(cover, said(QueueSnapshot, as_of=TEN, waiting=(caller,), agents=(agent,)))
    passed_on = under(cover, said(CallTransferred, to=TransferTarget(queue="växel", agent_id=f"vxl:{NUMBER}")))

    (seen,), (at_work,) = snapshot.waiting, snapshot.agents
    assert {seen.leg_id, seen.visit_id, seen.contact_id, at_work.agent_id, passed_on.to.agent_id} == {expected}


UNIQUEID = st.builds("{}.{}".format, st.integers(1_000_000_000, 2_000_000_000), st.integers(0, 10**7))
PLAIN = st.one_of(
    UNIQUEID,
    st.builds("pbx01-{}".format, UNIQUEID),
    st.uuids().map(str),
    st.uuids().map(lambda found: str(found).upper()),
    st.uuids().map(lambda found: found.hex),
    st.integers(0, 10**18).map(str),
    st.integers(0, 10**6).map("{}/joined".format),
)


@given(PLAIN, st.sampled_from(["", "vxl:", "tel:", "sip:"]))
def test_uniqueids_uuids_and_plain_counters_stay_as_they_are(plain: str, prefix: str):
    switch = prefix.removesuffix(":") or "vxl"
    event = said(id=plain, switch=switch, contact_id=prefix + plain, visit_id=prefix + plain, leg_id=prefix + plain)

    assert veil().over(event, TEN).event == event


@pytest.mark.parametrize("plain", ["４６", "kö 7", "samtal–12", "växel:anna\u200b@kö", "¹²", "１２３４５", "ﬁlial 3"])
def test_an_id_without_a_number_keeps_its_own_signs(plain: str):
    event = said(id=plain, contact_id=f"vxl:{plain}", visit_id=f"vxl:{plain}", queue=plain)

    assert under(veil(), event) == event


def test_a_number_with_its_country_and_no_plus_cannot_be_told_from_a_counter():
    event = said(contact_id="vxl:46701740605", visit_id="vxl:46701740605@kundcenter")

    assert under(veil(), event) == event


def test_a_uuid_that_looks_like_numbers_is_one_all_the_same():
    event = said(contact_id=f"vxl:{UUID('07017406-0701-4740-8605-070174060512')}")

    assert under(veil(), event) == event


@given(st.text("0123456789+-/ ().:@telsip;=abcdef", min_size=1, max_size=60))
def test_whatever_an_id_looks_like_it_is_replaced_once_and_then_stays(text: str):
    cover = veil()
    once = under(cover, said(contact_id=text))

    assert under(cover, once) == once


@given(st.text("0123456789+-/ ()\xa0.:@telsip", min_size=1, max_size=40))
def test_the_cheap_first_look_misses_nothing(text: str):
    cover, event = veil(), said(contact_id=text)

    looked_at = structs.replace(event, caller=Caller(pseudonym="b8"))

    assert under(cover, event).contact_id == under(cover, looked_at).contact_id


# ---- the turn of a month


def test_a_number_has_another_replacement_in_the_next_month_by_local_time():
    cover = veil()

    before = under(cover, said(contact_id=f"vxl:{NUMBER}", switch_time=LAST_OF_NOVEMBER))
    after = under(cover, said(contact_id=f"vxl:{NUMBER}", switch_time=FIRST_OF_DECEMBER))

    assert before.contact_id != after.contact_id


def test_a_call_that_is_open_at_the_turn_of_the_month_goes_on_under_its_id_for_all_of_its_words():
    now = Now()
    cover = veil(now)
    visit = f"vxl:{NUMBER}"
    entered = under(cover, said(visit_id=visit, contact_id=visit, switch_time=LAST_OF_NOVEMBER))
    now.calls.add(("vxl", entered.visit_id))

    answered = under(cover, said(CallAnswered, visit_id=visit, switch_time=FIRST_OF_DECEMBER))
    now.calls.clear()
    ended = under(cover, said(CallAnswered, visit_id=visit, contact_id=visit, switch_time=FIRST_OF_DECEMBER))

    assert {answered.visit_id, ended.visit_id, ended.contact_id} == {entered.visit_id}


def test_what_goes_on_is_looked_up_on_the_first_of_a_month_and_once_for_a_call_that_does():
    now = Now()
    cover = veil(now)
    visit = f"vxl:{NUMBER}"
    entered = under(cover, said(visit_id=visit, contact_id=visit, switch_time=LAST_OF_NOVEMBER))
    asked_before = now.asked
    now.calls.add(("vxl", entered.visit_id))
    for second in range(5):
        at = FIRST_OF_DECEMBER + timedelta(seconds=second)
        under(cover, said(CallAnswered, visit_id=visit, contact_id=visit, switch_time=at))
    asked_of_one = now.asked
    for day in range(1, 31):
        at = FIRST_OF_DECEMBER + timedelta(days=day)
        under(cover, said(visit_id="vxl:0920453000", contact_id="vxl:0920453000", switch_time=at))

    assert (asked_before, asked_of_one, now.asked) == (0, 1, 1)


def test_who_calls_anew_in_the_new_month_is_somebody_new():
    now = Now()
    cover = veil(now)
    first = under(cover, said(visit_id=f"vxl:{NUMBER}", switch_time=LAST_OF_NOVEMBER))
    now.calls.add(("vxl", "vxl:nr-somebody-else"))

    again = under(cover, said(visit_id=f"vxl:{NUMBER}", switch_time=FIRST_OF_DECEMBER))

    assert again.visit_id != first.visit_id


def test_an_event_has_one_id_whether_or_not_its_call_is_open_when_it_is_sent_again():
    now = Now()
    cover = veil(now)
    entered = under(cover, said(visit_id=f"vxl:{NUMBER}", switch_time=LAST_OF_NOVEMBER))
    answer = said(CallAnswered, id=f"{NUMBER}/answered", visit_id="vxl:1", switch_time=FIRST_OF_DECEMBER)
    first = under(cover, answer)
    now.calls.add(("vxl", entered.visit_id))
    under(cover, said(CallAnswered, visit_id=f"vxl:{NUMBER}", switch_time=FIRST_OF_DECEMBER))

    assert under(cover, answer).id == first.id


def test_an_agent_who_is_known_stays_one_person_from_month_to_month():
    now = Now()
    cover = veil(now)
    state = {"agent_id": f"vxl:{NUMBER}", "state": AgentActivity.AVAILABLE}
    november = under(cover, said(AgentState, **state))
    now.agents.add(november.agent_id)

    later = [
        under(cover, said(AgentState, **state, switch_time=TEN + timedelta(days=31 * months))).agent_id
        for months in (1, 2, 3)
    ]

    assert later == [november.agent_id] * 3


# ---- free words and names


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (said(AgentState, agent_id="vxl:a", state=AgentActivity.PAUSED, reason="ring Anna på 0701740605"), "reason"),
        (said(AgentState, agent_id="vxl:a", state=AgentActivity.PAUSED, reason="0701740605"), "reason"),
        (said(AgentState, agent_id="vxl:a", state=AgentActivity.PAUSED, state_raw="Anna"), "state_raw"),
        (said(CallLeft, outcome=LeftOutcome.ABANDONED, reason_raw="Anna lade på"), "reason_raw"),
        (said(CallLeft, outcome=LeftOutcome.EXIT_KEY, key="0701740605"), "key"),
        (said(SourceConnected, reason="Anna startade om"), "reason"),
        (said(SourceConnected, version="1.0 Anna"), "version"),
        (said(SourceGap, from_=TEN, to=TEN, cause="Anna"), "cause"),
        (said(dialled="0920453000"), "dialled"),
        (said(raw=RawReference(kind="Anna", sha256="0701740605")), "raw"),
        (said(unmapped={"Anna": "0701740605"}), "unmapped"),
        (said(QueueSnapshot, as_of=TEN, counters={"Anna": "1", "Calls": "0701740605"}), "counters"),
    ],
)
def test_what_is_not_listed_is_dropped(event: Event, field: str):
    assert not getattr(under(veil(), event), field)


@pytest.mark.parametrize(
    "event",
    [
        said(AgentState, agent_id="vxl:a", state=AgentActivity.PAUSED, reason="Lunch", state_raw="On break"),
        said(AgentState, agent_id="vxl:a", state=AgentActivity.PAUSED, reason="12"),
        said(CallLeft, outcome=LeftOutcome.EXIT_KEY, key="*1", reason_raw="hangup"),
        said(QueueSnapshot, as_of=TEN, counters={"Calls": "0", "Completed": "1234567", "waiting": "7"}),
        said(SourceGap, from_=TEN, to=TEN, cause="3 missing: the numbers 3 to 5 never came"),
        said(caller=Caller(pseudonym="b8c37e33defde51cf91e1e03e51657da")),
    ],
)
def test_what_is_listed_stays(event: Event):
    assert under(veil(), event) == event


def test_the_list_is_written_as_it_is_looked_up():
    assert all(word == word.lower().strip() for words in LISTED.values() for word in words)


@pytest.mark.parametrize("pseudonym", ["0701740605", "46701740605", "070 174 06 05", "tel:0701740605"])
def test_a_number_is_no_pseudonym(pseudonym: str):
    assert under(veil(), said(caller=Caller(pseudonym=pseudonym))).caller == Caller()


def test_a_name_shows_no_number_unless_the_settings_have_it():
    event = said(CallLeft, outcome=LeftOutcome.OVERFLOW, queue="0701740605", next_queue="0920453000", switch=NUMBER)

    found = veil(names=("0920453000",)).over(event, TEN)

    assert isinstance(found.event, CallLeft)
    assert (found.event.queue, found.event.next_queue, found.event.switch_name) == (HIDDEN, "0920453000", HIDDEN)
    assert set(found.hidden) == {"switch", "queue"}


@pytest.mark.parametrize("kind", events.EVENT_TYPES.values())
def test_no_field_of_any_event_lets_a_number_through(kind: type[Event]):
    """A field that is new is dropped until it has a rule."""
    event = filled(kind, f"vxl:{NUMBER}")

    assert NUMBER in str(event)
    assert NUMBER not in str(veil().over(event, TEN).event)


def filled(kind: type[Any], text: str, at: datetime = TEN) -> Any:
    """A struct of that moment with this text in every field that can hold one."""

    def value(written: inspect.Type) -> Any:
        match written:
            case inspect.Metadata():
                return value(written.type)
            case inspect.UnionType():
                return next((got for got in map(value, written.types) if got is not None), None)
            case inspect.StrType():
                return text
            case inspect.DictType():
                return {text: text}
            case inspect.VarTupleType():
                return (value(written.item_type),)
            case inspect.StructType():
                return filled(written.cls, text, at)
            case inspect.DateTimeType():
                return at
            case inspect.EnumType():
                return next(iter(written.cls))
            case inspect.BoolType():
                return True
            case inspect.IntType() | inspect.FloatType():
                return 1
            case _:
                return None

    return kind(**{field.name: value(inspect.type_info(field.type)) for field in structs.fields(kind)})


def test_a_text_for_people_has_no_number():
    text = without_numbers("from 070-174 06 05 and 46701740605 at 2026-11-30T23:59:59.123456, event 12 of abc")

    assert text == f"from {HIDDEN} and {HIDDEN} at 2026-11-30T23:59:59.123456, event 12 of abc"


def test_the_document_lists_the_words_and_counters_that_stay():
    limits = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")

    for field, words in LISTED.items():
        assert f"| `{field}` | {', '.join(sorted(words))} |" in limits
    assert f"| `counters` | {', '.join(f'`{name}`' for name in sorted(COUNTERS))}: " in limits


def test_what_our_own_door_says_of_a_publisher_stays():
    publisher = Publisher("pbx", sources={"urn:kc:x:pbx": "pbx"})
    for sequence in ("1", "5"):
        gap = publisher.count(said(sequence=sequence), TEN)
    signs = [*publisher.say(Sign(online=False, at=TEN, reason=WILL)), *publisher.say(Sign(online=True, at=TEN))]
    told = [gap, *signs, *publisher.lose(TEN, GONE)]
    for resumed in (True, False):
        told += [*publisher.find(TEN, resumed), *publisher.lose(TEN, GONE)]

    assert all(event is not None and under(veil(), event) == event for event in told)
    assert {getattr(event, "cause", "") for event in told} > {"3 missing: the numbers 2 to 4 never came"}


@pytest.mark.parametrize("file", sorted((Path(__file__).parents[1] / "recordings" / "replay").glob("*.gz")), ids=str)
def test_a_day_of_a_good_sender_stays_as_it_is(file: Path):
    cover = veil()

    for line in gzip.decompress(file.read_bytes()).splitlines():
        event = events.decode(line)
        assert under(cover, event) == event
