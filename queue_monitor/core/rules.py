"""The rules for computing the figures: the target, the hours, the exceptions, and the names that people are shown."""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import msgspec
from msgspec import Struct, structs

from queue_monitor.core.calendar import Calendar
from queue_monitor.model import EarlierTarget, ExitPolicy, RiskLevels, Target
from queue_monitor.queues import QueueKey, keys_of, queue_key


class Rules(Struct, frozen=True, kw_only=True):
    """The rules for computing the figures.

    `labels`: the names that people are shown for queues, by queue.
    `pool_label`: makes the label of a pool from that of its first queue, for a wall cannot show them all.
    `walls`: the queues of each wall that shows some of them, by the wall's name.
    `exit_policy`, `exit_policy_by_queue`: how deliberate exits from a queue are judged, for all queues or by queue.
    `dated`: where the rules have changed: each version of them with its first day, the oldest first, which holds for
        all days before as well. The calendars then know the hours of each day; the rest is as on the day of `in_force`.
    """

    target: Target = Target()
    levels: RiskLevels = RiskLevels()
    calendar: Calendar
    calendars: dict[str, Calendar] = {}
    exit_policy: ExitPolicy = ExitPolicy()
    exit_policy_by_queue: dict[str, ExitPolicy] = {}
    silent_after: timedelta = timedelta(minutes=2)
    labels: dict[str, str] = {}
    pool_names: dict[frozenset[QueueKey], str] = {}
    pool_label: str = "{queue} …"
    walls: dict[str, tuple[str, ...]] = {}
    organisation: str = ""
    version: str = ""
    dated: "tuple[tuple[date, Rules], ...]" = ()

    def label(self, queues: tuple[str, ...]) -> str:
        """Return the name that people are shown for a queue, or for several that share agents."""
        first = self.labels.get(queue_key(queues[0]), queues[0])
        if len(queues) == 1:
            return first
        keys = keys_of(queues)
        named = (name for part, name in self.pool_names.items() if part <= keys)
        return next(named, "") or self.pool_label.format(queue=first)

    def label_of_past(self, queues: tuple[str, ...]) -> str:
        """Return the name that people are shown for a queue, or for several, where the past is shown.

        The name of a pool in the settings is there that of exactly its queues: a pool that has more is this one and
        others, for people may have been lent to a queue for a month.
        """
        shown = self.label(queues)
        is_larger = shown in self.pool_names.values() and keys_of(queues) not in self.pool_names
        return self.pool_label.format(queue=shown) if is_larger else shown

    @property
    def queue_keys(self) -> set[str]:
        """Return the keys of all queues that the settings name."""
        named = (*self.labels, *self.calendars, *self.exit_policy_by_queue)
        return {queue_key(queue) for queue in named} | {key for pool in self.pool_names for key in pool}

    def on(self, day: date) -> "Rules":
        """Return the version of the rules that a day is judged by."""
        if not self.dated:
            return self
        return self.dated[max(0, bisect_right([first for first, _ in self.dated], day) - 1)][1]

    def in_force(self, day: date) -> "Rules":
        """Return the same rules with the target and the exits of a day as the present ones."""
        its = self.on(day)
        return structs.replace(
            self, target=its.target, exit_policy=its.exit_policy, exit_policy_by_queue=its.exit_policy_by_queue
        )

    @property
    def dated_versions(self) -> str:
        """Return the short names of all versions with their first days; of only one its name alone."""
        if not self.dated:
            return self.judged_by_version
        return " ".join(f"{first} {rules.judged_by_version}" for first, rules in self.dated)

    @property
    def earlier_targets(self) -> tuple[EarlierTarget, ...]:
        """Return the targets that held before the newest, the oldest first, which held for all days before too."""
        found: list[EarlierTarget] = []
        since: date | None = None
        for (_, before), (first, after) in pairwise(self.dated):
            its = EarlierTarget(
                since=since,
                until=first - timedelta(days=1),
                limit_seconds=before.target.limit_seconds,
                short_abandon_seconds=before.target.short_abandon_seconds,
                ratio=before.target.ratio,
                definition=before.target.definition,
            )
            if not its.is_like(after.target):
                found.append(its)
                since = first
        return tuple(found)

    @property
    def versions(self) -> "tuple[Rules, ...]":
        """Return every version of the rules, the oldest first."""
        return tuple(rules for _, rules in self.dated) or (self,)

    @property
    def judged_by(self) -> str:
        """Return all settings that decide how a call is counted, as JSON that a person can read.

        Ask a version of the rules, by `on` or `versions`, for where they have changed no single one holds.
        """
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


def rules_by_day(dated: Sequence[tuple[date, Rules]], today: date) -> Rules:
    """Return rules that hold each version from its first day on, the oldest for ever before; `today` is the present.

    The names that people are shown are those of the newest.
    """
    newest = dated[-1][1]
    if len(dated) == 1:
        return newest
    spans = [(until, rules) for (_, rules), (until, _) in pairwise(dated)]
    queues = {queue_key(queue): queue for _, rules in dated for queue in rules.calendars}
    rules = structs.replace(
        newest,
        calendar=newest.calendar.after(tuple((until, each.calendar) for until, each in spans)),
        calendars={
            queue: _hours_of(newest, key).after(tuple((until, _hours_of(each, key)) for until, each in spans))
            for key, queue in queues.items()
        },
        dated=tuple(dated),
    )
    return rules.in_force(today)


def _hours_of(rules: Rules, key: str) -> Calendar:
    own = (calendar for queue, calendar in rules.calendars.items() if queue_key(queue) == key)
    return next(own, rules.calendar)
