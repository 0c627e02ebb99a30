"""Lines of queue_log that people who run call queues have met, each with what really happened to the callers."""

import sys
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from adapters.asterisk_queuelog import Settings, Translator, recorded_pieces
from alerts.rules import read
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.events import CallAnswered, CallEntered, EndedBy, Event, RefusalReason
from queue_monitor.model import AlertKind, Counts, Outcome, Staff, StaffBasis, Target, Visit
from queue_monitor.ports import Connection
from tests.adapters.telling import ASTERISK, LONG_AGO, heard, rejections, whole
from tests.scenario import office_hours

START = 1795433700
"""Monday 23 November 2026, 12.35 in Luleå."""

CONNECTION = Connection(source="urn:kc:asterisk_queuelog:test", switch="kc", epoch="1")


def case(name: str) -> bytes:
    return whole(ASTERISK / "log" / f"{name}.log")


def text(*told: str) -> bytes:
    """Each line is `seconds|rest`."""
    return "".join(f"{START + int(line.partition('|')[0])}|{line.partition('|')[2]}\n" for line in told).encode()


def played(raw: bytes, options: Settings | None = None) -> Live:
    items = heard(Translator(CONNECTION, options or Settings()), [(raw, LONG_AGO)])
    assert rejections(items) == []
    live = Live(Rules(target=Target(), calendar=office_hours(), organisation="Kundcenter"))
    for item in items:
        assert isinstance(item, Event)
        live.apply(item)
    return live


def visits(live: Live) -> list[Visit]:
    return sorted(
        live.ledger.visits(), key=lambda visit: (str(visit.ended_wait_at or visit.entered_at), visit.visit_id)
    )


def told(live: Live) -> list[tuple[str, str, float | None, float | None]]:
    """Call, outcome, seconds of wait, seconds of talk."""
    return [
        (visit.leg_id.partition(":")[2], visit.outcome.value, seconds(visit.wait_ms), seconds(visit.talk_ms))
        for visit in visits(live)
    ]


def seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def counts(live: Live) -> Counts:
    newest = max(filter(None, (visit.ended_wait_at or visit.entered_at for visit in visits(live))))
    return live.snapshot(newest).total.periods["day"].counts


# Outgoing calls


def test_a_call_centres_own_outgoing_calls_are_no_callers() -> None:
    live = played(case("outgoing-calls"))

    assert (told(live), live.events["orphan"]) == ([], 0)


@pytest.mark.parametrize("verb", ["OUTCALL", "CALLOUT", "OUTBOUNDCALL", "DialOut", "RINGUP"])
def test_other_words_for_an_outgoing_call(verb: str) -> None:
    made = text(
        f"0|M1.1|ut|NONE|{verb}||0980319201",
        *("3|M1.1|ut|Agent/1|RINGNOANSWER|2000", "5|M1.1|ut|Agent/1|CONNECT|5|1.2|1"),
        *("65|M1.1|ut|Agent/1|BLINDTRANSFER|2001|inne|5|60|1",),
    )

    assert told(played(made, Settings(outgoing_verbs=("RingUp",)))) == []


def test_who_is_called_and_then_put_into_a_queue_is_a_caller() -> None:
    live = played(
        text(
            *("0|1.1|ut|NONE|CALLOUTBOUND||0980319201", "9|1.1|ut|Anna|CONNECT|9", "20|1.1|ut|Anna|COMPLETEAGENT|9|11"),
            *("20|1.1|kundcenter|NONE|ENTERQUEUE|||1", "24|1.1|kundcenter|Bo|CONNECT|4|1.3|2"),
            "30|1.1|kundcenter|Bo|COMPLETEAGENT|4|6|1",
        )
    )

    assert told(live) == [("1.1", "answered", 4, 6)]


def test_a_waiting_callers_call_that_also_calls_out_stays_a_callers() -> None:
    live = played(
        text(
            "0|1.1|q|NONE|ENTERQUEUE|||1", "2|1.1|q|NONE|OUTCALL|x", "4|1.1|q|Bo|CONNECT|4|1.3|2", "9|2.1|q|NONE|DID|1"
        )
    )

    assert told(live) == [("1.1", "answered", 4, None)]


@pytest.mark.parametrize("again", [10, 11])
def test_who_is_moved_back_into_the_same_queue_did_not_give_up(again: int) -> None:
    live = played(
        text(
            *("0|1.1|q|NONE|ENTERQUEUE|||1", "10|1.1|q|NONE|ABANDON|1|1|10", f"{again}|1.1|q|NONE|ENTERQUEUE|||1"),
            "20|1.1|q|Bo|CONNECT|9|1.3|2",
        )
    )

    assert [(outcome, wait) for _, outcome, wait, _ in told(live)] == [
        ("transferred_out", 10),
        ("answered", 20 - again),
    ]


@pytest.mark.parametrize(
    ("then", "after"),
    [
        ("10|1.1|q|Bo|CONNECT|10|1.2|1", ("answered", 10)),
        ("10|1.1|q|NONE|ABANDON|1|1|10", ("abandoned", 10)),
        ("1|1.1|q|NONE|ABANDON|1|1|1", ("abandoned", 1)),
        ("1|2.2|r|NONE|ENTERQUEUE|||1", ("waiting", None)),
    ],
)
def test_a_stay_that_ended_in_its_first_second_was_no_hang_up_where_the_channel_waits_on(
    then: str, after: tuple[str, float | None]
) -> None:
    live = played(
        text("0|1.1|q|NONE|ENTERQUEUE|||1", "0|1.1|q|NONE|ABANDON|1|1|0", "0|1.1|q|NONE|ENTERQUEUE|||1", then)
    )

    assert [row[1:3] for row in told(live) if row[0] == "1.1"] == [("transferred_out", 0), after]


