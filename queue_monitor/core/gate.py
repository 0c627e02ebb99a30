"""The gate: it judges every event from every door before any other part takes it.

The limits are the same for all doors and stand in docs/limits.md. Times are judged as the ledger will use them, after
the rule for clocks that are far off (docs/switch-rules.md, rule 8). The gate is pure: the time of receipt is an
argument.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple

from msgspec import Struct, inspect, structs

from queue_monitor.core.sources import CLOCK_TRUSTED_MS
from queue_monitor.events import EVENT_TYPES, Event, QueueSnapshot, SourceGap, TimeBasis

MAX_TEXT: Final = 500
"""The largest number of characters of one text."""

MAX_FIELD: Final = 100
"""The largest number of characters of a field's name that are listed."""

MAX_NUMBER: Final = 10**9
"""The largest number; in ms eleven days. Beyond it, adding times to dates overflows."""

MAX_COUNT: Final = 10**6
"""The largest place in a line, length of one, priority or penalty: a telephone number is none of these."""

MAX_RING_MS: Final = 10**8
"""The longest time that a phone rings, ms: a day and some hours."""

MAX_CLOCK_MS: Final = 10**14
"""The largest reported offset of a clock, ms: 1970 and the year 5000 are clocks that were never set."""

MAX_ITEMS: Final = 5_000
"""The largest number of callers, agents or names in one list."""

AHEAD: Final = timedelta(minutes=5)
"""The longest time that an event may be ahead of our clock."""

RECEIPT_PRECISION_MS: Final = 10

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, characters that turn the direction of writing, and halves of a character."""

_UNSEEN: Final = re.compile(r"[\s\u00ad\u180e\u200b-\u200d\u2060-\u2064\U000e0000-\U000e007f]+")
"""A text of which nothing can be seen."""

_FREE: Final = frozenset({"reason", "cause", "version", "reason_raw", "cause_raw", "state_raw"})
"""Texts that only explain. Nothing is identified or found by them."""

_QUOTED: Final = re.compile(r"'[^']*'?|\"[^\"]*\"?|`[^`]*`?")
_LONG_NUMBER: Final = re.compile(r"\d{5,}")
_DIGIT: Final = re.compile(r"\d")
_PLACE: Final = re.compile(r"(event|line|at byte) [0-9]{1,6}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WRITTEN: Final = {"observed_at": "time", "switch_time": "time", "from_": "from"}
"""The names of our fields as a sender writes them."""

_MOST: Final = {
    **dict.fromkeys(("position", "depth_reported", "priority", "level"), MAX_COUNT),
    "ring_ms": MAX_RING_MS,
    "offset_ms": MAX_CLOCK_MS,
}
"""The largest numbers of fields that have a limit of their own."""

_MAY_BE_OLD: Final = frozenset({"switch_started_at"})
"""Times that may lie before the first kept day: a switch may have run for years."""


class Unfit(Struct, frozen=True, kw_only=True):
    """The reason why an event is not taken.

    `reason`: a stable word for counting.
    `field`: as its sender writes it, e.g. `waiting[3].position`.
    `kind`: `text`, `number`, `time` or `list`.
    `length`: characters of the value, or items of the list.
    `detail`: the limit, in words.
    """

    reason: str
    field: str
    kind: str
    length: int
    detail: str


class Redated(NamedTuple):
    """An event of a switch whose clock is ahead, dated by the time of its receipt."""

    event: Event


def fits(event: Event) -> bool:
    """Return whether numbers and texts are within bounds; times are not checked."""
    return unfit(event) is None


def unfit(event: Struct) -> Unfit | None:
    """Return what is wrong with the numbers and texts of an event; None when nothing is."""
    check = _CHECKS.get(type(event)) or _check_of(type(event))
    texts = check.texts(event)
    if "" in check.needed(event):
        return _unfit_text(check.needed_names, check.needed(event), needed=True)
    joined = "|".join(filter(None, texts))
    if (len(joined) > MAX_TEXT or not joined.isprintable() or "| " in joined) and (
        found := _unfit_text(check.text_names, texts)
    ):
        return found
    for number in check.numbers(event):
        if number is not None and not -MAX_COUNT <= number <= MAX_COUNT:
            found = _unfit_number(check.number_names, check.numbers(event))
            if found is not None:
                return found
            break
    for name in check.rare:
        if (value := getattr(event, name)) and (found := _unfit_part(name, value)):
            return found
    return None


class Gate:
    """The judge of events. `offset_of` returns the known offset of a source's clock, ms."""

    def __init__(self, offset_of: Callable[[str], float]) -> None:
        self._offset_of = offset_of

    def judge(
        self, event: Event, received_at: datetime, earliest: datetime, *, by_sender: bool
    ) -> Event | Redated | Unfit:
        """Return the event to take, or why it is not taken.

        `earliest`: where the first kept day begins.
        `by_sender`: a sender gave the times, so that one ahead of our clock is refused; where we watch the switch
            ourselves such an event is dated by its receipt.
        """
        if found := unfit(event):
            if by_sender or found.field not in _FREE:
                return found
            event = _tidied(event)
            if found := unfit(event):
                return found
        if event.live and abs(self._offset_of(event.source)) > CLOCK_TRUSTED_MS:
            event = by_our_clock(event)
        at, latest = event.switch_time or event.observed_at, received_at + AHEAD
        check = _CHECKS[type(event)]
        is_timely = earliest <= at <= latest and event.observed_at <= latest
        if is_timely and at.tzinfo is not UTC:
            event = structs.replace(event, switch_time=event.switch_time and event.switch_time.astimezone(UTC))
        if is_timely and (not check.times or all(getattr(event, name) is None for name in check.times)):
            return event
        redated = not by_sender and any(moment > latest for _, moment in _times(event))
        if redated:
            event = dated_by_receipt(event, received_at)
        if not earliest <= event.at <= latest:
            reason = "no_longer_kept" if event.at < earliest and not by_sender else "time_out_of_range"
            return _unfit_time(reason, "time", event.at, latest)
        for name, moment in _other_times(event):
            if moment > latest or moment < (_EPOCH if name in _MAY_BE_OLD else earliest):
                if by_sender or not isinstance(event, SourceGap):
                    return _unfit_time("time_out_of_range", name, moment, latest)
                event = structs.replace(event, from_=max(event.from_, earliest), to=max(event.to, earliest))
        if isinstance(event, SourceGap) and event.to < event.from_:
            return Unfit(reason="time_out_of_range", field="to", kind="time", length=0, detail="to lies before from")
        return Redated(event) if redated else event


