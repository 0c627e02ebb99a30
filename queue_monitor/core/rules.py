"""What the figures are made by: the target, the hours, the exceptions, and how things are called."""

from datetime import timedelta

from msgspec import Struct

from queue_monitor.core.calendar import Calendar
from queue_monitor.model import Outcome, RiskLevels, Target


class Rules(Struct, frozen=True, kw_only=True):
    """What the figures are made by.

    `labels` are what people are shown for a queue, by its name; `excluded` names outcomes that a setting leaves out
    of the target, for all queues or by queue.
    """

    target: Target = Target()
    levels: RiskLevels = RiskLevels()
    calendar: Calendar
    calendars: dict[str, Calendar] = {}
    excluded: frozenset[Outcome] = frozenset()
    excluded_by_queue: dict[str, frozenset[Outcome]] = {}
    silent_after: timedelta = timedelta(minutes=2)
    labels: dict[str, str] = {}
    organisation: str = ""
    version: str = ""
