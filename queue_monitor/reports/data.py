"""The figures of a report as they are sealed: frozen, whole numbers where possible, and equal bytes for equal figures.

Shares are not kept: each is a numerator and a denominator, whole calls. Waits are whole milliseconds.
"""

import hashlib
from datetime import date, datetime
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from queue_monitor.core import service_level
from queue_monitor.core.service_level import Parts
from queue_monitor.model import Counts, Coverage, DefinitionId, EarlierTarget, PassedOn, Target, WaitFigures
from queue_monitor.ports import StoreError

FORM: Final = 1
"""The version of the form of the data; a later one must still read this."""


class Scope(Struct, frozen=True, kw_only=True):
    """The scope of a report: one queue, several as one, or all (no `queues`). `label` is its name for people, "" of
    all.
    """

    queues: tuple[str, ...] = ()
    label: str = ""


class Waits(Struct, frozen=True, kw_only=True):
    """Waits of answered calls whose start was seen, ms; None where there are none. `over_10_min` are calls."""

    answered: int = 0
    mean_ms: int | None = None
    p50_ms: int | None = None
    p90_ms: int | None = None
    p99_ms: int | None = None
    longest_ms: int | None = None
    over_10_min: int = 0


def waits_of(figures: WaitFigures) -> Waits:
    """Return the waits in whole ms and calls."""

    def ms(seconds: float | None) -> int | None:
        return None if seconds is None else round(seconds * 1000)

    return Waits(
        answered=figures.answered,
        mean_ms=ms(figures.mean_seconds),
        p50_ms=ms(figures.p50_seconds),
        p90_ms=ms(figures.p90_seconds),
        p99_ms=ms(figures.p99_seconds),
        longest_ms=ms(figures.max_seconds),
        over_10_min=round((figures.over_10_min_ratio or 0) * figures.answered),
    )


class Share(Struct, frozen=True, kw_only=True):
    """One formula's numerator and denominator."""

    definition: DefinitionId
    good: int
    of: int


class Day(Struct, frozen=True, kw_only=True):
    """One local day. `opens` are its open spans in local time (`08:00-17:00`), `note` the reason for unusual hours."""

    day: date
    counts: Counts
    outside: Counts
    longest_ms: int | None
    coverage: Coverage
    opens: tuple[str, ...] = ()
    note: str = ""


class QueueFigures(Struct, frozen=True, kw_only=True):
    """One queue's calls of the period, at contact level: on the queue that they came to first."""

    name: str
    label: str
    counts: Counts
    waits: Waits


class Compared(Struct, frozen=True, kw_only=True):
    """Another period's figures.

    `relation`: `before` or `year_before`.
    `counts`: None where nothing is kept of it.
    `sealed`: the version of its own report that the figures are from; 0 where they were counted anew.
    """

    relation: str
    period: str
    first: date
    last: date
    counts: Counts | None = None
    waits: Waits = Waits()
    coverage: Coverage = Coverage()
    sealed: int = 0


class CrisisStretch(Struct, frozen=True, kw_only=True):
    """A crisis that somebody declared, as far as it lies in the period; `ended` is None where it went on."""

    since: datetime
    ended: datetime | None
    reason: str


class WithoutCrises(Struct, frozen=True, kw_only=True):
    """The period's calls apart: those of the quarters of an hour that a crisis touched, and all others."""

    within: Counts
    within_waits: Waits
    without: Counts
    without_waits: Waits


class AlertFact(Struct, frozen=True, kw_only=True):
    """One alert: its kind, its queue or pool ("" of all), its worst level, its start and its end (None: it stood on).

    `period`: whether it was about `now`, the `day` or the `month`.
    """

    kind: str
    level: str
    period: str
    label: str
    since: datetime
    ended: datetime | None


class RulesFact(Struct, frozen=True, kw_only=True):
    """One version of the rules that calls were judged by. The limits are None where the rules are not known."""

    version: str
    calls: int
    first: date
    last: date
    limit_seconds: int | None
    short_abandon_seconds: int | None


class BridgeFigure(Struct, frozen=True, kw_only=True):
    """The period counted by the definition before or after a change.

    `reason`: `rules` (a version of the rules that was used in the period) `report` (the report before had it) or
        `replaced` (it held until a change of the last three months).
    `good`, `of`: None where calls are no longer kept one by one.
    """

    definition: DefinitionId
    limit_seconds: int
    short_abandon_seconds: int
    reason: str
    good: int | None
    of: int | None


