"""Gives each version of the rules its days: a change of the settings holds from its date on, and never for days before.

The store keeps which target and which hours held from which day on. So a start with other settings, a rebuild and an
import all judge a call by the rules of its own day.
"""

import logging
from datetime import date
from typing import Final, TypeVar

import msgspec
from msgspec import Struct, structs

from queue_monitor.app.rules_from_config import rules_of
from queue_monitor.config import Config
from queue_monitor.core import swedish_days
from queue_monitor.core.calendar import Calendar, Closure, DayHours, Stretch
from queue_monitor.core.live import RULES
from queue_monitor.core.rules import Rules, rules_by_day
from queue_monitor.model import ExitPolicy, Target
from queue_monitor.ports import StoreError
from queue_monitor.store import SqlStore

log = logging.getLogger(__name__)

EVER: Final = date.min
"""The first day of the oldest version, which holds for all days before as well."""

_NOTE: Final = "rules by day"


class _Hours(Struct, frozen=True, kw_only=True):
    """The opening hours as `Calendar.described` names their parts."""

    week: tuple[DayHours, ...]
    exceptions: dict[str, DayHours] = {}
    holidays: str = "none"
    periods: tuple[Stretch, ...] = ()
    closures: tuple[Closure, ...] = ()
    crises: tuple[Stretch, ...] = ()

    def calendar(self, config: Config) -> Calendar:
        return Calendar(
            config.zone,
            self.week,
            {date.fromisoformat(day): hours for day, hours in self.exceptions.items()},
            holiday=swedish_days.holiday if self.holidays == "holiday" else swedish_days.none,
            periods=self.periods,
            closures=self.closures,
            crises=self.crises,
        )


class _FromADay(Struct, frozen=True, kw_only=True):
    """A part of the rules that holds from a day on."""

    first: date


class _Targets(_FromADay, frozen=True, kw_only=True):
    """The target and the exits from a day on."""

    target: Target
    exits: ExitPolicy
    exits_by_queue: dict[str, ExitPolicy]


class _HoursFrom(_FromADay, frozen=True, kw_only=True):
    """The opening hours from a day on."""

    hours: _Hours
    by_queue: dict[str, _Hours]


class _Book(Struct, frozen=True, kw_only=True):
    """The record of the versions of the target and of the hours, each in the order of their first days."""

    targets: tuple[_Targets, ...]
    hours: tuple[_HoursFrom, ...]


class _Judged(Struct, frozen=True, kw_only=True):
    """The rules as `Rules.judged_by` writes them."""

    limit_seconds: int
    short_abandon_seconds: int
    hours: _Hours
    hours_by_queue: dict[str, _Hours]
    ways_out: ExitPolicy
    ways_out_by_queue: dict[str, ExitPolicy]


_Version = TypeVar("_Version", bound=_FromADay)


async def rules_in_store(store: SqlStore, config: Config, today: date) -> Rules:
    """Return the rules by day as the store and the settings have them, and change nothing. Raises `StoreError`.

    What the settings say otherwise than the store holds from `today` on, or from a later `target.since`.
    """
    return _rules(config, _with(await _book(store, config), config, today), today)


async def rules_of_store(store: SqlStore, config: Config) -> Rules:
    """Return the rules by day as the store has them: those that its calls were judged by. Raises `StoreError`."""
    return _rules(config, await _book(store, config), date.max)


async def take_rules(store: SqlStore, config: Config, today: date, *, anew_from: date | None = None) -> Rules:
    """Return the rules by day, and keep in the store from which day on a change of the settings holds.

    `anew_from`: the present settings hold from this day on, for those that the store has were wrong. Raises
        `StoreError`.
    """
    newest = await store.newest_at()
    today = max(today, newest.astimezone(config.zone).date()) if newest is not None else today  # a clock set back
    before = await _book(store, config)
    book = _with(before, config, today) if anew_from is None else _corrected(before, config, anew_from)
    written = msgspec.json.encode(book, order="deterministic").decode()
    if written != await store.noted(_NOTE):
        await store.note(_NOTE, written)
    if book != before:
        log.warning(
            "rules changed: target holds since=%s hours hold since=%s", *(_last(book.targets), _last(book.hours))
        )
    return _rules(config, book, today)


def _last(versions: tuple[_FromADay, ...]) -> str:
    first = versions[-1].first
    return "ever" if first == EVER else first.isoformat()


