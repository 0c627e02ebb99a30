"""The rules for computing the figures: the target, the hours, the exceptions, and the names that people are shown."""

import hashlib
from datetime import timedelta

import msgspec
from msgspec import Struct

from queue_monitor.core.calendar import Calendar
from queue_monitor.model import ExitPolicy, RiskLevels, Target
from queue_monitor.queues import keys_of, queue_key


class Rules(Struct, frozen=True, kw_only=True):
    """The rules for computing the figures.

    `labels`: the names that people are shown for queues, by queue.
    `pool_label`: makes the label of a pool from that of its first queue, for a wall cannot show them all.
    `walls`: the queues of each wall that shows some of them, by the wall's name.
    `exit_policy`, `exit_policy_by_queue`: how deliberate exits from a queue are judged, for all queues or by queue.
    """

    target: Target = Target()
    levels: RiskLevels = RiskLevels()
    calendar: Calendar
    calendars: dict[str, Calendar] = {}
    exit_policy: ExitPolicy = ExitPolicy()
    exit_policy_by_queue: dict[str, ExitPolicy] = {}
    silent_after: timedelta = timedelta(minutes=2)
    labels: dict[str, str] = {}
    pool_names: dict[frozenset[str], str] = {}
    pool_label: str = "{queue} …"
    walls: dict[str, tuple[str, ...]] = {}
    organisation: str = ""
    version: str = ""

    def label(self, queues: tuple[str, ...]) -> str:
        """Return the name that people are shown for a queue, or for several that share agents."""
        first = self.labels.get(queue_key(queues[0]), queues[0])
        if len(queues) == 1:
            return first
        keys = keys_of(queues)
        named = (name for part, name in self.pool_names.items() if part <= keys)
        return next(named, "") or self.pool_label.format(queue=first)

    @property
    def queue_keys(self) -> set[str]:
        """Return the keys of all queues that the settings name."""
        named = (*self.labels, *self.calendars, *self.exit_policy_by_queue)
        return {queue_key(queue) for queue in named} | {key for pool in self.pool_names for key in pool}

    @property
    def judged_by(self) -> str:
        """Return all settings that decide how a call is counted, as JSON that a person can read."""
        body = {
            "limit_seconds": self.target.limit_seconds,
            "short_abandon_seconds": self.target.short_abandon_seconds,
            "hours": self.calendar.described(),
            "hours_by_queue": {queue_key(queue): calendar.described() for queue, calendar in self.calendars.items()},
            "ways_out": self.exit_policy,
            "ways_out_by_queue": {queue_key(queue): ways for queue, ways in self.exit_policy_by_queue.items()},
        }
        return msgspec.json.format(msgspec.json.encode(body, order="deterministic")).decode()

    @property
    def judged_by_version(self) -> str:
        """Return a short name for `judged_by`: equal rules have the same name on every machine."""
        return hashlib.sha256(self.judged_by.encode()).hexdigest()[:12]