def by_our_clock(event: Event) -> Event:
    """Return an event of a switch whose clock is far off, dated by its receipt. A line of a log stays as it is."""
    return event if not event.live and not isinstance(event, QueueSnapshot) else dated_by_receipt(event)


def dated_by_receipt(event: Event, received_at: datetime | None = None) -> Event:
    """Return the event dated by its receipt: `observed_at`, and no later than `received_at`, where that is given."""
    observed_at = event.observed_at if received_at is None else min(event.observed_at, received_at)
    changed: dict[str, object] = {"switch_time": None, "time_basis": TimeBasis.MONITOR, "observed_at": observed_at}
    if isinstance(event, QueueSnapshot):
        changed["as_of"] = observed_at
        changed["waiting"] = tuple(structs.replace(caller, entered_at=None) for caller in event.waiting)
        changed["up"] = ()  # it is held against times of the switch's own
    if isinstance(event, SourceGap):
        changed |= {"from_": min(event.from_, observed_at), "to": min(event.to, observed_at)}
    for name in ("contact_started_at", "switch_started_at"):
        if (moment := getattr(event, name, None)) is not None and moment > observed_at:
            changed[name] = None
    return structs.replace(event, time_precision_ms=max(event.time_precision_ms, RECEIPT_PRECISION_MS), **changed)


def plain(text: str, at_most: int = MAX_TEXT) -> str:
    """Return a text without forbidden characters, and no longer than `at_most`."""
    return _FORBIDDEN.sub(" ", text)[:at_most]


def masked(text: str) -> str:
    """Return words about a message without its content: digits as `#`, quoted parts as `…`.

    Words that only name a place (`line 12`) stay as they are: without the number nobody finds it.
    """
    if _PLACE.fullmatch(text):
        return text
    return _DIGIT.sub("#", _QUOTED.sub("…", plain(text)))


def masked_name(field: str) -> str:
    """Return a field's name as its sender wrote it, its place in a list too, without what could be a number."""
    return _LONG_NUMBER.sub(lambda found: "#" * len(found[0]), plain(field, MAX_FIELD))


# ---- times


def _times(event: Event) -> Iterator[tuple[str, datetime]]:
    yield "observed_at", event.observed_at
    if event.switch_time is not None:
        yield "switch_time", event.switch_time
    yield from _other_times(event)


def _other_times(event: Event) -> Iterator[tuple[str, datetime]]:
    """Yield the times of an event besides those of its happening and receipt."""
    for name in _CHECKS[type(event)].times:
        if name != "waiting" and (moment := getattr(event, name)) is not None:
            yield name, moment
    if isinstance(event, QueueSnapshot):
        for number, caller in enumerate(event.waiting):
            if caller.entered_at is not None:
                yield f"waiting[{number}].entered_at", caller.entered_at


def _unfit_time(reason: str, name: str, moment: datetime, latest: datetime) -> Unfit:
    ahead = "more than 5 minutes ahead of our clock"
    words = (
        ahead if moment > latest else "before the first day that is kept (400 days ago, or where older were deleted)"
    )
    return Unfit(reason=reason, field=_WRITTEN.get(name, name), kind="time", length=0, detail=words)


# ---- texts and numbers


