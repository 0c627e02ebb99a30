"""Page, live month and report tell the same coverage of a day, whatever became of its minutes."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import structs

from queue_monitor.events import Event
from queue_monitor.model import Coverage, Level
from queue_monitor.reports.desk import Reports
from queue_monitor.reports.figures import ReportRules
from queue_monitor.reports.period import parsed
from queue_monitor.runtime.pipeline import STATE_SECONDS
from tests.importing.made import imported, queue_log
from tests.runtime.lasting import Call, Monitor
from tests.runtime.test_lasting import at
from tests.test_dated_rules import started
from tests.test_rebuilding import config_of

MONDAY: Final = date(2026, 10, 12)
TUESDAY: Final = date(2026, 10, 13)
WEDNESDAY: Final = date(2026, 10, 14)


def line(
    name: str, moment: datetime, *, live: bool = False, switch: str = "pbx", queue: str = "kundcenter"
) -> list[Event]:
    """Return the words of a log, or of a live source, of a caller who was answered at once."""
    source = f"urn:kc:test:{switch}"
    events = Call(name, queue, moment, "answered", 5_000).events()
    return [structs.replace(event, live=live, switch=switch, source=source) for event in events]


async def at_work(run: Monitor, day: date, first: float, last: float, **how: Any) -> None:
    """Let a log have a line each twelve minutes, and the monitor look for what fell silent."""
    hour = first
    while hour < last:
        run.clock.advance_to(at(day, hour))
        await run.tell(line(f"{day}-{hour}-{how}", at(day, hour - 0.02), **how))
        await written(run)
        hour += 0.2


async def written(run: Monitor) -> None:
    """Look for what fell silent, and let the time pass after which the coverage is written."""
    run.pipeline.say_own_words()
    run.clock.advance_to(run.clock.now() + timedelta(seconds=STATE_SECONDS))
    await run.pipeline.write()


async def reported(run: Monitor, day: date) -> Coverage:
    reports = Reports(run.store, ReportRules(rules=run.live.rules), run.clock)
    data = (await reports.report(parsed(f"{day:%Y-%m}", ""), reports.scope(()))).data
    return next(each for each in data.days if each.day == day).coverage


async def month_of(run: Monitor) -> tuple[Coverage, Coverage]:
    """Return the coverage of October by the page of the past, and on the screens of now."""
    first, last = at(date(2026, 10, 1), 0), at(date(2026, 11, 1), 0)
    (asked,) = await run.pipeline.intervals(first, last, "month", Level.CONTACT, None)
    return asked.coverage, run.pipeline.publish().total.periods["month"].coverage


async def test_a_day_on_which_the_monitor_did_not_run_is_measured_alike_while_its_silence_is_found(tmp_path: Path):
    """A log without lines since Monday noon is unusually quiet from then on, on every face and in every day."""
    path = tmp_path / "calls.db"
    async with started(path, config_of(path), MONDAY, 7) as run:
        await at_work(run, MONDAY, 8.1, 12)
    async with started(path, config_of(path), WEDNESDAY, 8.1) as run:
        for hour in (8.2, 8.6, 9.0):
            run.clock.advance_to(at(WEDNESDAY, hour))
            await written(run)
            for day in (MONDAY, TUESDAY, WEDNESDAY):
                assert await reported(run, day) == (await run.day(day)).coverage, (day, hour)
        assert (await run.day(MONDAY)).coverage.blind_minutes > 300
        assert (await run.day(TUESDAY)).coverage == Coverage(blind_minutes=540)
        await at_work(run, WEDNESDAY, 9.1, 17)
        thursday = date(2026, 10, 15)
        run.clock.advance_to(at(thursday, 8))
        run.pipeline.start_day()
        await at_work(run, thursday, 8.1, 10)
        for day in (MONDAY, TUESDAY, WEDNESDAY, thursday):
            assert await reported(run, day) == (await run.day(day)).coverage, day
        asked, shown = await month_of(run)
        assert asked == shown


async def test_a_day_that_a_late_line_shows_to_have_been_covered_is_measured_alike(tmp_path: Path):
    """A line of Tuesday that is read on Wednesday covers the rest of Tuesday, also in the report."""
    path = tmp_path / "calls.db"
    async with started(path, config_of(path), MONDAY, 7) as run:
        await at_work(run, MONDAY, 8.1, 12)
    async with started(path, config_of(path), WEDNESDAY, 9) as run:
        await written(run)
        await run.tell(line("late", at(TUESDAY, 10)))
        await written(run)
        for day in (MONDAY, TUESDAY, WEDNESDAY):
            assert await reported(run, day) == (await run.day(day)).coverage, day


@pytest.mark.parametrize("away", ["a-switch", "z-switch"])
async def test_a_switch_that_was_away_part_of_the_day_is_missed_in_the_report_of_all_queues_too(
    tmp_path: Path, away: str
):
    """A minute of all queues is seen only when every switch was heard, whichever queue comes first by name."""
    path = tmp_path / "calls.db"
    async with started(path, config_of(path), MONDAY, 7) as run:
        for switch in ("a-switch", "z-switch"):
            queue = "bygglov" if switch == "a-switch" else "kundcenter"
            until = 12.0 if switch == away else 17.5
            for hour in range(8, 18):
                if hour <= until:
                    run.clock.advance_to(max(run.clock.now(), at(MONDAY, hour)))
                    await run.tell(line(f"{switch}{hour}", at(MONDAY, hour), switch=switch, queue=queue))
    async with started(path, config_of(path), TUESDAY, 9) as run:
        await written(run)
        shown = (await run.day(MONDAY)).coverage
        assert await reported(run, MONDAY) == shown


async def test_a_day_off_that_is_imported_is_measured_alike_before_and_after_it_leaves_memory(tmp_path: Path):
    """Calls that are imported for a day on which the monitor was off are recovered on every face, and stay so."""
    path, log = tmp_path / "calls.db", tmp_path / "queue_log"
    async with started(path, config_of(path), MONDAY, 7) as run:
        await at_work(run, MONDAY, 8.1, 12, live=True)
    log.write_bytes(
        queue_log([Call(f"1791{n}.1", "kundcenter", at(TUESDAY, n), "answered", 5_000) for n in range(7, 19)])
    )
    await imported(path, log)
    async with started(path, config_of(path), WEDNESDAY, 8.1) as run:
        await written(run)
        for day in (MONDAY, TUESDAY, WEDNESDAY):
            assert await reported(run, day) == (await run.day(day)).coverage, day
        assert (await run.day(TUESDAY)).coverage == Coverage(recovered_minutes=540)
        assert (await month_of(run))[0] == (await month_of(run))[1]
        await at_work(run, WEDNESDAY, 8.1, 17, live=True)
        thursday = date(2026, 10, 15)
        run.clock.advance_to(at(thursday, 8))
        run.pipeline.start_day()
        await at_work(run, thursday, 8.1, 10, live=True)
        assert await reported(run, TUESDAY) == (await run.day(TUESDAY)).coverage == Coverage(recovered_minutes=540)
        assert (await month_of(run))[0] == (await month_of(run))[1]


async def test_a_preliminary_report_is_of_the_same_moment_as_page_and_month(tmp_path: Path):
    """Nothing has been written for nine seconds, three callers wait past the limit, and one has just come."""
    path = tmp_path / "calls.db"
    async with started(path, config_of(path), MONDAY, 7) as run:
        await at_work(run, MONDAY, 8.1, 12)
        run.clock.advance_to(at(MONDAY, 12.5))
        run.pipeline.say_own_words()
        waits = [Call(f"waits {one}", "kundcenter", at(MONDAY, 12.3), "waits", 0) for one in range(3)]
        waits.append(Call("came", "bygglov", at(MONDAY, 12.5), "waits", 0))
        await run.tell([event for call in waits for event in call.events()], write=False)
        reports = Reports(run.store, ReportRules(rules=run.live.rules), run.clock, run.pipeline.as_of_now)

        whole = (await reports.report(parsed("2026-10", ""), reports.scope(()))).data
        one = (await reports.report(parsed("2026-10", ""), reports.scope(("Bygglov",)))).data
        first, last = at(date(2026, 10, 1), 0), at(date(2026, 11, 1), 0)
        (month,) = await run.pipeline.intervals(first, last, "month", Level.CONTACT, None)
        (of_one,) = await run.pipeline.intervals(first, last, "month", Level.CONTACT, "bygglov")
        now = run.pipeline.publish().total.periods["month"]

    assert (whole.counts, whole.coverage) == (month.counts, month.coverage) == (now.counts, now.coverage)
    assert (whole.counts.waiting_late, whole.counts.waiting_in_time) == (3, 1)
    assert (one.counts, one.coverage) == (of_one.counts, of_one.coverage)
    assert next(day for day in whole.days if day.day == MONDAY).counts == whole.counts
    assert {queue.name: queue.counts.waiting for queue in whole.queues} == {"kundcenter": 3, "bygglov": 1}