@pytest.mark.parametrize("end", [20, 21])
def test_nor_was_it_one_where_the_line_comes_after_the_entry_to_another_queue(end: int) -> None:
    live = played(
        text(
            *("0|1.1|q|NONE|ENTERQUEUE|||1", "20|1.1|r|NONE|ENTERQUEUE|||1", f"{end}|1.1|q|NONE|ABANDON|1|1|20"),
            "30|1.1|r|Bo|CONNECT|10|1.2|1",
        )
    )

    assert sorted(row[1] for row in told(live)) == ["answered", "transferred_out"]


# Callers turned away


def test_callers_turned_away_at_the_door_are_counted_with_the_reason() -> None:
    live = played(case("refusals"))

    assert told(live) == [("5.4", "answered", 2, 12)]
    found = counts(live)
    assert (found.refused, found.dialled, found.entered) == (3, 4, 1)
    assert [refusal.reason for refusal in live.ledger.refusals()] == [
        RefusalReason.NO_AGENTS,
        RefusalReason.FULL,
        RefusalReason.CLOSED,
    ]


@pytest.mark.parametrize("verb", ["JOINUNAVAIL", "DIVERT_CA_RATIO", "DIVERT_HOLDTIME", "StangtIdag"])
def test_other_words_for_being_turned_away(verb: str) -> None:
    options = Settings(refusal_verbs={"STANGTIDAG": RefusalReason.CLOSED})
    live = played(
        text(f"0|5.1|q1|NONE|{verb}|", "9|5.2|q1|NONE|ENTERQUEUE|||1", "11|5.2|q1|NONE|ABANDON|1|1|2"), options
    )

    assert (counts(live).refused, counts(live).entered) == (1, 1)


def test_why_a_caller_was_thrown_out_is_no_second_caller() -> None:
    live = played(
        text(
            *("0|5.1|q1|NONE|ENTERQUEUE|||1", "30|5.1|q1|NONE|EXITEMPTY|1|1|30", "30|5.1|q1|NONE|LEAVEEMPTY|"),
            *("40|5.2|q1|NONE|ENTERQUEUE|||1", "50|5.2|q1|NONE|LEAVEEMPTY|"),
            *("60|5.3|q1|NONE|ENTERQUEUE|||1", "70|5.3|q1|NONE|EXITWITHTIMEOUT|1|1|10", "70|5.3|q1|NONE|CLOSED|"),
        )
    )

    assert told(live) == [
        ("5.1", "no_agents", 30, None),
        ("5.2", "no_agents", 10, None),
        ("5.3", "timeout", 10, None),
    ]
    assert counts(live).refused == 0


# A channel that goes on


MOVED = "0|1.1|q|NONE|ENTERQUEUE|||1", "30|1.1|q|NONE|ABANDON|1|1|30"


@pytest.mark.parametrize(("queue", "second"), [("r", 30), ("r", 31), ("r", 300), ("q", 31), ("q", 300)])
def test_who_enters_again_on_the_same_channel_was_moved_and_had_not_hung_up(queue: str, second: int) -> None:
    again = f"{second}|1.1|{queue}|NONE|ENTERQUEUE|||1", f"{second + 10}|1.1|{queue}|Bo|CONNECT|10|1.2|1"
    live = played(text(*MOVED, *again))

    assert told(live) == [("1.1", "transferred_out", 30, None), ("1.1", "answered", 10, None)]
    assert contacts(live) == [("answered", 40, 2)]


def test_nor_is_one_who_was_moved_lost_in_a_restart() -> None:
    live = played(
        text(*MOVED, "31|1.1|r|NONE|ENTERQUEUE|||1", "33|1.1|r|NONE|ABANDON|1|1|2", "35|NONE|NONE|NONE|QUEUESTART|")
    )

    assert [row[:3] for row in told(live)] == [("1.1", "transferred_out", 30), ("1.1", "lost", 2)]


def test_lines_that_are_written_again_move_nobody() -> None:
    assert told(played(text(*MOVED, *MOVED))) == told(played(text(*MOVED)))
    at_once = "0|1.1|q|NONE|ENTERQUEUE|||1", "0|1.1|q|NONE|ABANDON|1|1|0"
    assert {row[1] for row in told(played(text(*at_once, *at_once)))} == {"abandoned"}


def test_a_channel_that_enters_another_queue_waits_no_longer_in_the_first() -> None:
    entered = "0|1.1|q|NONE|ENTERQUEUE|||1", "20|1.1|r|NONE|ENTERQUEUE|||1"
    live = played(text(*entered))
    shown = live.snapshot(live.ledger.last_word(visits(live)[0]))

    assert told(live) == [("1.1", "unknown", None, None), ("1.1", "waiting", None, None)]
    assert [(queue.name, queue.waiting_count) for queue in shown.queues] == [("q", 0), ("r", 1)]
    assert told(played(text(*entered, *entered))) == told(live)


