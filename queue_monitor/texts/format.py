"""Numbers, times and waits as a person reads them, and the words for what the core decides."""

import math
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from queue_monitor.model import (
    TOLD_OF_A_TARGET,
    Alert,
    AlertChange,
    AlertKind,
    AlertReason,
    Counts,
    Coverage,
    DefinitionId,
    EarlierTarget,
    Outcome,
    RiskFigures,
    Status,
    StatusReason,
    Target,
)
from queue_monitor.texts.languages import LANGUAGES, say, words

NONE: Final = "–"
_SPACE: Final = "\N{NO-BREAK SPACE}"
_NEVER_LESS: Final = frozenset(
    {AlertKind.CRISIS, AlertKind.HOURS_DISAGREE, AlertKind.EVENT_SKIPPED, AlertKind.HEARTBEAT}
)
"""The kinds that are either so or not so: they have no words for a trouble that has lessened."""


_WITHOUT_A_SIGN: Final = frozenset({AlertReason.SOURCE_SILENT, AlertReason.NO_SOURCE})
"""The reasons of a silent switch that are not a broken line."""

_ENDED: Final = frozenset({StatusReason.PERIOD_LOST, StatusReason.PERIOD_REFUSED})
"""The reasons that tell how a period ended, with words of their own for the status."""


def status_words(status: Status, reason: StatusReason, language: str = "sv") -> str:
    """A status in words: of a period that has ended, what became of it; while it lasts that is an estimate."""
    return say(f"status.{reason.value if reason in _ENDED else status.value}", language)


def reason_words(
    reason: StatusReason,
    *,
    target: Target,
    share: float | None = None,
    including_refused: float | None = None,
    risk: RiskFigures | None = None,
    language: str = "sv",
) -> str:
    """Why the day's status is what it is, as a sentence made from the shares and the forecast that it stands beside.

    A target that is out of reach stays so by its alert while there is no forecast, as after a start.
    """
    foretold = risk.expected_share if risk else None
    is_unforeseen = reason is StatusReason.CANNOT_BE_REACHED and foretold is None
    return say(
        f"reason.{reason.value}{'.unforeseen' if is_unforeseen else ''}",
        language,
        target=plain_percent(target.ratio, language),
        limit=span(target.limit_seconds, language),
        refused_limit=plain_percent(target.refused_limit_ratio, language),
        share=percent(share, target.ratio, language),
        including=percent(including_refused, target.ratio, language),
        forecast=percent(foretold, target.ratio, language),
        chance=chance(risk.p_miss, language) if risk else NONE,
    )


def headline_words(
    target: Target, counts: Counts, parts: tuple[int, int], coverage: Coverage, *, so_far: bool, language: str = "sv"
) -> str:
    """Return a period's share by the target's formula in one sentence, or why it has none.

    `parts`: numerator and denominator of the formula. A formula that does not count answers out of all calls says what
        it counts.
    """
    good, of = parts
    if of:
        key = "history.headline_one" if of == 1 else "history.headline"
        if target.definition in (DefinitionId.D1, DefinitionId.D5):
            key += f".{target.definition.value}"
        share = percent(good / of, target.ratio, language)
        return say(key, language, share=share, calls=count(of, language), limit=span(target.limit_seconds, language))
    key = "history.nothing" if coverage.ratio != 0 else "history.unseen"
    if counts.entered:
        key = "history.no_share_one" if counts.entered == 1 else "history.no_share"
    return say(f"{key}_yet" if so_far else key, language, calls=count(counts.entered, language))


def target_words(
    target: Target,
    *,
    meets: bool,
    share_meets: bool | None,
    refused_ratio: float | None,
    so_far: bool,
    language: str = "sv",
) -> str:
    """Return whether a period met its target; where only the refused callers lost it, that they did.

    `share_meets`: whether the share of those who entered meets it; None where nothing was measured.
    """
    lost_by_refusals = not meets and share_meets is not False
    key = "met" if meets else "missed"
    if lost_by_refusals:
        key = "met_but_refused" if share_meets else "missed_by_refusals"
    refused = percent(refused_ratio, None, language)
    goal = plain_percent(target.ratio, language)
    return say(f"history.{key}{'_so_far' if so_far else ''}", language, target=goal, refused=refused)


class Labelled(Protocol):
    """The things that have a label: a queue, a pool, or an alert of one."""

    @property
    def label(self) -> str: ...

    @property
    def queues(self) -> tuple[str, ...]: ...


def label(of: Labelled, language: str = "sv") -> str:
    """The name of a queue or a pool in a language: the pool `Växeln med flera` is `Växeln and others`."""
    shown = of.label
    if len(of.queues) < 2:
        return shown
    for known in LANGUAGES:
        before, _, after = words(known)["and_others"].partition("{queue}")
        if len(shown) > len(before + after) and shown.startswith(before) and shown.endswith(after):
            return say("and_others", language, queue=shown[len(before) : len(shown) - len(after)])
    return shown