def _unfit_text(names: tuple[str, ...], texts: tuple[str | None, ...], *, needed: bool = False) -> Unfit | None:
    """Return which text is wrong. `needed`: an empty one is, too."""
    for name, text in zip(names, texts, strict=True):
        if not text and not needed:
            continue
        if not text:
            text, words = "", "empty"
        elif len(text) > MAX_TEXT:
            words = f"longer than {MAX_TEXT} characters"
        elif _FORBIDDEN.search(text):
            words = "with control characters"
        elif _UNSEEN.fullmatch(text):
            words = "nothing but space"
        else:
            continue
        return Unfit(reason="unfit_text", field=_WRITTEN.get(name, name), kind="text", length=len(text), detail=words)
    return None


def _unfit_number(names: tuple[str, ...], numbers: tuple[Any, ...]) -> Unfit | None:
    for name, number in zip(names, numbers, strict=True):
        most = _MOST.get(name, MAX_NUMBER)
        if number is not None and not -most <= number <= most:
            digits = len(str(number)) if abs(number) < 1e300 else 300
            words = f"beyond {most:,}"
            return Unfit(reason="number_out_of_range", field=name, kind="number", length=digits, detail=words)
    return None


def _unfit_part(name: str, part: Any) -> Unfit | None:
    """Return what is wrong with a list, a table, a struct or a clock in an event; None when nothing is."""
    if isinstance(part, float):
        return _unfit_number((name,), (part,))
    if isinstance(part, Struct):
        return _inside(name, unfit(part))
    if len(part) > MAX_ITEMS:
        words = f"more than {MAX_ITEMS:,} items"
        return Unfit(reason="too_many_items", field=name, kind="list", length=len(part), detail=words)
    if isinstance(part, dict):
        return _unfit_text((name,) * 2 * len(part), (*part, *part.values()))
    for number, item in enumerate(part):
        if isinstance(item, str):
            found = _unfit_text((f"{name}[{number}]",), (item,))
        else:
            found = _inside(f"{name}[{number}]", unfit(item))
        if found:
            return found
    return None


def _inside(name: str, found: Unfit | None) -> Unfit | None:
    return found and structs.replace(found, field=f"{name}.{found.field}")


def _tidied(event: Event) -> Event:
    """Return an event whose explaining texts are cut and cleaned."""
    changed = {name: plain(text) for name in _FREE if isinstance(text := getattr(event, name, None), str)}
    return structs.replace(event, **changed)


# ---- checks by type


class _Check(NamedTuple):
    """The fields of one struct by the kind of their content. `needed`: the texts that may not be empty."""

    texts: Callable[[Any], tuple[str | None, ...]]
    text_names: tuple[str, ...]
    needed: Callable[[Any], tuple[str | None, ...]]
    needed_names: tuple[str, ...]
    numbers: Callable[[Any], tuple[Any, ...]]
    number_names: tuple[str, ...]
    times: tuple[str, ...]
    rare: tuple[str, ...]


_TIMED_APART: Final = frozenset({"observed_at", "switch_time"})


@lru_cache
def _check_of(kind: type[Struct]) -> _Check:
    found: dict[str, list[str]] = {"texts": [], "numbers": [], "times": [], "rare": []}
    for field in structs.fields(kind):
        holds = "rare" if field.name == "offset_ms" else _holds(inspect.type_info(field.type))
        if holds is not None and field.name not in _TIMED_APART:
            found[holds].append(field.name)
    needed = tuple(field.name for field in structs.fields(kind) if _is_needed(inspect.type_info(field.type)))
    if kind is QueueSnapshot:
        found["times"].append("waiting")
    names = {holds: tuple(its) for holds, its in found.items()}
    return _Check(
        _getter(names["texts"]),
        names["texts"],
        _getter(needed),
        needed,
        _getter(names["numbers"]),
        names["numbers"],
        names["times"],
        names["rare"],
    )


def _holds(written: inspect.Type) -> str | None:
    """Return the kind of content of a field of this type; None where the type alone bounds it."""
    match written:
        case inspect.Metadata():
            return _holds(written.type)
        case inspect.UnionType():
            return next(filter(None, map(_holds, written.types)), None)
        case inspect.StrType():
            return "texts"
        case inspect.IntType() | inspect.FloatType():
            return "numbers"
        case inspect.DateTimeType():
            return "times"
        case inspect.EnumType() | inspect.BoolType() | inspect.NoneType():
            return None
        case _:
            return "rare"


def _is_needed(written: inspect.Type) -> bool:
    """Return whether a text of this type may not be empty: the journal could not be read again."""
    match written:
        case inspect.Metadata():
            return _is_needed(written.type)
        case inspect.UnionType():
            return any(map(_is_needed, written.types))
        case inspect.StrType():
            return bool(written.min_length)
        case _:
            return False


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda event: ()
    if len(names) == 1:
        (name,) = names
        return lambda event: (getattr(event, name),)
    return attrgetter(*names)


_CHECKS: Final[dict[type, _Check]] = {kind: _check_of(kind) for kind in EVENT_TYPES.values()}