def test_the_line_that_ends_the_first_stay_may_come_after_the_next_entry() -> None:
    entered = "0|1.1|q|NONE|ENTERQUEUE|||1", "20|1.1|r|NONE|ENTERQUEUE|||1"
    live = played(text(*entered, "20|1.1|q|NONE|EXITWITHTIMEOUT|1|1|20", "30|1.1|r|Bo|CONNECT|10|1.2|1"))

    assert told(live) == [("1.1", "overflow", 20, None), ("1.1", "answered", 10, None)]


TALKED = "0|1.1|q|NONE|ENTERQUEUE|||1", "5|1.1|q|Bo|CONNECT|5|1.2|1", "20|1.1|r|NONE|ENTERQUEUE|||1"


def test_who_enters_a_queue_again_talks_no_longer_although_no_line_ended_the_talk() -> None:
    live = played(text(*TALKED))

    assert told(live) == [("1.1", "answered", 5, 15), ("1.1", "waiting", None, None)]
    assert live.ledger.talking() == []


def test_the_line_that_ends_the_talk_may_come_after_the_next_entry() -> None:
    first, _ = visits(played(text(*TALKED, "20|1.1|q|Bo|BLINDTRANSFER|r|inne|5|15|1")))

    assert (first.talk_ms, first.ended_by) == (15_000, EndedBy.TRANSFER)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("at", [70, 71])
def test_the_line_of_a_transfer_into_the_same_queue_may_come_after_the_next_entry(at: int, times: int) -> None:
    told_late = f"{at}|1.1|q|Bo|BLINDTRANSFER|q|inne|10|60|1"
    live = played(
        text(
            *("0|1.1|q|NONE|ENTERQUEUE|||1", "10|1.1|q|Bo|CONNECT|10|1.2|1", "70|1.1|q|NONE|ENTERQUEUE|||1"),
            *([told_late] * times),
            *("80|1.1|q|Eva|CONNECT|10|1.3|1", "100|1.1|q|Eva|COMPLETECALLER|10|20|1"),
        )
    )

    assert told(live) == [("1.1", "answered", 10, at - 10), ("1.1", "answered", 10, 20)]
    assert [visit.ended_by for visit in visits(live)] == [EndedBy.TRANSFER, EndedBy.CALLER]


# The switch begins anew


def lost(live: Live) -> list[str]:
    return [visit.leg_id.partition(":")[2] for visit in visits(live) if visit.outcome is Outcome.LOST]


def test_all_whom_a_slow_restart_cut_off_are_lost() -> None:
    assert len(lost(played(case("slow-restart")))) == 24


@pytest.mark.parametrize("later", [1, 11, 90, 3600, 9 * 3600])
def test_several_who_go_in_one_moment_are_lost_however_late_the_start_comes(later: int) -> None:
    live = played(
        text(
            *(f"{n}|{n}.1|q|NONE|ENTERQUEUE|||1" for n in range(3)),
            *("20|0.1|q|NONE|ABANDON|1|1|20", "30|9.9|q|Bo|COMPLETEAGENT|1|1|1"),
            *("30|1.1|q|NONE|ABANDON|1|1|29", "31|2.1|q|NONE|ABANDON|1|2|29"),
            *("31|NONE|q|Bo|PAUSE|", f"{31 + later}|NONE|NONE|NONE|QUEUESTART|"),
        )
    )

    assert lost(live) == ["1.1", "2.1"]


@pytest.mark.parametrize(("later", "cut_off"), [(1, ["1.1"]), (11, ["1.1"]), (60, []), (540, []), (9 * 3600, [])])
def test_one_alone_is_lost_where_the_start_is_near(later: int, cut_off: list[str]) -> None:
    start = f"{20 + later}|NONE|NONE|NONE|QUEUESTART|"

    assert lost(played(text("0|1.1|q|NONE|ENTERQUEUE|||1", "20|1.1|q|NONE|ABANDON|1|1|20", start))) == cut_off


def test_one_alone_had_hung_up_where_somebody_paused_before_the_switch_stopped() -> None:
    live = played(
        text(
            *("0|1.1|q|NONE|ENTERQUEUE|||1", "20|1.1|q|NONE|ABANDON|1|1|20", "25|NONE|q|Bo|PAUSE|"),
            "29|NONE|NONE|NONE|QUEUESTART|",
        )
    )

    assert lost(live) == []


def test_who_hangs_up_before_others_come_or_are_answered_was_not_cut_off() -> None:
    live = played(
        text(
            *("0|1.1|q|NONE|ENTERQUEUE|||1", "1|1.2|q|NONE|ENTERQUEUE|||2", "5|1.1|q|NONE|ABANDON|1|1|5"),
            *("7|1.2|q|Bo|CONNECT|6|1.3|1", "9|NONE|NONE|NONE|QUEUESTART|"),
        )
    )

    assert lost(live) == []


def test_a_crash_loses_those_who_wait_and_not_one_who_hung_up_before() -> None:
    live = played(
        text(
            *(f"{n}|{n}.1|q|NONE|ENTERQUEUE|||1" for n in range(4)),
            *("9|0.1|q|NONE|ABANDON|1|1|9", "20|NONE|NONE|NONE|QUEUESTART|"),
        )
    )

    assert lost(live) == ["1.1", "2.1", "3.1"]


# Fields


def test_the_fields_of_a_transfer_are_counted_from_the_front() -> None:
    found = {leg: (wait, talk) for leg, _, wait, talk in told(played(case("transfer-fields")))}

    assert found == {"1.1": (None, None), "1.5": (10, 60), "1.7": (10, 60)}