def definition_words(
    definition: DefinitionId, *, limit_seconds: int, short_abandon_seconds: int, language: str = "sv"
) -> str:
    """The formula of a service level, in words; to stand wherever the number stands."""
    return say(
        f"definition_long.{definition.value}",
        language,
        limit=span(limit_seconds, language),
        short=span(short_abandon_seconds, language),
    )


def alert_words(alert: Alert, language: str = "sv") -> str:
    """An alert that stands, in one line: `Ingen är inloggad – Kundcenter`. What it says comes before the name."""
    return say("brief", language, what=alert_message(alert, language), label=label(alert, language))


def alert_message(alert: Alert, language: str = "sv") -> str:
    """Return the words of an alert that stands, without a number that grows old: `Ingen är inloggad`.

    It is said in other words once the trouble is less than when the alert was raised: `Färre avvisas nu`.
    """
    key, is_less = f"brief.{alert.kind.value}", alert.lower or alert.change is AlertChange.EASED
    if alert.kind is AlertKind.NO_AGENTS and alert.figures.at_least_staffed:
        key += ".seen"
    if alert.kind is AlertKind.LONG_WAIT and is_less and not alert.lower:
        key += ".eased"  # shorter, but still over the limit
    elif is_less and alert.kind not in _NEVER_LESS:
        key += ".lower"
    elif alert.kind is AlertKind.TARGET_AT_RISK:
        key += f".{alert.level.value}"
    elif alert.kind is AlertKind.SOURCE_SILENT and alert.reason in _WITHOUT_A_SIGN:
        key += f".{alert.reason.value}"
    goal = say(f"alert.goal.{alert.period}", language) if alert.period in ("day", "month") else ""
    limit = alert.figures.limit_seconds or alert.figures.target.limit_seconds
    reason = without_stop(alert.figures.crisis.reason) if alert.figures.crisis else ""
    what = say(key, language, goal=goal, limit=span(limit, language), reason=reason)
    return what[:1].upper() + what[1:]


def without_stop(words: str) -> str:
    """A person's words as a part of a sentence of ours, which has its own full stop: `Strömavbrott`."""
    return words.rstrip(" .!?")


def outcome_words(outcome: Outcome, language: str = "sv") -> str:
    return say(f"outcome.{outcome.value}", language)


class _Stretch(NamedTuple):
    since: date | None
    until: date
    value: Any


def _stretches(earlier: Iterable[EarlierTarget], target: Target, field: str) -> Iterator[_Stretch]:
    """Yield the stretches of days on which a field of the target was another than it is, each whole."""
    found: _Stretch | None = None
    for its in earlier:
        value = getattr(its, field)
        if found is not None and found.value == value and its.since == found.until + timedelta(days=1):
            found = found._replace(until=its.until)
            continue
        if found is not None:
            yield found
        found = None if value == getattr(target, field) else _Stretch(its.since, its.until, value)
    if found is not None:
        yield found


def limit_words(earlier: Iterable[EarlierTarget], target: Target, language: str = "sv") -> tuple[str, ...]:
    """Return by which other limits than the target's calls of some days are judged, a sentence for each."""
    return _earlier_words(earlier, target, ("limit_seconds", "short_abandon_seconds"), language)


def earlier_target_words(earlier: Iterable[EarlierTarget], target: Target, language: str = "sv") -> tuple[str, ...]:
    """Return the other limits, shares and formulas that held on some days, a sentence for each."""
    return _earlier_words(earlier, target, TOLD_OF_A_TARGET, language)


def _earlier_words(
    earlier: Iterable[EarlierTarget], target: Target, fields: Iterable[str], language: str
) -> tuple[str, ...]:
    known = tuple(earlier)
    found = [(each, field) for field in fields for each in _stretches(known, target, field)]
    in_order = sorted(found, key=lambda one: one[0].until)
    return tuple(_stretch_words(field, each, target, language) for each, field in in_order)


def _stretch_words(field: str, its: _Stretch, target: Target, language: str) -> str:
    """Return what a field of the target was on some days, as a sentence."""
    days = {"since": its.since, "until": its.until}
    ends = "until" if its.since is None else "between"
    if field == "ratio":
        shares = {"earlier": plain_percent(its.value, language), "now": plain_percent(target.ratio, language)}
        return say(f"earlier.ratio_{ends}", language, **days, **shares)
    if field == "definition":
        return say(f"earlier.definition_{ends}", language, **days, earlier=its.value.value)
    name = "limits.earlier" if field == "limit_seconds" else "limits.earlier_short"
    return say(name, language, which=say(f"limits.{ends}", language, **days), earlier=span(its.value, language))


