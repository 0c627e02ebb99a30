"""Stories that the manager interface and the queue_log tell together, in either order, with cuts and starts between.

Each has what the callers themselves would say: their stays (queue, how it ended, seconds waited and talked) and calls
(how it ended, seconds waited, stays).
"""

from collections.abc import Callable
from itertools import chain
from typing import NamedTuple

import pytest

from queue_monitor.core.live import Live
from queue_monitor.events import Event
from tests.adapters.twofold import Items, Twofold, at, played

Stay = tuple[str, str, int | None, int | None]
Call = tuple[str, int | None, int]


HERS = {"Uniqueid": "1.1", "Linkedid": "1.1", "Queue": "q"}


class Told(NamedTuple):
    """A story and its truth. `starts`: when the monitor is started anew, and who waits then; `alone`: the interface
    without the log gets it right, too.
    """

    story: Twofold
    stays: list[Stay]
    calls: list[Call]
    starts: tuple[tuple[float, tuple[tuple[str, str], ...]], ...] = ()
    alone: bool = True


def seconds(milliseconds: int | None) -> int | None:
    """Whole seconds: the log has no others."""
    return None if milliseconds is None else round(milliseconds / 1000 - 0.01)


def stays(live: Live) -> list[Stay]:
    its = [visit for visit in live.ledger.visits() if visit.queue != "z"]
    its.sort(key=lambda visit: (visit.entered_at or at(0), visit.queue))
    return [(one.queue, one.outcome.value, seconds(one.wait_ms), seconds(one.talk_ms)) for one in its]


def calls(live: Live) -> list[Call]:
    its = [one for one in live.ledger.contacts() if one.first_queue != "z"]
    its.sort(key=lambda one: (one.entered_at or at(0), one.contact_id))
    return [(one.outcome.value, seconds(one.wait_ms), len(one.visit_ids)) for one in its]


def figures(live: Live) -> tuple[int, int, int, int, int, int]:
    snapshot = live.snapshot(at(600))
    its = [queue for queue in snapshot.queues if queue.name != "z"]
    counts = [queue.periods["day"].counts for queue in its]
    return (
        sum(one.dialled for one in counts),
        sum(one.answered for one in counts),
        sum(one.abandoned for one in counts),
        sum(one.unknown for one in counts),
        snapshot.total.waiting_count,
        len(live.ledger.talking()),
    )


def about(found: list[Stay], wanted: list[Stay]) -> bool:
    """Whether these stays are the ones wanted, each time within the second that the log cuts off."""
    return len(found) == len(wanted) and all(
        (one[:2] == other[:2])
        and all(
            mine is its is None or (mine is not None and its is not None and abs(mine - its) <= 1)
            for mine, its in zip(one[2:], other[2:], strict=True)
        )
        for one, other in zip(found, wanted, strict=True)
    )


def redirected() -> Told:
    story = Twofold().joins(0.2, "1.1", "q").abandons(30.6, "1.1", "q", moved_to="r").joins(30.7, "1.1", "r")
    story.answered(50.2, "1.1", "r", "Bo", "1.9").completed(80, "1.1", "r", "Bo", "agent").hangs_up(80.1, "1.1")
    waits = ((3, (("1.1", "q"),)), (40, (("1.1", "r"),)), (60, ()))
    return Told(story, [("q", "transferred_out", 30, None), ("r", "answered", 19, 30)], [("answered", 50, 2)], waits)


def moved_back() -> Told:
    story = Twofold().joins(0.2, "1.1", "q").abandons(30.6, "1.1", "q", moved_to="q").joins(30.7, "1.1", "q")
    story.answered(50.2, "1.1", "q", "Bo", "1.9").completed(80, "1.1", "q", "Bo").hangs_up(80.1, "1.1")
    return Told(story, [("q", "transferred_out", 30, None), ("q", "answered", 19, 30)], [("answered", 50, 2)])


def refused_then_taken() -> Told:
    story = Twofold().refused(0.2, "1.1", "q").joins(3, "1.1", "r").answered(10, "1.1", "r", "Bo", "1.9")
    story.completed(80, "1.1", "r", "Bo").hangs_up(80.1, "1.1")
    return Told(story, [("r", "answered", 7, 70)], [("answered", 7, 1)], ((1, ()), (5, (("1.1", "r"),)), (20, ())))


def blind_transfer() -> Told:
    story = Twofold().joins(0.2, "1.1", "q").answered(9.5, "1.1", "q", "Bo", "1.2")
    story.blind_transfer(40, "1.1", "q", "Bo", "r").joins(40.2, "1.1", "r")
    story.answered(60.2, "1.1", "r", "Eva", "1.5").completed(100, "1.1", "r", "Eva", "agent").hangs_up(100.1, "1.1")
    waits = ((5, (("1.1", "q"),)), (20, ()), (50, (("1.1", "r"),)), (70, ()))
    return Told(story, [("q", "answered", 9, 30), ("r", "answered", 20, 40)], [("answered", 9, 2)], waits)