@pytest.mark.parametrize(
    "line",
    [
        "75|1.1|q|Bo|TRANSFER|2001|inne",
        "75|1.1|q|Bo|BLINDTRANSFER|2001|inne|",
        "75|1.1|q|Bo|BLINDTRANSFER|2001|inne|10|65|1|",
        "75|1.1|q|Bo|ATTENDEDTRANSFER|BRIDGE|4f2c|10|65|1|",
        "75|1.1|q|Bo|ATTENDEDTRANSFER|APP|Park|10|65",
        "75|1.1|q|Bo|ATTENDEDTRANSFER|LINK|a|b|10|65|1|",
        "75|1.1|q|Bo|ATTENDEDTRANSFER|LINK|a|b",
        "75|1.1|q|Bo|COMPLETEAGENT|10",
        "75|1.1|q|Bo|COMPLETECALLER||",
    ],
)
def test_a_talk_that_was_seen_is_as_long_as_it_was_whatever_the_last_line_leaves_out(line: str) -> None:
    live = played(text("0|1.1|q|NONE|ENTERQUEUE|||1", "10|1.1|q|Bo|CONNECT|10|1.2|1", line))

    assert told(live) == [("1.1", "answered", 10, 65)]


# Attended transfers into a queue


def test_who_is_put_into_a_queue_in_anothers_place_is_one_caller() -> None:
    live = played(case("attended-transfer"))

    assert [(visit.outcome, visit.wait_ms, visit.talk_ms) for visit in visits(live)] == [(Outcome.ANSWERED, 8000, 2000)]


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("30|1.1|q|NONE|ABANDON|1|1|20", Outcome.ABANDONED),
        ("30|1.1|q|NONE|EXITWITHTIMEOUT|1|1|20", Outcome.TIMEOUT),
        ("30|1.1|q|NONE|EXITWITHKEY|2|1|1|20", Outcome.EXIT_KEY),
        ("30|1.1|q|Bo|CONNECT|21|1.3|2", Outcome.ANSWERED),
    ],
)
def test_nor_are_there_two_when_he_leaves_another_way(line: str, outcome: Outcome) -> None:
    entered = "0|9.9|q|NONE|ENTERQUEUE|||1", "10|2.2|q|NONE|ENTERQUEUE|||2", "10|3.3|r|NONE|ENTERQUEUE|||1"
    live = played(text(*entered, line))

    found = {visit.leg_id: visit.outcome for visit in visits(live)}
    assert found == {"kc:9.9": Outcome.WAITING, "kc:2.2": outcome, "kc:3.3": Outcome.WAITING}


@pytest.mark.parametrize("begins", [9, 10, 11])
def test_of_one_who_entered_before_what_is_still_read_nobody_is_taken_for_another(begins: int) -> None:
    translator = Translator(CONNECTION, Settings())
    translator.recall(text(f"{begins}|2.2|q|NONE|ENTERQUEUE|||2"), LONG_AGO)
    told_now = translator.feed(text("30|1.1|q|Bo|CONNECT|20|1.3|2"), LONG_AGO)

    assert [event.leg_id for event in told_now if isinstance(event, CallAnswered)] == ["kc:1.1"]


@pytest.mark.parametrize("hold", [19, 20, 21])
def test_a_hold_a_second_off_is_still_of_the_one_who_entered_first_in_the_file(hold: int) -> None:
    live = played(text("10|2.2|q|NONE|ENTERQUEUE|||2", f"30|1.1|q|Bo|CONNECT|{hold}|1.3|2"))

    assert [visit.outcome for visit in visits(live)] == [Outcome.ANSWERED]


TWO = "0|9.9|q|NONE|ENTERQUEUE|||1", "10|2.2|q|NONE|ENTERQUEUE|||2", "10|3.3|q|NONE|ENTERQUEUE|||3"
EITHER = "30|1.1|q|Bo|CONNECT|20|1.3|2", "40|1.1|q|Bo|COMPLETECALLER|20|10|1"


def test_of_two_who_entered_then_nobody_is_taken_for_another_nor_is_there_a_third() -> None:
    live = played(text(*TWO, *EITHER))

    assert {visit.leg_id: visit.outcome for visit in visits(live)} == {
        "kc:9.9": Outcome.WAITING,
        "kc:2.2": Outcome.WAITING,
        "kc:3.3": Outcome.WAITING,
    }


OTHER = "31|1.2|q|Eva|CONNECT|20|1.4|2", "45|1.2|q|Eva|COMPLETEAGENT|20|14|1"


def test_two_put_into_the_queue_at_once_are_two_callers_once_both_are_told() -> None:
    lines = sorted((*EITHER, *OTHER), key=lambda line: int(line.partition("|")[0]))
    live = played(text(*TWO, *lines))

    assert [row[1:] for row in told(live) if row[1] == "answered"] == [("answered", 20, 10), ("answered", 21, 14)]
    assert len(visits(live)) == 3


@pytest.mark.parametrize(
    "line",
    [
        "50|2.2|q|NONE|ABANDON|2|2|40",
        "50|2.2|q|Eva|CONNECT|40|1.4|2",
        "50|2.2|q|Eva|RINGNOANSWER|5000",
    ],
)
def test_once_one_of_the_two_goes_another_way_it_was_the_other(line: str) -> None:
    live = played(text(*TWO, *EITHER, line))

    assert ("3.3", "answered", 20, 10) in told(live)
    assert len(visits(live)) == 3


