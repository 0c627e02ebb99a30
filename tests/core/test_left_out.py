"""A call whose day and queue an import has brought is counted nowhere, whatever comes of it later."""

from typing import Any

from queue_monitor.core.live import Live
from queue_monitor.events import Caller
from queue_monitor.model import LeftOut, RefusalRecord
from tests.core.test_reconcile import counted
from tests.scenario import TEN, Scenario

ANNA = "luleå:anna"


def evening(call: bool = True) -> Scenario:
    """An evening in which the switch answers and turns callers away, with its own totals."""
    story = Scenario(start=TEN.replace(hour=18))
    story.live = Live(story.rules, records=True)
    counted(story.connected(-60), 0, completed=10, let_go=2)
    if call:
        story.entered(10, "anna", caller=Caller(pseudonym="somebody")).answered(20, "anna")
    return story


def figures(story: Scenario) -> dict[str, Any]:
    """Everything that counts calls."""
    counted(story, 900, completed=11, let_go=2)
    now = story.live.snapshot(story.at(1000))
    return {
        "day": now.total.periods["day"],
        "visits": now.total.visits_today,
        "all time": now.totals,
        "waits": now.totals_waits,
        "talks": now.totals_talks,
        "differences": now.reconciliation,
        "hours": now.hours_disagreements,
        "repeat callers": now.total.repeat_callers,
    }


def take(story: Scenario) -> tuple[str, ...]:
    """The records go to the store; return whose they are."""
    calls, _ = story.live.take_records()
    story.live.mark_known(record.contact_id for record in calls)
    return tuple(record.contact_id for record in calls)


def left_out(story: Scenario) -> Scenario:
    written = take(story)
    story.live.leave_out(LeftOut(contact_ids=written), written)
    return story


def without_totals(found: dict[str, Any]) -> dict[str, Any]:
    """Queues without a count are as good as none."""
    return found | {"all time": {}, "waits": {}, "talks": {}}


def test_it_is_counted_nowhere():
    story, nobody = left_out(evening()), evening(call=False)

    found, expected = figures(story), figures(nobody)

    assert without_totals(found) == without_totals(expected)
    assert found["talks"] == expected["talks"]
    assert all(counts.entered == 0 for counts in found["all time"].values())
    assert found["hours"] == ()


def test_no_later_word_makes_it_count_for_a_moment():
    story, nobody = left_out(evening()).completed(300, "anna").answered(19, "anna"), evening(call=False)

    assert without_totals(figures(story)) == without_totals(figures(nobody))
    assert story.live.windows.talks() == {}


def test_its_record_still_says_where_it_would_count():
    """The store decides anew by it."""
    story = left_out(evening()).completed(300, "anna")

    (record,), _ = story.live.take_records()

    assert record.contact_id == ANNA
    assert record.placed is not None
    assert record.visits_placed != (None,)


def test_it_counts_again_once_the_store_has_taken_it():
    story, as_ever = left_out(evening()).completed(300, "anna"), evening().completed(300, "anna")
    written = take(story)
    story.live.leave_out(LeftOut(), written)

    assert figures(story) == figures(as_ever)


def test_what_the_store_has_not_taken_yet_changes_nothing():
    story = left_out(evening()).entered(400, "bo").left(460, "bo")
    story.live.leave_out(LeftOut(), ["luleå:bo"])

    assert story.live.windows.counted(ANNA).places == ()


def test_a_refused_caller_who_is_left_out_says_nothing_of_the_hours():
    story = Scenario()
    story.live = Live(story.rules, records=True)
    story.refused(0, "anna", "closed")
    _, refusals = story.live.take_records()
    story.live.leave_out(LeftOut(refusals=tuple(refusals)))

    now = story.live.snapshot(story.at(600))
    assert (now.hours_disagreements, now.total.periods["day"].counts.refused) == ((), 0)


def test_a_refused_caller_who_is_left_out_and_gets_in_after_all_is_taken_out_once():
    story = Scenario()
    story.live = Live(story.rules, records=True)
    story.refused(0, "anna")
    _, refusals = story.live.take_records()
    story.live.leave_out(LeftOut(refusals=tuple(refusals)))
    story.entered(10, "anna")

    _, again = story.live.take_records()
    assert story.live.snapshot(story.at(20)).total.periods["day"].counts.refused == 0
    assert again == list[RefusalRecord]()
