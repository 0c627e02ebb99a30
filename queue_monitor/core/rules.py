"""What the figures are made by: the target, the hours, the exceptions, and how things are called."""

from datetime import timedelta

from msgspec import Struct

from queue_monitor.core.calendar import Calendar
from queue_monitor.model import RiskLevels, Target, WaysOut


class Rules(Struct, frozen=True, kw_only=True):
    """What the figures are made by.

    `labels` are what people are shown for a queue, by its name; `ways_out` says how deliberate ways out of a queue are
    judged, for all queues or by queue.
    """

    target: Target = Target()
    levels: RiskLevels = RiskLevels()
    calendar: Calendar
    calendars: dict[str, Calendar] = {}
    ways_out: WaysOut = WaysOut()
    ways_out_by_queue: dict[str, WaysOut] = {}
    silent_after: timedelta = timedelta(minutes=2)
    labels: dict[str, str] = {}
    organisation: str = ""
    version: str = ""