def _asked() -> Twofold:
    story = Twofold().joins(0.2, "1.1", "q").answered(9.5, "1.1", "q", "Bo", "1.2").joins(30.2, "2.1", "r")
    return story.attended_transfer(40, "1.1", "q", "Bo", "2.1").goes_on("2.1", "r", "1.1")


def attended_transfer() -> Told:
    story = _asked().rings(45, "1.1", "r", "Eva", "1.7").answered(50.4, "1.1", "r", "Eva", "1.7")
    story.completed(90, "1.1", "r", "Eva").hangs_up(90.1, "1.1")
    waits = ((20, ()), (35, (("2.1", "r"),)), (43, (("1.1", "r"),)), (60, ()))
    return Told(story, [("q", "answered", 9, 30), ("r", "answered", 20, 40)], [("answered", 9, 2)], waits, alone=False)


def attended_transfer_given_up() -> Told:
    story = _asked().abandons(50.4, "1.1", "r").hangs_up(50.5, "1.1")
    waits = ((35, (("2.1", "r"),)), (43, (("1.1", "r"),)))
    return Told(
        story, [("q", "answered", 9, 30), ("r", "abandoned", 20, None)], [("answered", 9, 2)], waits, alone=False
    )


def asked_and_answered_first() -> Told:
    story = Twofold().joins(0.2, "1.1", "q").answered(9.5, "1.1", "q", "Bo", "1.2").joins(30.2, "2.1", "r")
    story.answered(35.2, "2.1", "r", "Eva", "2.5").attended_transfer(50, "1.1", "q", "Bo", "2.1")
    story.goes_on("2.1", "r", "1.1").completed(90, "1.1", "r", "Eva").hangs_up(90.1, "1.1")
    waits = ((20, ()), (32, (("2.1", "r"),)), (40, ()))
    return Told(story, [("q", "answered", 9, 40), ("r", "answered", 5, 54)], [("answered", 9, 2)], waits, alone=False)


def nested() -> Told:
    story = Twofold(**{"3.2": "3.1"}).joins(0.2, "3.1", "q").rings(1, "3.1", "q", "Inner", "3.3").joins(1.2, "3.2", "r")
    story.answered(8.3, "3.2", "r", "Eva", "3.5").answered(8.4, "3.1", "q", "Inner", "3.3")
    story.completed(40, "3.2", "r", "Eva").completed(40.1, "3.1", "q", "Inner").hangs_up(40.2, "3.1")
    waits = ((4, (("3.1", "q"), ("3.2", "r"))), (20, ()))
    return Told(story, [("q", "answered", 8, 32), ("r", "answered", 7, 32)], [("answered", 8, 2)], waits)


def nested_given_up() -> Told:
    story = Twofold(**{"3.2": "3.1"}).joins(0.2, "3.1", "q").rings(1, "3.1", "q", "Inner", "3.3").joins(1.2, "3.2", "r")
    story.abandons(30.2, "3.1", "q").abandons(30.3, "3.2", "r").hangs_up(30.4, "3.1").hangs_up(30.5, "3.2")
    story._line(30, "3.1", "q", "Inner", "RINGCANCELED", 29000)
    waits = ((4, (("3.1", "q"), ("3.2", "r"))), (20, (("3.1", "q"), ("3.2", "r"))))
    return Told(story, [("q", "abandoned", 30, None), ("r", "abandoned", 29, None)], [("abandoned", 30, 2)], waits)


def originated() -> Told:
    """A Local channel waits for somebody, and is optimised away once an agent has answered."""
    story = Twofold(**{"4.2": "4.1", "4.9": "4.1"}).joins(0.2, "4.2", "q").answered(3.2, "4.2", "q", "Bo", "4.3")
    its = {"LocalOneUniqueid": "4.1", "LocalTwoUniqueid": "4.2", "SourceUniqueid": "4.9", "SourceLinkedid": "4.1"}
    story.tells(3.3, "LocalOptimizationBegin", **its).hangs_up(3.4, "4.2").hangs_up(3.4, "4.1")
    story.goes_on("4.2", "q", "4.9").completed(60, "4.9", "q", "Bo").hangs_up(60.1, "4.9")
    return Told(story, [("q", "answered", 3, 57)], [("answered", 3, 1)], ((2, (("4.2", "q"),)), (30, ())), alone=False)