def test_of_two_who_talk_the_one_is_over_whose_agent_it_is() -> None:
    talks = "15|2.2|q|Eva|CONNECT|5|1.4|2", "15|3.3|q|Bo|CONNECT|5|1.5|2"
    live = played(text(*TWO, *talks, "45|1.1|q|Bo|COMPLETEAGENT|5|30|1"))

    assert [row for row in told(live) if row[1] == "answered"] == [
        ("2.2", "answered", 5, None),
        ("3.3", "answered", 5, 30),
    ]


# A queue that waits in another queue

ANNA, BO = "0980319201", "0980319202"


def contacts(live: Live) -> list[tuple[str, float | None, int]]:
    """Outcome, seconds of wait and number of visits of each."""
    found = sorted(live.ledger.contacts(), key=lambda contact: (str(contact.entered_at), contact.contact_id))
    return [(contact.outcome.value, seconds(contact.wait_ms), len(contact.visit_ids)) for contact in found]


def enters(second: int, call: str, queue: str, number: str = ANNA) -> str:
    return f"{second}|{call}|{queue}|NONE|ENTERQUEUE||{number}|1"


def test_who_waits_in_a_queue_for_another_is_the_same_person_from_the_start() -> None:
    live = played(text(enters(0, "1.0", "outer"), enters(0, "1.2", "inner")))

    assert contacts(live) == [("waiting", 0, 2)]


@pytest.mark.parametrize("number", [ANNA, "unknown"])
def test_an_answer_in_the_inner_queue_is_one_persons_whatever_the_number(number: str) -> None:
    live = played(
        text(
            enters(0, "1.0", "outer", number),
            enters(30, "31.8", "inner", number),
            "40|31.8|inner|Bo|CONNECT|10|31.9|9",
            "40|1.0|outer|On|CONNECT|40|31.7|10",
        )
    )

    assert contacts(live) == [("answered", 40, 2)]


def test_each_ring_that_leads_into_the_inner_queue_is_the_same_persons() -> None:
    live = played(
        text(
            enters(0, "1.0", "outer"),
            enters(5, "6.8", "inner"),
            "20|1.0|outer|On|RINGNOANSWER|15000",
            "20|6.8|inner|NONE|ABANDON|1|1|15",
            enters(25, "26.8", "inner"),
        )
    )

    assert contacts(live) == [("waiting", 0, 3)]


def test_who_hangs_up_while_a_later_ring_waits_in_the_inner_queue_is_one_person() -> None:
    live = played(
        text(
            enters(0, "1.0", "outer"),
            enters(30, "31.8", "inner"),
            "37|31.8|inner|NONE|ABANDON|1|1|7",
            "38|1.0|outer|On|RINGCANCELED|7800",
            "38|1.0|outer|NONE|ABANDON|1|1|38",
        )
    )

    assert contacts(live) == [("abandoned", 38, 2)]


def test_a_member_that_answers_before_it_waits_in_the_inner_queue_is_nobody_yet() -> None:
    live = played(
        text(
            enters(0, "1.0", "outer"),
            "5|1.0|outer|On|CONNECT|5|5.4|0",
            enters(5, "5.5", "inner"),
            "25|5.5|inner|Bo|CONNECT|20|25.6|9",
        )
    )

    assert contacts(live) == [("answered", 25, 2)]


def test_three_queues_one_within_another_are_one_person() -> None:
    live = played(
        text(
            enters(0, "1.7", "one"),
            enters(1, "1.11", "two"),
            enters(1, "1.15", "three"),
            "9|1.15|three|Bo|CONNECT|8|1.17|3",
            "9|1.11|two|On|CONNECT|8|1.14|8",
            "9|1.7|one|On|CONNECT|9|1.10|9",
        )
    )

    assert contacts(live) == [("answered", 9, 3)]


@pytest.mark.parametrize(
    "lines",
    [
        (enters(0, "1.0", "outer"), enters(0, "1.2", "inner", BO)),
        (enters(0, "1.0", "outer", "unknown"), enters(0, "1.2", "inner", "unknown")),
        (enters(0, "1.0", "outer"), enters(2, "1.2", "inner")),
        (enters(0, "0.9", "other"), enters(0, "1.0", "outer"), enters(0, "1.2", "inner")),
        (
            enters(0, "1.0", "outer"),
            enters(9, "9.9", "inner"),
            "20|1.0|outer|Eva|CONNECT|20|8.7|2",
            "20|9.9|inner|Bo|CONNECT|11|9.1|2",
        ),
    ],
    ids=["numbers differ", "numbers withheld", "some time later", "one number for all", "no ring began then"],
)
def test_two_people_in_two_queues_stay_two(lines: tuple[str, ...]) -> None:
    live = played(text(*lines))

    assert {len(contact.visit_ids) for contact in live.ledger.contacts()} == {1}


