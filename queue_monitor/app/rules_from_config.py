"""Turns the settings into the rules of the core: target, calendars, exit policies, and a live state by them."""

from datetime import date
from typing import Final

from queue_monitor import __version__, texts
from queue_monitor.config import Config, Holidays, HoursPeriod, Schedule
from queue_monitor.core import swedish_days
from queue_monitor.core.calendar import Calendar, Closure, DayHours, Stretch
from queue_monitor.core.live import Live
from queue_monitor.core.rules import Rules
from queue_monitor.core.windows import Calendars
from queue_monitor.forecast.forecaster import Forecaster
from queue_monitor.model import Board
from queue_monitor.queues import keys_of, queue_key

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def rules_of(config: Config) -> Rules:
    """Return the rules of the figures, from the settings."""
    return Rules(
        target=config.target,
        levels=config.alerts.levels,
        calendar=calendar_of(config, config.hours),
        calendars={queue: calendar_of(config, schedule) for queue, schedule in config.queue_hours.items()},
        exit_policy=config.exits.exit_policy,
        exit_policy_by_queue={queue_key(queue): exits.exit_policy for queue, exits in config.queue_exits.items()},
        labels={queue_key(queue): shown.label for queue, shown in config.queues.items()},
        pool_names={keys_of(pool.queues): pool.name for pool in config.pools},
        pool_label=texts.words(config.organisation.language)["and_others"],
        walls={board.name: board.queues for board in boards_of(config) if board.queues},
        organisation=config.organisation.name,
        version=__version__,
    )


def boards_of(config: Config) -> list[Board]:
    """Return the walls besides the first one, each with the queues that it shows."""
    pools = {pool.name: pool.queues for pool in config.pools}
    return [
        Board(
            name=board.name,
            title=board.title,
            queues=pools[board.pool] if board.pool else board.queues,
            layout=board.layout,
            hide=board.hide,
            language=board.language,
            theme=board.theme,
            sound=board.sound,
        )
        for board in config.wallboard.boards
    ]


def calendar_of(config: Config, schedule: Schedule) -> Calendar:
    week = [DayHours()] * 7
    for hours in schedule.weekdays:
        for day in hours.days:
            week[WEEKDAYS.index(day.value)] = DayHours(opens=hours.open, closes=hours.close)
    exceptions: dict[date, DayHours] = {
        exception.date: DayHours(opens=exception.open, closes=exception.close, reason=exception.reason)
        for exception in schedule.exceptions
    }
    return Calendar(
        config.zone,
        tuple(week),
        exceptions,
        holiday=swedish_days.holiday if schedule.holidays is Holidays.SWEDEN else swedish_days.none,
        periods=tuple(map(_stretch, schedule.periods)),
        closures=tuple(
            Closure(day=part.date, starts=part.starts, ends=part.ends, reason=part.reason) for part in schedule.closures
        ),
        crises=tuple(map(_stretch, schedule.crisis)),
    )


def _stretch(period: HoursPeriod) -> Stretch:
    hours = DayHours(opens=period.open, closes=period.close, reason=period.reason)
    days = frozenset(WEEKDAYS.index(day.value) for day in period.days) or frozenset(range(7))
    return Stretch(first=period.first, last=period.last, hours=hours, weekdays=days)


def live_of(config: Config, rules: Rules | None = None) -> Live:
    """Return the live state by these rules, or by those of the settings, with the forecast that it feeds."""
    rules = rules or rules_of(config)
    calendars = Calendars(rules.calendar, rules.calendars)
    return Live(rules, Forecaster(rules.target, calendars, levels=rules.levels, reserve=config.reserve))