def originated_and_passed_on() -> Told:
    """The same caller is transferred to another queue, under the channel that is left."""
    story = Twofold(**{"4.2": "4.1", "4.9": "4.1"}).joins(0.2, "4.2", "q").answered(3.2, "4.2", "q", "Bo", "4.3")
    its = {"LocalOneUniqueid": "4.1", "LocalTwoUniqueid": "4.2", "SourceUniqueid": "4.9", "SourceLinkedid": "4.1"}
    story.tells(3.3, "LocalOptimizationBegin", **its).hangs_up(3.4, "4.2").hangs_up(3.4, "4.1")
    story.goes_on("4.2", "q", "4.9").blind_transfer(20, "4.9", "q", "Bo", "r").joins(20.2, "4.9", "r")
    story.answered(30.2, "4.9", "r", "Eva", "4.12").completed(60, "4.9", "r", "Eva").hangs_up(60.1, "4.9")
    its_stays: list[Stay] = [("q", "answered", 3, 17), ("r", "answered", 10, 30)]
    return Told(story, its_stays, [("answered", 3, 2)], ((2, (("4.2", "q"),)), (10, ()), (40, ())), alone=False)


def another_channel() -> Told:
    """A masquerade: nothing tells that the caller goes on under another channel."""
    story = Twofold().joins(0.2, "1.1", "q").tells(20, "Rename", Uniqueid="1.1").hangs_up(20.1, "1.1")
    story.goes_on("1.1", "q", "5.5").lists(28, ("5.5", "q")).rings(30, "5.5", "q", "Bo", "5.6")
    story.answered(40.1, "5.5", "q", "Bo", "5.6").completed(60, "5.5", "q", "Bo").hangs_up(60.1, "5.5")
    waits = ((3, (("1.1", "q"),)), (24, (("5.5", "q"),)), (35, (("5.5", "q"),)), (50, ()))
    return Told(story, [("q", "answered", 39, 20)], [("answered", 39, 1)], waits)


def answered_last(story: Twofold, since: float, queue: str = "q") -> Twofold:
    """Let a caller who has waited in this queue since then be answered after 20 s, and talk for 30 s."""
    story.answered(since + 20, "1.1", queue, "Bo", "1.9").completed(since + 50, "1.1", queue, "Bo")
    return story.hangs_up(since + 50.1, "1.1")


def twice_in_one_second() -> Told:
    """A queue that gives up at once, to which the dialplan goes back at once."""
    story = (
        Twofold().joins(0.2, "1.1", "q").times_out(0.3, "1.1", "q").joins(0.4, "1.1", "q").times_out(0.5, "1.1", "q")
    )
    its: list[Stay] = [("q", "timeout", 0, None), ("q", "timeout", 0, None), ("q", "answered", 20, 30)]
    return Told(answered_last(story.joins(0.6, "1.1", "q"), 0.6), its, [("answered", 20, 3)])


def three_times() -> Told:
    story = Twofold().joins(0.2, "1.1", "q").times_out(10.2, "1.1", "q").joins(10.25, "1.1", "q")
    story.times_out(20.3, "1.1", "q").joins(20.35, "1.1", "r").answered(25.4, "1.1", "r", "Bo", "1.5")
    story.completed(60, "1.1", "r", "Bo").hangs_up(60.1, "1.1")
    its: list[Stay] = [("q", "timeout", 10, None), ("q", "overflow", 10, None), ("r", "answered", 5, 34)]
    return Told(story, its, [("answered", 25, 3)], ((5, (("1.1", "q"),)), (15, (("1.1", "q"),)), (40, ())))


def a_list_that_leaves_one_out() -> Told:
    story = Twofold().joins(0.2, "1.1", "q").lists(20).lists(50, ("1.1", "q")).tells(55, "Reload", Module="app_queue")
    story.tells(56, "FullyBooted", Status="Fully Booted").answered(60.3, "1.1", "q", "Bo", "1.2")
    story.completed(90, "1.1", "q", "Bo").hangs_up(90.1, "1.1")
    return Told(story, [("q", "answered", 60, 29)], [("answered", 60, 1)])


def left_by_an_agent() -> Told:
    """An agent picks up and hangs up in the greeting; the caller, who has left the queue for that agent, waits on."""
    story = Twofold().joins(0.2, "1.1", "q").rings(5, "1.1", "q", "Bo", "1.9")
    story._of(8.1, "QueueCallerLeave", "1.1", "q")
    story._of(10.5, "AgentDump", "1.1", "q", "Bo", DestUniqueid="1.9")
    story._line(10.5, "1.1", "q", "Bo", "AGENTDUMP", "").hangs_up(10.51, "1.9")
    story.tells(40.1, "HangupRequest", Uniqueid="1.1").hangs_up(40.2, "1.1")
    story._of(40.11, "QueueCallerAbandon", "1.1", "q", HoldTime="40")
    story._line(40.11, "1.1", "q", "NONE", "ABANDON", 1, 1, 40)
    return Told(story, [("q", "abandoned", 40, None)], [("abandoned", 40, 1)])


STORIES: list[Callable[[], Told]] = [
    redirected,
    moved_back,
    refused_then_taken,
    blind_transfer,
    attended_transfer,
    attended_transfer_given_up,
    asked_and_answered_first,
    nested,
    nested_given_up,
    originated,
    originated_and_passed_on,
    another_channel,
    twice_in_one_second,
    three_times,
    a_list_that_leaves_one_out,
    left_by_an_agent,
]