@pytest.mark.parametrize(("made", "people"), [(16, 2), (19, 1)])
def test_a_channel_that_is_older_than_the_ring_waits_for_itself(made: int, people: int) -> None:
    """Its number follows that of the phone that answered, and its wait ends with that ring; but its id says when it was
    made.
    """
    leg, beside = f"{START + made}.9", f"{START + made}.10"
    live = played(
        text(
            enters(0, f"{START}.7", "outer", "unknown"),
            enters(20, beside, "inner", "unknown"),
            f"21|{START}.7|outer|Eva|CONNECT|21|{leg}|2",
            f"21|{beside}|inner|Bo|CONNECT|1|{START + 20}.11|1",
        )
    )

    assert len(list(live.ledger.contacts())) == people


def test_what_was_read_before_a_start_still_tells_whose_a_wait_is() -> None:
    translator = Translator(CONNECTION, Settings())
    translator.recall(text(enters(0, "1.0", "outer")), LONG_AGO)
    told_now = translator.feed(text(enters(0, "1.2", "inner")), LONG_AGO)
    (entered,) = [event for event in told_now if isinstance(event, CallEntered)]

    assert entered.contact_id == "kc:1.0"


# Names


def test_two_capitals_are_no_verb_where_they_are_half_a_name() -> None:
    live = played(case("pipe-in-a-name"))

    assert told(live) == [("1.1", "answered", 5, 60), ("1.2", "answered", 5, 60)]
    assert [visit.agent_id for visit in visits(live)] == ["kc:andersson, bo (växel)", "kc:anna|bo"]


@pytest.mark.parametrize(
    ("queue", "agent"),
    [
        *(
            ("600", "A|BO|CECIL"),
            ("ÅÄÖ|KC", "BO"),
            ("KC|SYD", "ANNA|BO"),
            ("600", "PAUSE|CONNECT"),
            ("600", "Bo|DID_2"),
        ),
        *(("600", "Bo|"), ("600", "A||B"), ("600", "|Bo"), ("KC|", "Bo"), ("KC|", "Bo|")),
    ],
)
def test_bars_in_names_of_queues_and_agents(queue: str, agent: str) -> None:
    live = played(
        text(
            f"0|1.1|{queue}|NONE|ENTERQUEUE||07|1",
            f"4|1.1|{queue}|{agent}|RINGNOANSWER|2000",
            f"5|1.1|{queue}|{agent}|CONNECT|5|1.2|1",
            f"9|1.1|{queue}|{agent}|COMPLETECALLER|5|4|1",
        )
    )

    assert [(visit.queue, visit.agent_id, visit.outcome) for visit in visits(live)] == [
        (queue, f"kc:{agent.casefold()}", Outcome.ANSWERED)
    ]
    assert told(live) == [("1.1", "answered", 5, 4)]


def test_a_verb_of_ones_own_that_speaks_of_another_verb_is_not_that_verb() -> None:
    live = played(text("0|1.1|q|NONE|ENTERQUEUE|||1", "1|1.1|q|NONE|NOTE|ABANDON|1|1|1", "5|1.1|q|Bo|CONNECT|5|1.2|1"))

    assert told(live) == [("1.1", "answered", 5, None)]


def test_names_in_latin_1_stay_apart() -> None:
    entered = "0|1.1|Växel|NONE|ENTERQUEUE|||1\n", "0|1.2|Vöxel|NONE|ENTERQUEUE|||1\n"
    raw = "".join(f"{START}{line[1:]}" for line in entered).encode("latin-1")

    assert {visit.queue for visit in visits(played(raw))} == {"Växel", "Vöxel"}


# Lines written twice


def doubled(raw: bytes) -> bytes:
    return b"".join(line + line for line in raw.splitlines(keepends=True))


def test_a_file_with_everything_twice_is_one_caller() -> None:
    assert told(played(case("written-twice"))) == [("1795433699.1", "answered", 10, 60)]


@pytest.mark.parametrize("name", ["written-twice", "static-members", "two-members", "refusals", "slow-restart"])
def test_each_line_twice_in_a_row_changes_nothing(name: str) -> None:
    once, twice = played(case(name)), played(doubled(case(name)))

    assert told(twice) == told(once)
    assert [visit.rings for visit in visits(twice)] == [visit.rings for visit in visits(once)]
    assert counts(twice) == counts(once)


def test_the_long_recording_with_each_line_twice_is_the_same() -> None:
    long = whole(ASTERISK / "queue_log")

    assert told(played(doubled(long))) == told(played(long))


def test_two_writers_a_second_apart_are_one() -> None:
    once = text("0|1.1|q|NONE|ENTERQUEUE|||1", "9|1.1|q|NONE|ABANDON|1|1|9")
    twice = text(
        *("0|1.1|q|NONE|ENTERQUEUE|||1", "1|1.1|q|NONE|ENTERQUEUE|||1"),
        *("9|1.1|q|NONE|ABANDON|1|1|9", "10|1.1|q|NONE|ABANDON|1|1|9"),
    )

    assert told(played(twice)) == told(played(once))


def test_who_is_thrown_out_and_comes_again_within_a_second_has_been_there_twice() -> None:
    round_ = "0|1.1|q|NONE|ENTERQUEUE|||1", "0|1.1|q|NONE|EXITEMPTY|1|1|0"

    assert told(played(text(*round_, *round_))) == [("1.1", "no_agents", 0, None)] * 2


# Line ends


@pytest.mark.parametrize("end", [b"\r\n", b"\n\n", b"\r\r\n", b" \n", b"\t \r\n"])
def test_line_ends_make_no_difference(end: bytes) -> None:
    for raw in (case("two-members"), text(*ROUND)):
        assert told(played(raw.replace(b"\n", end))) == told(played(raw))