async def _book(store: SqlStore, config: Config) -> _Book:
    """Return the record in the store; where there is none, the rules that its calls were judged by hold for ever."""
    if written := await store.noted(_NOTE):
        try:
            return msgspec.json.decode(written, type=_Book)
        except msgspec.DecodeError as error:
            raise StoreError(f"store.url: its record of the rules by day cannot be read ({error})") from error
    targets, hours = _of_settings(config)
    _, states = await store.load_states()
    known = await store.load_rules()
    newest = next(reversed(known.values()), None)
    body = known.get(states.get(RULES, b"").decode(), newest)
    try:
        judged = msgspec.json.decode(body, type=_Judged) if body else None
    except msgspec.DecodeError:  # an earlier version wrote it; the settings are the best that is known
        judged = None
    if judged is not None:
        limits = {name: getattr(judged, name) for name in ("limit_seconds", "short_abandon_seconds")}
        targets = structs.replace(
            targets,
            target=structs.replace(targets.target, **limits),
            exits=judged.ways_out,
            exits_by_queue=judged.ways_out_by_queue,
        )
        hours = structs.replace(hours, hours=judged.hours, by_queue=judged.hours_by_queue)
    return _Book(targets=(targets,), hours=(hours,))


def _of_settings(config: Config) -> tuple[_Targets, _HoursFrom]:
    rules = rules_of(config)
    described = msgspec.json.decode(rules.judged_by, type=_Judged)
    targets = _Targets(
        first=EVER,
        target=config.target,
        exits=described.ways_out,
        exits_by_queue=described.ways_out_by_queue,
    )
    return targets, _HoursFrom(first=EVER, hours=described.hours, by_queue=described.hours_by_queue)


def _with(book: _Book, config: Config, today: date) -> _Book:
    """Return the record with the settings as they are from `today` on, or the target from a later `since`.

    A version of a later day has never held: the settings say it again, or no longer.
    """
    targets, hours = _of_settings(config)
    since = config.target.since
    first = since if since is not None and since > today else today
    begun = _Book(targets=_begun(book.targets, today), hours=_begun(book.hours, today))
    return _Book(targets=_added(begun.targets, targets, first), hours=_added(begun.hours, hours, today))


def _begun(versions: tuple[_Version, ...], today: date) -> tuple[_Version, ...]:
    return tuple(version for version in versions if version.first <= today)


def _corrected(book: _Book, config: Config, first: date) -> _Book:
    targets, hours = _of_settings(config)
    return _Book(targets=_added(book.targets, targets, first), hours=_added(book.hours, hours, first))


def _added(versions: tuple[_Version, ...], new: _Version, first: date) -> tuple[_Version, ...]:
    """Return the versions with a new one from `first` on, in the place of those from there on.

    A version that is as the one before it is no version of its own.
    """
    kept = tuple(version for version in versions if version.first < first)
    if versions and versions[-1].first <= first and _terms(versions[-1]) == _terms(new):
        return (*versions[:-1], _from(new, versions[-1].first))
    if kept and _terms(kept[-1]) == _terms(new):
        return kept
    return (*kept, _from(new, first if kept else EVER))


def _from(version: _Version, first: date) -> _Version:
    """Return a version that holds from a day on, as its target says too."""
    found = structs.replace(version, first=first)
    if isinstance(found, _Targets) and first != EVER:
        return structs.replace(found, target=structs.replace(found.target, since=first))
    return found


def _terms(version: _FromADay) -> _FromADay:
    """Return a version without its dates."""
    undated = structs.replace(version, first=EVER)
    if isinstance(undated, _Targets):
        return structs.replace(undated, target=structs.replace(undated.target, since=None))
    return undated


def _rules(config: Config, book: _Book, today: date) -> Rules:
    newest = rules_of(config)
    firsts = sorted({version.first for version in (*book.targets, *book.hours)})
    dated = []
    for first in firsts:
        targets = [each for each in book.targets if each.first <= first][-1]
        hours = [each for each in book.hours if each.first <= first][-1]
        rules = structs.replace(
            newest,
            target=targets.target,
            exit_policy=targets.exits,
            exit_policy_by_queue=targets.exits_by_queue,
            calendar=hours.hours.calendar(config),
            calendars={queue: own.calendar(config) for queue, own in hours.by_queue.items()},
        )
        dated.append((first, rules))
    return rules_by_day(dated, today)