def check(live: Live, told: Told) -> None:
    assert about(stays(live), told.stays), stays(live)
    assert [one[0] for one in calls(live)] == [one[0] for one in told.calls], calls(live)
    assert [one[2] for one in calls(live)] == [one[2] for one in told.calls]
    for (_, found, _), (_, wanted, _) in zip(calls(live), told.calls, strict=True):
        assert found is not None and wanted is not None and abs(found - wanted) <= 1
    dialled, answered, abandoned, *others = figures(live)
    outcomes = [one[0] for one in told.calls]
    assert (dialled, answered, abandoned) == (len(outcomes), outcomes.count("answered"), outcomes.count("abandoned"))
    assert others == [0, 0, 0]


@pytest.mark.parametrize("tell", STORIES)
def test_each_story_is_the_callers_own_whoever_is_heard_first(tell: Callable[[], Told]) -> None:
    told = tell()
    manager, log = told.story.heard_manager(), told.story.heard_log()
    by_time = sorted((item for item in chain(manager, log) if isinstance(item, Event)), key=lambda it: it.observed_at)

    for items in (manager, log, manager + log, log + manager, by_time, told.story.heard_manager(twice=True)):
        check(played(items), told)


@pytest.mark.parametrize("tell", STORIES)
def test_each_story_is_the_same_when_the_connection_is_lost_and_the_log_tells(tell: Callable[[], Told]) -> None:
    told = tell()
    log = told.story.heard_log()
    for begins in (0.1, 2, 5.5, 9, 20, 25, 35, 44):
        for length in (1.5, 8, 25, 70):
            manager = told.story.heard_manager(lost=(begins, begins + length))
            check(played(manager + log), told)
            check(played(log + manager), told)


@pytest.mark.parametrize("tell", STORIES)
def test_each_story_is_the_same_when_the_monitor_starts_in_between(tell: Callable[[], Told]) -> None:
    told = tell()
    for seconds_after, waiting in told.starts:
        check(told.story.restarted(seconds_after, *waiting), told)


@pytest.mark.parametrize("end", ["timeout", "answered"])
def test_a_caller_whom_an_agent_leaves_in_the_greeting_waits_on_until_the_end(end: str) -> None:
    story = Twofold().joins(0.2, "1.1", "q").rings(5, "1.1", "q", "Bo", "1.9")
    story._of(8.1, "QueueCallerLeave", "1.1", "q")
    story._of(10.5, "AgentDump", "1.1", "q", "Bo", DestUniqueid="1.9")
    assert [visit.queue for _, visit in played(story.heard_manager()).ledger.waiting()] == ["q"]
    if end == "answered":
        story.answered(41.2, "1.1", "q", "Eva", "1.10").completed(60, "1.1", "q", "Eva")
    else:
        story._of(41.2, "QueueCallerAbandon", "1.1", "q", HoldTime="41")
        story.tells(41.21, "VarSet", Uniqueid="1.1", Variable="QUEUESTATUS", Value="TIMEOUT")

    assert [call[:2] for call in calls(played(story.heard_manager()))] == [(end, 41)]


def test_a_list_after_the_cut_names_the_caller_under_the_channel_that_took_the_place() -> None:
    story = _asked().lists(43.5, ("1.1", "r")).answered(50.4, "1.1", "r", "Eva", "1.7")
    story.completed(90, "1.1", "r", "Eva").hangs_up(90.1, "1.1")
    live = played(story.heard_manager(lost=(35, 43)))

    assert [stay[:3] for stay in stays(live)] == [("q", "answered", 9), ("r", "answered", 20)]
    assert calls(live) == [("answered", 9, 2)]


def test_two_who_stand_in_a_list_for_one_who_is_gone_are_two() -> None:
    story = (
        Twofold().joins(0.2, "1.1", "q").joins(0.4, "1.2", "q").goes_on("1.1", "q", "5.5").goes_on("1.2", "q", "5.6")
    )
    live = played(story.lists(43.5, ("5.5", "q"), ("5.6", "q")).heard_manager(lost=(35, 43)))

    assert sorted(stay[1] for stay in stays(live)) == ["unknown", "unknown", "waiting", "waiting"]


def _asks(story: Twofold) -> Twofold:
    """Let the agent who talks to a caller of `q` call `r` from the same phone."""
    story.joins(0.2, "1.1", "q").answered(9.5, "1.1", "q", "Bo", "1.2")
    step = {"Linkedid": "2.1", "Channel": "PJSIP/Bo-0000001f", "Application": "Queue", "AppData": "r"}
    return story.tells(30.1, "Newexten", Uniqueid="2.1", **step)