ROUND = (
    *("0|1.1|q|NONE|ENTERQUEUE|||1", "9|1.1|q|NONE|WITHDRAW|1|1|9|callback", "20|1.2|q|NONE|ENTERQUEUE|||1"),
    *("30|NONE|NONE|NONE|QUEUESTART", "40|1.3|q|NONE|ENTERQUEUE|||1", "49|1.3|q|NONE|ABANDON|1|1|9"),
)


def test_a_log_that_was_written_from_a_databases_table_is_read_all_the_same() -> None:
    raw = case("two-members")
    lines = raw.split(b"\n")[:-1]
    dumped = [line.replace(b"|", b".%06d|" % at, 1) + b"|" * (9 - line.count(b"|")) for at, line in enumerate(lines)]
    pieces = list(recorded_pieces(b"\n".join(dumped) + b"\n"))

    assert told(played(b"".join(piece for piece, _ in pieces))) == told(played(raw))
    assert [at for _, at in pieces] == [at for _, at in recorded_pieces(raw)]


def test_a_file_that_another_program_has_saved_is_read_all_the_same() -> None:
    raw = case("two-members")
    saved = raw.replace(b"\n", b"\r")

    assert told(played(b"".join(piece for piece, _ in recorded_pieces(saved)))) == told(played(raw))


def test_a_byte_order_mark_and_what_a_truncated_file_is_filled_with_are_passed_over() -> None:
    raw = case("two-members")

    assert told(played(b"\xef\xbb\xbf" + raw)) == told(played(raw))
    assert told(played(b"\0" * 4096 + raw)) == told(played(raw))


# Who is there


def staff(live: Live, after: float = 0) -> tuple[Staff, Staff]:
    """Of the only queue and of all together, at the time of the newest line or some seconds after it."""
    assert live._newest is not None
    shown = live.snapshot(live._newest + timedelta(seconds=after))
    (only,) = shown.queues
    return only.staff, shown.total.staff


def unstaffed(live: Live, after: float = 0) -> bool:
    """Whether people are told that nobody is logged in."""
    assert live._newest is not None
    found = read(live.snapshot(live._newest + timedelta(seconds=after)))
    return any(reading.value for reading in found if reading.kind is AlertKind.NO_AGENTS)


def test_members_of_whom_only_addmember_is_told_are_counted() -> None:
    live = played(case("addmember-only"))
    queue, total = staff(live)

    assert queue == total
    assert (queue.basis, queue.staffed, queue.available, queue.paused) == (StaffBasis.SEEN, 3, 2, 1)
    assert not unstaffed(live, 600)


@pytest.mark.parametrize(("name", "people"), [("static-members", 3), ("two-members", 2)])
def test_static_members_are_those_who_were_seen(name: str, people: int) -> None:
    live = played(case(name))
    queue, total = staff(live)

    assert queue == total
    assert (queue.basis, queue.staffed, queue.available) == (StaffBasis.SEEN, people, people)
    assert not unstaffed(live)


def test_a_line_of_each_file_is_enough_to_agree_and_nobody_is_known_to_be_away() -> None:
    for name in ("static-members", "two-members", "addmember-only", "unpause-after-log-off"):
        raw = case(name).splitlines(keepends=True)
        for length in range(1, len(raw) + 1):
            live = played(b"".join(raw[:length]))
            if len(live.queues()) != 1:
                continue
            queue, total = staff(live)
            assert queue == total
            assert queue.basis is not StaffBasis.KNOWN


@pytest.mark.parametrize(
    "tidied",
    [
        (),
        ("111|NONE|NONE|Agent/3001|UNPAUSEALL|", "111|NONE|q1|Agent/3001|UNPAUSE|"),
        ("110|NONE|q1|Agent/3001|UNPAUSE|",),
        ("111|NONE|q1|Agent/3001|PAUSE|", "112|NONE|q1|Agent/3001|UNPAUSE|"),
        ("111|MANAGER|q1|Agent/3001|PENALTY|2",),
    ],
)
@pytest.mark.parametrize("off", ["AGENTCALLBACKLOGOFF|1002@ctx|43|CommandLogoff", "AGENTLOGOFF|SIP/1|43"])
def test_what_tidies_up_after_a_log_off_is_no_log_in(off: str, tidied: tuple[str, ...]) -> None:
    live = played(
        text(
            *("0|1.4|NONE|Agent/3001|AGENTCALLBACKLOGIN|1002@ctx", "80|5.4|q1|NONE|ENTERQUEUE|||1"),
            *("82|5.4|q1|Agent/3001|CONNECT|2|5.5|1", "94|5.4|q1|Agent/3001|COMPLETEAGENT|2|12|1"),
            *("109|NONE|q1|Agent/3001|PAUSE|", f"110|NONE|NONE|Agent/3001|{off}", *tidied),
            "200|6.4|q1|NONE|ENTERQUEUE|||1",
        )
    )

    queue, total = staff(live)
    assert queue == total
    assert (queue.staffed, queue.logged_out) == (0, 1)


def test_the_file_of_a_log_off_has_nobody_there() -> None:
    queue, total = staff(played(case("unpause-after-log-off")))

    assert queue == total
    assert (queue.basis, queue.staffed, queue.logged_out) == (StaffBasis.SEEN, 0, 1)