class Reference(Struct, frozen=True, kw_only=True):
    """An external figure from the settings: shown beside ours, in none of our sums."""

    name: str
    period: str
    value: str
    source: str
    day: date


class Goal(Struct, frozen=True, kw_only=True):
    """A goal that is measured elsewhere. `value` is "" where nobody has written one for the period."""

    name: str
    target: str
    value: str = ""
    comment: str = ""


class ImportFact(Struct, frozen=True, kw_only=True):
    """An import that brought calls of the period: its name, its day, its days and calls, and its files by hash."""

    name: str
    made: date
    first: date
    last: date
    calls: int
    files: tuple[tuple[str, str], ...]


class Reached(Struct, frozen=True, kw_only=True):
    """The callers whom nobody answered: their number, those answered in a later call the same day, and those
    unknown.
    """

    lost: int = 0
    later: int = 0
    untold: int = 0


class CalledAgain(Struct, frozen=True, kw_only=True):
    """The callers of the period who were told apart within a day, at any hour.

    `days`: the number of days on which any were.
    `calls`: calls that came in; `repeated` of them came from a caller who had called before that day.
    `answered`: calls that were answered; `not_back` of them came from a caller who did not call again that day.
    """

    days: int
    calls: int
    repeated: int
    answered: int
    not_back: int


class ReportData(Struct, frozen=True, kw_only=True):
    """All figures of one report.

    `through`: the last day in them, before `last` while the period goes on.
    `passed_on`, `reached`: None where calls are no longer kept one by one.
    `called_again`: None where callers were not told apart.
    `calls_kept_from`: the first day of kept calls, when the report was first made; None where all were kept.
    `simulated`: true when no real person called.
    `imports`: the imports that calls of the period came from.
    `earlier_targets`: the other targets that held on some of its days, before that of its last day; unset where none
        did, so that the bytes of what was sealed before they were kept stay the same.
    """

    form: int = FORM
    organisation: str
    time_zone: str
    period: str
    first: date
    last: date
    through: date
    scope: Scope
    target: Target
    counts: Counts
    outside: Counts
    shares: tuple[Share, ...]
    waits: Waits
    coverage: Coverage
    days: tuple[Day, ...]
    queues: tuple[QueueFigures, ...]
    compared: tuple[Compared, ...]
    crises: tuple[CrisisStretch, ...]
    without_crises: WithoutCrises | None
    alerts: tuple[AlertFact, ...] | None
    rules: tuple[RulesFact, ...]
    bridge: tuple[BridgeFigure, ...]
    references: tuple[Reference, ...]
    goals: tuple[Goal, ...]
    passed_on: PassedOn | None
    reached: Reached | None
    called_again: CalledAgain | None = None
    calls_kept_from: date | None = None
    simulated: bool = False
    imports: tuple[ImportFact, ...] = ()
    earlier_targets: tuple[EarlierTarget, ...] | UnsetType = UNSET


_decoder: Final = msgspec.json.Decoder(ReportData)


def encoded(data: ReportData) -> bytes:
    """Return the data as JSON, always the same bytes for the same figures: those that are hashed and sealed."""
    return msgspec.json.encode(data, order="deterministic")


def decoded(body: bytes) -> ReportData:
    """Return the data of such JSON. Raises `StoreError` where a later version has written what this one cannot read."""
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise StoreError(f"a sealed report cannot be read ({error}); a later version may have written it") from error


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def changed(before: ReportData, after: ReportData) -> tuple[str, ...]:
    """Return the names of the parts of the data that differ."""
    names = ReportData.__struct_fields__
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def fraction(counts: Counts, definition: DefinitionId) -> Parts:
    """Return numerator and denominator of a formula, in whole calls."""
    return service_level.DEFINITIONS[definition](counts)


def shares_of(counts: Counts) -> tuple[Share, ...]:
    """Return all five formulas."""
    parts = ((definition, fraction(counts, definition)) for definition in DefinitionId)
    return tuple(Share(definition=definition, good=good, of=of) for definition, (good, of) in parts)
