"""A day on which the monitor was killed keeps its blind minutes, and the hours of one queue are not those of all."""

from datetime import date, time
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from queue_monitor.core.calendar import Calendar, DayHours
from queue_monitor.core.queue_coverage import coverage_of_day
from queue_monitor.model import Coverage
from queue_monitor.reports.desk import Reports
from queue_monitor.reports.figures import ReportRules
from queue_monitor.reports.period import parsed
from tests.runtime.lasting import Call, Monitor
from tests.runtime.test_lasting import at
from tests.test_dated_rules import started
from tests.test_rebuilding import config_of

TUESDAY: Final = date(2026, 10, 13)
WEDNESDAY: Final = date(2026, 10, 14)


def hours(opens: int | None, closes: int | None) -> Calendar:
    day = DayHours(
        opens=None if opens is None else time(opens),
        closes=None if closes is None else time(closes),
    )
    return Calendar(ZoneInfo("Europe/Stockholm"), (day,) * 7)


USUAL: Final = hours(8, 17)
OWN: Final = {"akut": hours(None, None), "bygglov": hours(8, 12)}


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ({}, Coverage(blind_minutes=540)),
        ({"växeln": Coverage(seen_minutes=300)}, Coverage(seen_minutes=300, blind_minutes=240)),
        ({"växeln": Coverage(seen_minutes=300, blind_minutes=240)}, Coverage(seen_minutes=300, blind_minutes=240)),
        ({"bygglov": Coverage(seen_minutes=240), "växeln": Coverage(seen_minutes=540)}, Coverage(seen_minutes=540)),
        ({"akut": Coverage(), "växeln": Coverage(seen_minutes=540)}, Coverage(seen_minutes=540)),
        ({"akut": Coverage(), "bygglov": Coverage(seen_minutes=100)}, Coverage(seen_minutes=100, blind_minutes=140)),
    ],
)
def test_a_day_of_all_queues_is_that_of_a_queue_with_their_hours_and_has_all_its_minutes(
    noted: dict[str, Coverage], expected: Coverage
):
    assert coverage_of_day(TUESDAY, noted, lambda queue: OWN.get(queue, USUAL), USUAL) == expected


async def test_after_a_kill_in_the_afternoon_the_page_and_the_report_have_the_same_blind_minutes(tmp_path: Path):
    path = tmp_path / "calls.db"
    config = config_of(path)
    async with started(path, config, TUESDAY, 7) as run:
        await at_noon(run)
    async with started(path, config, WEDNESDAY, 7) as run:
        run.clock.advance_to(at(WEDNESDAY, 12))
        await run.tell(Call("b", "kundcenter", at(WEDNESDAY, 11), "answered", 5_000).events())
        shown = (await run.day(TUESDAY)).coverage
        reports = Reports(run.store, ReportRules(rules=run.live.rules), run.clock)
        data = (await reports.report(parsed("2026-10", ""), reports.scope(()))).data

    assert shown.blind_minutes > 290
    assert next(day for day in data.days if day.day == TUESDAY).coverage == shown


async def at_noon(run: Monitor) -> None:
    """A call in the morning and one at noon, written with the state of then."""
    for name, hour in (("a", 9.0), ("c", 12.0)):
        run.clock.advance_to(at(TUESDAY, hour + 0.05))
        await run.tell(Call(name, "kundcenter", at(TUESDAY, hour), "answered", 5_000).events())