@pytest.mark.parametrize("tidied", ["UNPAUSE", "UNPAUSEALL"])
def test_nor_is_it_after_a_member_was_removed(tidied: str) -> None:
    live = played(
        text(
            *("0|MANAGER|q1|PJSIP/1|ADDMEMBER|", "5|5.4|q1|NONE|ENTERQUEUE|||1", "20|MANAGER|q1|PJSIP/1|REMOVEMEMBER|"),
            f"21|NONE|q1|PJSIP/1|{tidied}|",
        )
    )

    queue, total = staff(live)
    assert queue == total
    assert (queue.staffed, queue.logged_out) == (0, 1)


def test_who_logs_in_again_or_answers_is_there_again() -> None:
    off = "0|1.1|q|NONE|ENTERQUEUE|||1", "1|1.4|NONE|Bo|AGENTLOGOFF|SIP/1|43"

    assert staff(played(text(*off, "9|1.4|NONE|Bo|AGENTLOGIN|SIP/1", "10|NONE|q|Bo|PAUSE|")))[0].paused == 1
    assert staff(played(text(*off, "9|1.1|q|Bo|CONNECT|9|1.2|1", "20|NONE|q|Bo|PAUSE|")))[0].paused == 1
    assert staff(played(text(*off, "9|1.1|q|Bo|CONNECT|9|1.2|1")))[0].busy == 1


def test_who_has_not_been_seen_for_long_is_not_counted_and_nothing_is_claimed() -> None:
    live = played(case("two-members"))

    assert staff(live, 3600)[0] == Staff()
    assert staff(live, 20 * 60)[0].staffed == 2
    assert staff(played(case("addmember-only")), 3600)[0].staffed == 3


def test_a_phone_beside_people_with_names_is_nobody_more() -> None:
    live = played(
        text(
            *("0|MANAGER|q|PJSIP/1001|ADDMEMBER|", "0|MANAGER|q|PJSIP/1002|ADDMEMBER|", "1|1.1|q|NONE|ENTERQUEUE|||1"),
            *("3|1.1|q|Anna|CONNECT|2|1.2|1", "9|1.1|q|Anna|COMPLETECALLER|2|6|1"),
        )
    )

    assert staff(live)[0].staffed == 1


def test_nor_is_one_beside_people_who_pause_by_their_names() -> None:
    added = "0|MANAGER|q|PJSIP/1001|ADDMEMBER|", "0|MANAGER|q|PJSIP/1002|ADDMEMBER|", "1|1.1|q|NONE|ENTERQUEUE|||1"

    assert staff(played(text(*added, "9|NONE|q|Anna|PAUSE|lunch")))[0].staffed == 1
    assert staff(played(text(*added, "9|NONE|q|PJSIP/1001|PAUSE|lunch")))[0].staffed == 2


def test_a_start_knows_who_was_seen() -> None:
    before = played(case("static-members"))
    before.settle()
    after = Live(before.rules)
    assert before._newest is not None
    after.load_states(before.save_states(), before._newest)

    assert after.agents.staffing(before._newest).of(["kundcenter"]).staffed == 3


# ---- an agent who asks a colleague


@pytest.mark.parametrize(
    ("agent", "names"), [("PJSIP/201", {}), ("Local/201@agents/n", {}), ("Bo", {"PJSIP/201": "Bo"})]
)
@pytest.mark.parametrize("end", ["ABANDON|1|1|10", "EXITWITHTIMEOUT|1|1|10", "EXITEMPTY|1|1|10"])
def test_an_agent_who_calls_a_queue_from_the_phone_of_a_talk_asks_for_that_caller(
    agent: str, names: dict[str, str], end: str
) -> None:
    raw = text(
        "0|1.1|q|NONE|ENTERQUEUE||0980319201|1",
        f"9|1.1|q|{agent}|CONNECT|9|1.2|2",
        "30|2.1|r|NONE|ENTERQUEUE||201|1",
        f"40|2.1|r|NONE|{end}",
        f"60|1.1|q|{agent}|COMPLETECALLER|9|51|1",
        "70|3.1|r|NONE|ENTERQUEUE||201|1",
        "80|3.1|r|NONE|ABANDON|1|1|10",
    )
    contacts = sorted(played(raw, Settings(member_names=names)).ledger.contacts(), key=lambda one: one.contact_id)

    assert [(one.outcome, len(one.visit_ids)) for one in contacts] == [(Outcome.ANSWERED, 2), (Outcome.ABANDONED, 1)]


# Very many at once


def steps_of(callers: int) -> int:
    """Return how many lines of code are passed while so many callers come and hang up within one second."""
    came = (f"0|{number}.1|kundcenter|NONE|ENTERQUEUE||0701740605|1" for number in range(callers))
    went = (f"0|{number}.1|kundcenter|NONE|ABANDON|1|1|0" for number in range(callers))
    raw, steps = text(*came, *went), 0

    def count(frame: FrameType, what: str, told: object) -> Any:
        nonlocal steps
        steps += what == "line"
        return count

    translator, before = Translator(CONNECTION, Settings()), sys.gettrace()
    sys.settrace(count)
    try:
        assert len(list(translator.feed(raw, LONG_AGO))) == 2 * callers + 1
    finally:
        sys.settrace(before)
    return steps


def test_twice_as_many_callers_in_one_second_are_twice_the_work() -> None:
    few, many = steps_of(200), steps_of(400)

    assert many < 2.2 * few