@pytest.mark.parametrize("how", ["abandoned", "timeout", "answered"])
def test_an_agent_who_asks_a_colleague_through_a_queue_is_no_caller(how: str) -> None:
    story = _asks(Twofold()).joins(30.2, "2.1", "r", phone="Bo", number="201")
    if how == "abandoned":
        story.abandons(40.3, "2.1", "r")
    elif how == "timeout":
        story.times_out(40.3, "2.1", "r")
    else:
        story.answered(40.3, "2.1", "r", "Eva", "2.5").completed(50, "2.1", "r", "Eva")
    story.hangs_up(50.1, "2.1").completed(60, "1.1", "q", "Bo").hangs_up(60.1, "1.1")
    # once the talk is over the agent is a caller like any other
    story.joins(70.2, "3.1", "r", phone="Bo", number="201").abandons(80.3, "3.1", "r").hangs_up(80.4, "3.1")

    for items in (story.heard_manager(), story.heard_manager() + story.heard_log()):
        live = played(items)
        assert [stay[:3] for stay in stays(live)] == [("q", "answered", 9), ("r", how, 10), ("r", "abandoned", 10)]
        assert calls(live) == [("answered", 9, 2), ("abandoned", 10, 1)]
        assert figures(live) == (2, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("is_over", [False, True])
def test_an_agent_whose_answer_came_in_a_lost_connection_is_known_to_talk_by_the_list_of_channels(
    is_over: bool,
) -> None:
    """The list tells of which call the agent's phone is; once that phone has hung up, the agent is a caller."""
    story = Twofold().joins(0.2, "1.1", "q").rings(1, "1.1", "q", "Bo", "1.2").answered(9.5, "1.1", "q", "Bo", "1.2")
    story.shows_up(13.02, "1.2", Linkedid="1.1", Channel="PJSIP/Bo-0000001e", Application="AppQueue")
    story.tells(14, "QueueMemberStatus", Queue="q", MemberName="Bo", Interface="PJSIP/Bo", Status="2", InCall="1")
    # a line on which a queue has rung somebody is no agent's phone: another caller comes on it
    story.shows_up(13.5, "9.2", Linkedid="1.1", Channel="PJSIP/trunk-0000001d", Application="AppQueue")
    story.joins(20, "9.1", "r").abandons(25, "9.1", "r").hangs_up(25.1, "9.1")
    if is_over:
        story.hangs_up(29, "1.2").completed(29, "1.1", "q", "Bo").hangs_up(29.1, "1.1")
    story.joins(30.2, "2.1", "r", phone="Bo", number="201").abandons(40.3, "2.1", "r").hangs_up(40.4, "2.1")
    if not is_over:
        story.completed(60, "1.1", "q", "Bo").hangs_up(60.1, "1.1")

    for told in (story.heard_manager(lost=(9, 13)), story.heard_manager(lost=(9, 13)) + story.heard_log()):
        wanted = ["answered", "abandoned", "abandoned"] if is_over else ["answered", "abandoned"]
        assert [call[0] for call in calls(played(told))] == wanted


def test_an_agent_who_asks_a_colleague_and_finds_the_queue_closed_is_not_refused() -> None:
    story = _asks(Twofold()).tells(30.2, "VarSet", Uniqueid="2.1", Variable="QUEUESTATUS", Value="JOINEMPTY")
    live = played(story.hangs_up(31, "2.1").completed(60, "1.1", "q", "Bo").hangs_up(60.1, "1.1").heard_manager())

    assert figures(live) == (1, 1, 0, 0, 0, 0)


def _put_on_after_the_answer() -> Twofold:
    """A receptionist asks through the queue, is answered, and puts the caller on."""
    story = Twofold().joins(5.2, "2.1", "q", phone="Rec", number="100").answered(9.5, "2.1", "q", "Bo", "2.5")
    its = {"SecondTransfererUniqueid": "2.1", "TransfereeUniqueid": "1.1", "TransfereeLinkedid": "1.1"}
    story.tells(15, "AttendedTransfer", Result="Success", **its).hangs_up(15.1, "2.1").goes_on("2.1", "q", "1.1")
    return story.completed(50, "1.1", "q", "Bo").hangs_up(50.1, "1.1")


def test_an_attended_transfer_that_is_told_twice_ends_the_talk_of_no_colleague() -> None:
    for twice in (False, True):
        live = played(_put_on_after_the_answer().heard_manager(twice=twice))
        assert stays(live) == [("q", "answered", 4, 40)]


def test_a_caller_put_on_after_a_lost_connection_is_the_one_whose_answer_was_heard_before() -> None:
    story = _put_on_after_the_answer()

    for live in (played(story.heard_manager(lost=(11, 13))), story.restarted(12)):
        assert about(stays(live), [("q", "answered", 4, 40)])
        assert [call[0] for call in calls(live)] == ["answered"]
        assert figures(live)[1:] == (1, 0, 0, 0, 0)


def test_the_talk_that_a_transfer_ends_after_a_lost_connection_is_the_callers_own() -> None:
    story = _asked().answered(50.4, "1.1", "r", "Eva", "1.7").completed(90, "1.1", "r", "Eva").hangs_up(90.1, "1.1")

    for cut in ((9.6, 39), (20, 39)):
        live = played(story.heard_manager(lost=cut) + story.heard_log())
        assert about(stays(live), [("q", "answered", 9, 30), ("r", "answered", 20, 40)])


def test_two_talks_that_began_before_a_lost_connection_are_told_apart_when_one_takes_the_place_of_the_other() -> None:
    story = Twofold().joins(0.2, "1.1", "q").answered(9.5, "1.1", "q", "Bo", "1.2").joins(30.2, "2.1", "r", phone="Bo")
    story.answered(35.2, "2.1", "r", "Eva", "2.5").attended_transfer(50, "1.1", "q", "Bo", "2.1")
    story.goes_on("2.1", "r", "1.1").completed(90, "1.1", "r", "Eva").hangs_up(90.1, "1.1")
    live = played(story.heard_manager(lost=(45, 48)))

    assert about(stays(live), [("q", "answered", 9, 40), ("r", "answered", 5, 54)])


@pytest.mark.parametrize("lost", [(36, 45), (45, 60), (45, 100), (32, 60), (20, 60)])
def test_a_connection_lost_while_an_agent_passes_a_caller_on_makes_no_second_call(lost: tuple[float, float]) -> None:
    story = _asks(Twofold()).joins(30.2, "2.1", "r", phone="Bo").answered(35.2, "2.1", "r", "Eva", "2.5")
    story.attended_transfer(50, "1.1", "q", "Bo", "2.1").goes_on("2.1", "r", "1.1")
    story.completed(90, "1.1", "r", "Eva").hangs_up(90.1, "1.1")

    assert [call[0] for call in calls(played(story.heard_manager(lost=lost)))] == ["answered"]


def test_several_moves_within_a_second_are_told_apart_by_their_order() -> None:
    story = Twofold().joins(0.2, "1.1", "q").abandons(10.1, "1.1", "q", moved_to="q").joins(10.2, "1.1", "q")
    story = answered_last(story.abandons(10.3, "1.1", "q", moved_to="q").joins(10.4, "1.1", "q"), 10.4)

    for items in (story.heard_manager() + story.heard_log(), story.heard_log() + story.heard_manager()):
        live = played(items)
        assert [stay[1] for stay in stays(live)] == ["transferred_out", "transferred_out", "answered"]
        assert calls(live) == [("answered", 30, 3)]


def test_what_is_heard_after_a_cut_is_of_the_stay_that_goes_on_and_not_of_the_one_before() -> None:
    story = Twofold().joins(12.5, "1.1", "q").times_out(12.6, "1.1", "q").joins(12.7, "1.1", "q")
    story.rings(40, "1.1", "q", "Bo", "1.9").abandons(44.2, "1.1", "q").hangs_up(44.3, "1.1")
    live = played(story.heard_manager(lost=(9, 17)) + story.heard_log())

    assert about(stays(live), [("q", "timeout", 0, None), ("q", "abandoned", 32, None)])


def test_the_end_of_a_talk_is_of_the_stay_that_was_answered() -> None:
    story = Twofold().joins(0.3, "1.1", "q").times_out(0.4, "1.1", "q").joins(0.6, "1.1", "q")
    story.answered(0.7, "1.1", "q", "Bo", "1.9").completed(42, "1.1", "q", "Bo").hangs_up(42.1, "1.1")
    live = played(story.heard_manager(lost=(25, 33)) + story.heard_log())

    assert about(stays(live), [("q", "timeout", 0, None), ("q", "answered", 0, 41)])


def test_two_stays_in_a_second_of_which_a_cut_hides_the_second_are_in_their_order() -> None:
    story = Twofold().joins(0.21, "1.1", "q").abandons(0.28, "1.1", "q", moved_to="r").joins(0.38, "1.1", "r")
    story.times_out(12.7, "1.1", "r").hangs_up(15, "1.1")
    live = played(story.heard_manager(lost=(0.3, 1.8)) + story.heard_log())

    assert [(one.first_queue, one.outcome.value) for one in live.ledger.contacts() if one.first_queue != "z"] == [
        ("q", "timeout")
    ]


def test_two_stays_in_a_second_of_which_a_cut_hides_the_first_are_told_apart_by_their_ends() -> None:
    """A caller is moved back into the queue while nobody listens, and hangs up there later."""
    story = Twofold().joins(21.43, "1.1", "q").abandons(21.83, "1.1", "q", moved_to="q").joins(21.93, "1.1", "q")
    manager = story.abandons(59.53, "1.1", "q").hangs_up(59.6, "1.1").heard_manager(lost=(20.4, 21.92))

    for items in (manager + story.heard_log(), story.heard_log() + manager):
        live = played(items)
        assert [stay[1] for stay in stays(live)] == ["transferred_out", "abandoned"]
        assert [(outcome, visits) for outcome, _, visits in calls(live)] == [("abandoned", 2)]


def test_a_stay_that_the_log_alone_has_follows_one_that_ended_within_its_first_second() -> None:
    """A caller is moved on to another queue at once; the connection is lost just before the second entry."""
    story = Twofold().joins(36.63, "1.1", "r").abandons(36.73, "1.1", "r", moved_to="q").joins(36.83, "1.1", "q")
    manager = story.abandons(436.9, "1.1", "q").hangs_up(437, "1.1").heard_manager(lost=(36.82, 38.3))

    for items in (manager + story.heard_log(), story.heard_log() + manager):
        live = played(items)
        assert [(one.first_queue, one.outcome.value) for one in live.ledger.contacts() if one.first_queue != "z"] == [
            ("r", "abandoned")
        ]


def test_the_second_in_which_a_line_was_written_says_whose_it_is() -> None:
    story = Twofold().joins(3.1, "1.1", "q").abandons(4.39, "1.1", "q", moved_to="q").joins(4.49, "1.1", "q")
    story = answered_last(story, 4.49).lists(4.25, ("1.1", "q"))
    live = played(story.heard_manager(lost=(2.7, 4.22)) + story.heard_log())

    assert about(stays(live), [("q", "transferred_out", 1, None), ("q", "answered", 20, 30)])


@pytest.mark.parametrize("hung_up", [10.3, 12.9, 13.1, 13.4])
def test_who_hangs_up_in_the_second_in_which_the_log_tells_the_answer_was_not_answered(hung_up: float) -> None:
    story = Twofold().joins(0.2, "1.1", "q").rings(8, "1.1", "q", "Bo", "1.9").tells(10.1, "QueueCallerLeave", **HERS)
    story.tells(hung_up, "HangupRequest", Uniqueid="1.1").answered(13.5, "1.1", "q", "Bo", "1.9")
    story.completed(13.51, "1.1", "q", "Bo").hangs_up(13.52, "1.1")

    for items in (story.heard_manager(), story.heard_manager() + story.heard_log()):
        assert [one[0] for one in calls(played(items))] == ["abandoned"]


@pytest.mark.parametrize("clock_ahead", [-3.0, -1.0, 0.0, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("tell", [redirected, blind_transfer, nested, refused_then_taken])
def test_times_of_arrival_by_a_clock_that_is_a_little_off_make_no_second_stay(
    tell: Callable[[], Told], clock_ahead: float
) -> None:
    told = tell()
    manager, log = told.story.heard_on_arrival(clock_ahead), told.story.heard_log()

    for items in (manager + log, log + manager):
        live = played(items)
        assert [one[:2] for one in stays(live)] == [one[:2] for one in told.stays]
        assert [(one[0], one[2]) for one in calls(live)] == [(one[0], one[2]) for one in told.calls]


# ---- moved while the log alone was heard


def _moved_in_a_cut(moved: float, **shown: str) -> tuple[Items, Items]:
    """Lose the connection from 20 to 60 s; meanwhile one caller is moved out of the queue, and another hangs up."""
    story = Twofold().joins(0.2, "1.1", "q").abandons(moved, "1.1", "q", moved_to="out")
    story.joins(5.2, "2.1", "q").abandons(moved + 0.1, "2.1", "q").hangs_up(moved + 0.2, "2.1")
    story.shows_up(60.02, "1.1", "9.9", **shown).shows_up(64.1, "1.1", "9.9", **shown).hangs_up(90, "1.1")
    return story.heard_manager(lost=(20, 60)), story.heard_log()


@pytest.mark.parametrize("moved", [20.3, 30.6, 57.9, 59.98])
def test_who_is_up_after_a_hang_up_in_the_log_was_moved_and_has_not_hung_up(moved: float) -> None:
    manager, log = _moved_in_a_cut(moved)
    by_time = sorted((item for item in chain(manager, log) if isinstance(item, Event)), key=lambda it: it.observed_at)

    for items in (manager + log, log + manager, by_time):
        live = played(items)
        assert [(stay[0], stay[1]) for stay in stays(live)] == [("q", "transferred_out"), ("q", "abandoned")]
        assert [one[0] for one in calls(live)] == ["transferred_out", "abandoned"]
        assert abs((calls(live)[0][1] or 0) - moved) <= 1


@pytest.mark.parametrize(
    "shown", [{"Exten": "h"}, {"Application": "AppDial"}, {"Application": "AppQueue"}], ids=["h", "dialled", "rung"]
)
def test_a_channel_that_only_tidies_up_or_is_a_phones_own_says_nothing(shown: dict[str, str]) -> None:
    manager, log = _moved_in_a_cut(30.6, **shown)

    assert [one[0] for one in calls(played(manager + log))] == ["abandoned", "abandoned"]


def test_a_hang_up_less_than_two_seconds_before_the_list_stays_one() -> None:
    """The channel may be listed while it ends."""
    story = Twofold().joins(0.2, "1.1", "q").abandons(59.9, "1.1", "q").shows_up(60.02, "1.1").hangs_up(60.2, "1.1")
    live = played(story.heard_manager(lost=(20, 60)) + story.heard_log())

    assert [one[0] for one in calls(live)] == ["abandoned"]


def test_the_first_channel_of_a_transfer_says_nothing_of_the_caller_who_goes_on() -> None:
    """It is up, but the agent has gone on with it to somebody else."""
    story = _asked().abandons(55.4, "1.1", "r").hangs_up(55.5, "1.1").shows_up(60.02, "2.1").shows_up(64.1, "2.1")
    live = played(story.heard_manager(lost=(50, 60)) + story.heard_log())

    assert [stay[1] for stay in stays(live)] == ["answered", "abandoned"]


def test_a_list_of_channels_that_was_asked_for_alone_says_nothing_of_a_later_time() -> None:
    story = Twofold().joins(0.2, "1.1", "q").shows_up(30, "1.1").abandons(50.5, "1.1", "q").hangs_up(50.6, "1.1")
    story.manager = [told for told in story.manager if told[0] != 30.01]
    live = played(story.lists(70).heard_manager(lost=(40, 60)) + story.heard_log())

    assert [one[0] for one in calls(live)] == ["abandoned"]


@pytest.mark.parametrize("log_first", [True, False])
def test_what_the_channels_say_outlives_a_start(log_first: bool) -> None:
    """Memory lets go of the call before the list comes, or the monitor starts between the list and the log's line."""
    manager, log = _moved_in_a_cut(30.6)
    first, then = (log, manager) if log_first else (manager, log)
    live = played(first)
    calls_told, _ = live.take_records()
    again = played([])
    again.load_states(live.save_states(), at(100))
    again.load_calls(record.evidence for record in calls_told if record.evidence)
    for event in then:
        if isinstance(event, Event):
            again.apply(event)

    assert [one[0] for one in calls(again)] == ["transferred_out", "abandoned"]
    written, _ = again.take_records()
    last = played([])
    last.load_calls(record.evidence for record in written if record.evidence)
    assert [one[0] for one in calls(last)] == ["transferred_out", "abandoned"]


def test_a_listed_caller_who_leaves_and_comes_again_at_once_has_two_stays() -> None:
    """Without the log: the entry was not seen, and its time is reckoned from whole seconds."""
    story = Twofold().joins(36.4, "1.1", "q").rings(38.2, "1.1", "q", "Bo", "1.7").lists(37.91, ("1.1", "q"))
    story.abandons(38.88, "1.1", "q", moved_to="q").joins(38.893, "1.1", "q").times_out(55.9, "1.1", "q")
    live = played(story.hangs_up(56, "1.1").heard_manager(lost=(12, 37.9)))

    assert about(stays(live), [("q", "transferred_out", 2, None), ("q", "timeout", 17, None)])


def test_a_caller_who_is_listed_after_a_stay_has_ended_has_come_again() -> None:
    story = Twofold().joins(10.2, "1.1", "q").times_out(11, "1.1", "q").joins(12.3, "1.1", "q").lists(16, ("1.1", "q"))
    live = played(story.abandons(30, "1.1", "q").hangs_up(30.1, "1.1").heard_manager(lost=(12, 15.9)))

    assert [one[1] for one in stays(live)] == ["timeout", "abandoned"]


def test_who_enters_within_a_second_of_one_who_leaves_in_the_cut_is_somebody_else() -> None:
    """Without the log: the list says for how long somebody has waited, and that the channel is of another call."""
    first, second = "1795433700.11", "1795433700.12"
    story = Twofold().joins(0.2, first, "q").joins(0.9, second, "q").times_out(5, first, "q").hangs_up(5.1, first)
    story.shows_up(20.02, second).lists(20.02, (second, "q")).answered(30.3, second, "q", "Bo", "1.9")
    story.manager = [one for one in story.manager if one[0] != 20.03]
    live = played(story.completed(50, second, "q", "Bo").hangs_up(50.1, second).heard_manager(lost=(0.5, 20)))

    assert {(stay[1], stay[2]) for stay in stays(live)} == {("unknown", None), ("answered", 30)}
    assert sorted(call[0] for call in calls(live)) == ["answered", "unknown"]


def test_an_entry_that_a_busy_switch_tells_late_is_of_the_stay_in_the_log() -> None:
    story = Twofold().joins(0.62, "1.1", "q").answered(2.94, "1.1", "q", "Bo", "1.9").completed(15.2, "1.1", "q", "Bo")
    story.hangs_up(15.3, "1.1")
    early = [
        (when, line.replace(b"1795433700", b"1795433699")) if when == 0.62 else (when, line) for when, line in story.log
    ]
    story.log = early

    for items in (story.heard_manager() + story.heard_log(), story.heard_log() + story.heard_manager()):
        assert about(stays(played(items)), [("q", "answered", 2, 12)])
