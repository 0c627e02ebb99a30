"""The clock of a simulated kundcenter, which is shown on a lively day."""

from datetime import UTC, datetime, time, timedelta
from typing import Final

from queue_monitor.app.rules_from_config import calendar_of
from queue_monitor.clock import ScaledClock, SystemClock
from queue_monitor.config import Config
from queue_monitor.core.calendar import Calendar
from queue_monitor.ports import Clock

DEMO_STARTS: Final = time(10)
"""The local time at which a simulated day starts, unless the settings say otherwise: the forenoon rush."""


def clock_of(config: Config, resume_at: datetime | None = None) -> Clock:
    """Return the machine's clock, or a simulated one.

    It is simulated where that is set, or where all sources are simulated and it is closed now. A simulated clock goes
    on where the journal ended, if that is later.
    """
    real, wanted = SystemClock(), config.clock
    only_simulated = all(source.kind == "simulator" for source in config.sources if source.enabled)
    start = wanted.start
    if start is not None:
        start = (start if start.tzinfo else start.replace(tzinfo=config.zone)).astimezone(UTC)
    elif only_simulated:
        start = _lively(calendar_of(config, config.hours), real.now())
    if start is None and wanted.rate == 1.0:
        return real
    start = start or real.now()
    return ScaledClock(max(start, resume_at or start), wanted.rate)


def _lively(calendar: Calendar, now: datetime) -> datetime | None:
    """Return a time on the newest open day that is worth showing; None when that is now."""
    span = calendar.span(calendar.day_of(now))
    if span is not None and span[0] + timedelta(minutes=30) <= now <= span[1] - timedelta(minutes=30):
        return None
    day = calendar.day_of(now)
    for _ in range(14):
        start = datetime.combine(day, DEMO_STARTS, calendar.zone).astimezone(UTC)
        if calendar.is_open(start) and start <= now:
            return start
        day -= timedelta(days=1)
    return None


def is_real(clock: Clock) -> bool:
    """Return whether this is the machine's own time, not a simulated one."""
    return isinstance(clock, SystemClock)
