"""What the figures are made by: the target, the hours, the exceptions, and how things are called."""

import hashlib
from datetime import timedelta

import msgspec
from msgspec import Struct

from queue_monitor.core.calendar import Calendar
from queue_monitor.model import ExitPolicy, RiskLevels, Target
from queue_monitor.queues import keys_of, queue_key


class Rules(Struct, frozen=True, kw_only=True):
    """What the figures are made by.

    `labels` are what people are shown for a queue, by its name; `pool_label` makes a pool's of its first queue's, for a
    wall cannot show them all; `walls` are the queues of each wall that shows some of them, by the wall's name;
    `exit_policy` says how deliberate ways out of a queue are judged, for all queues or by queue.
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
        """What people are shown for a queue, or for several that share agents."""
        first = self.labels.get(queue_key(queues[0]), queues[0])
        if len(queues) == 1:
            return first
        keys = keys_of(queues)
        named = (name for part, name in self.pool_names.items() if part <= keys)
        return next(named, "") or self.pool_label.format(queue=first)

    @property
    def queue_keys(self) -> set[str]:
        """The keys of all queues that the settings name."""
        named = (*self.labels, *self.calendars, *self.exit_policy_by_queue)
        return {queue_key(queue) for queue in named} | {key for pool in self.pool_names for key in pool}

    @property
    def judged_by(self) -> str:
        """Everything that decides what a call counts as, as JSON that a person can read."""
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
        """A short name for `judged_by`: the same for the same rules, on every machine."""
        return hashlib.sha256(self.judged_by.encode()).hexdigest()[:12]