def percent(ratio: float | None, target: float | None = None, language: str = "sv") -> str:
    """A share with one decimal: `87,4 %`; `–` when there is none.

    Never rounded across the target, nor up to 100 %: 0.8996 against 0.9 is `89,9 %`, 0.9224 against 0.9223 `92,3 %`.
    """
    if ratio is None:
        return NONE
    tenths = math.floor(ratio * 1000 + 0.5)
    if target is not None and ratio >= target:
        tenths = max(tenths, math.ceil(target * 1000 - 1e-6))
    for bound in (target, 1.0):
        if bound is not None and ratio < bound:
            tenths = min(tenths, math.ceil(bound * 1000 - 1e-6) - 1)
    whole, rest = divmod(tenths, 10)
    return say("percent", language, number=f"{whole}{words(language)['decimal']}{rest}")


def plain_percent(ratio: float, language: str = "sv") -> str:
    """A share that somebody chose, as it was set and without needless decimals: `90 %`, `92,25 %`."""
    number = f"{ratio * 100:.4f}".rstrip("0").rstrip(".").replace(".", words(language)["decimal"])
    return say("percent", language, number=number)


def chance(ratio: float, language: str = "sv") -> str:
    """A chance is known in whole percent at most, and is never certain."""
    return plain_percent(min(0.99, max(0.01, round(ratio, 2))), language)


def count(number: int | None, language: str = "sv") -> str:
    """A whole number, thousands apart: `1 234`; `–` when there is none."""
    if number is None:
        return NONE
    return f"{number:,}".replace(",", words(language)["thousands"])


def clock(moment: datetime | None, zone: str = "Europe/Stockholm", language: str = "sv") -> str:
    """A time of day: `10.12`, and `8.00` without a leading zero."""
    if moment is None:
        return NONE
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.hour}{words(language)['clock_separator']}{local.minute:02}"


def date_words(moment: datetime, zone: str = "Europe/Stockholm", language: str = "sv") -> str:
    """A day: `måndag 2 mars`."""
    local = moment.astimezone(ZoneInfo(zone))
    texts = words(language)
    return say(
        "date",
        language,
        weekday=texts[f"weekday.{local.weekday()}"],
        day=local.day,
        month=texts[f"month.{local.month}"],
    )


def moment_words(moment: datetime | None, now: datetime, zone: str, language: str = "sv") -> str:
    """A moment of the past in running text: `kl. 10.12`, and of another day `måndag 2 mars kl. 10.12`."""
    if moment is None:
        return NONE
    local = ZoneInfo(zone)
    is_today = moment.astimezone(local).date() == now.astimezone(local).date()
    key, shown = ("moment.today", "") if is_today else ("moment.other_day", date_words(moment, zone, language))
    return say(key, language, date=shown, clock=clock(moment, zone, language))


def clock_words(moment: datetime | None, now: datetime, zone: str, language: str = "sv") -> str:
    """A moment in a table or a line: `10.12`, and of another day than today `måndag 2 mars kl. 10.12`."""
    local = ZoneInfo(zone)
    if moment is None or moment.astimezone(local).date() == now.astimezone(local).date():
        return clock(moment, zone, language)
    return moment_words(moment, now, zone, language)


def wait(seconds: float | None) -> str:
    """A wait on the board: `4:05`, from an hour `1:04:05`; whole seconds gone."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(max(0, math.floor(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def wait_in_words(seconds: float | None, language: str = "sv") -> str:
    """A wait in running text: `4 min 5 s`, from an hour `1 tim 4 min`."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(max(0, math.floor(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = []
    if hours:
        parts.append(say("hours_short", language, hours=hours))
    if minutes:
        parts.append(say("minutes_short", language, minutes=minutes))
    if (rest and not hours) or not parts:
        parts.append(say("seconds_short", language, seconds=rest))
    return " ".join(parts)


def wait_range(low_seconds: float | None, high_seconds: float | None, language: str = "sv") -> str:
    """A range of waits for anybody, in whole minutes: `3–6 minuter`. The lower end rounded down, the upper one up."""
    if low_seconds is None or high_seconds is None:
        return NONE
    low, high = math.floor(max(0.0, low_seconds) / 60), math.ceil(max(0.0, high_seconds) / 60)
    if high <= 1:
        return say("public.wait_under" if high_seconds < 60 else "public.wait_about_one", language)
    if low == high:
        return say("public.wait_about", language, high=high)
    return say("public.wait_between" if low else "public.wait_up_to", language, low=low, high=high)


def span(seconds: int, language: str = "sv") -> str:
    """A chosen length of time, unbroken at the line's end: `5 min`, `90 s`."""
    return wait_in_words(seconds, language).replace(" ", _SPACE)


def opening(opens_at: datetime | None, now: datetime, zone: str = "Europe/Stockholm", language: str = "sv") -> str:
    """When it opens: `Stängt – öppnar måndag 8.00`; a week or more ahead with the date."""
    if opens_at is None:
        return say("closed", language)
    local, today = opens_at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    days = (local.date() - today.date()).days
    if days == 0:
        day = say("opens_today", language)
    elif days == 1:
        day = say("opens_tomorrow", language)
    elif days < 7:
        day = say(f"weekday.{local.weekday()}", language)
    else:
        day = date_words(opens_at, zone, language)
    return say("closed_opens", language, day=day, clock=clock(opens_at, zone, language))
