"""The picture of a report: the share of each part of the period as a bar, under the line of the target."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from queue_monitor.core import service_level
from queue_monitor.core.calendar import month_start, week_start
from queue_monitor.model import Counts
from queue_monitor.reports.data import Day, ReportData, fraction
from queue_monitor.reports.pen import ReportPen

WIDE: Final = 960.0
HIGH: Final = 260.0
_LEFT: Final = 64.0
_LETTER: Final = 9.5
"""The width of a letter of the target, which stands to the left of the picture."""
_TOP: Final = 12.0
_BASE: Final = HIGH - 32.0
WEEKS_UP_TO: Final = 4
"""The most months of a period of several that is cut by week; a longer one is cut by month."""


class Part(Struct, frozen=True, kw_only=True):
    """A day, a week or a month of the period, cut to it."""

    label: str
    short: str
    counts: Counts
    longest_ms: int | None


class ShareBar(Struct, frozen=True, kw_only=True):
    """One bar, in the picture's own measure."""

    x: float
    y: float
    width: float
    height: float
    meets: bool


class Picture(Struct, frozen=True, kw_only=True):
    """The picture's bars, lines and words. `words` describe it for a reader who cannot see it."""

    words: str
    bars: tuple[ShareBar, ...]
    goal: tuple[float, str]
    scale: tuple[tuple[float, str], ...]
    labels: tuple[tuple[float, str], ...]
    wide: float = WIDE
    high: float = HIGH
    left: float = _LEFT
    base: float = _BASE


def parts_of(data: ReportData, pen: ReportPen) -> list[Part]:
    """Return the period by day, week or month, as its length asks; every part is a sum of days."""
    months = (data.last.year - data.first.year) * 12 + data.last.month - data.first.month + 1
    if months == 1:
        return [_part(pen.day(day.day), str(day.day.day), [day]) for day in data.days if _is_shown(day)]
    grouped: dict[date, list[Day]] = {}
    for day in data.days:
        start = week_start(day.day) if months <= WEEKS_UP_TO else month_start(day.day)
        grouped.setdefault(start, []).append(day)
    return [_part(*_named(start, months, pen), days) for start, days in grouped.items()]


def _is_shown(day: Day) -> bool:
    return bool(day.opens or day.counts.dialled)


def _named(start: date, months: int, pen: ReportPen) -> tuple[str, str]:
    if months > WEEKS_UP_TO:
        name = pen.say(f"month.{start.month}")
        return f"{name} {start.year}", name[:3]
    year, week, _ = start.isocalendar()
    return pen.say("history.label.week", number=week, year=year), str(week)


def _part(label: str, short: str, days: Sequence[Day]) -> Part:
    counts = Counts()
    for day in days:
        counts += day.counts
    waits = [day.longest_ms for day in days if day.longest_ms is not None]
    return Part(label=label, short=short, counts=counts, longest_ms=max(waits, default=None))


def drawn(parts: Sequence[Part], data: ReportData, pen: ReportPen, period: str) -> Picture | None:
    """Return the picture; None where no part has anything to show."""
    shares = [fraction(part.counts, data.target.definition) for part in parts]
    if not any(of for _, of in shares):
        return None
    target = data.target.ratio
    left = max(_LEFT, 12.0 + _LETTER * len(pen.percent(target)))
    step = (WIDE - left) / len(parts)
    bars, labels = [], []
    for number, (part, (good, of)) in enumerate(zip(parts, shares, strict=True)):
        x = left + number * step
        labels.append((round(x + step * 0.4, 1), part.short))
        if of:
            height = round(good / of * (_BASE - _TOP), 1)
            meets = service_level.meets_target(part.counts, data.target) is True
            bars.append(
                ShareBar(
                    x=round(x, 2), y=round(_BASE - height, 1), width=round(step * 0.8, 2), height=height, meets=meets
                )
            )
    return Picture(
        words=_words(parts, shares, data, pen, period),
        bars=tuple(bars),
        goal=(round(_BASE - target * (_BASE - _TOP), 1), pen.percent(target)),
        scale=tuple(_scale(target, pen)),
        labels=tuple(labels),
        left=left,
    )


def _scale(target: float, pen: ReportPen) -> Iterator[tuple[float, str]]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        if abs(share - target) > 0.08:
            yield round(_BASE - share * (_BASE - _TOP), 1), pen.percent(share)


def _words(
    parts: Sequence[Part], shares: Sequence[tuple[int, int]], data: ReportData, pen: ReportPen, period: str
) -> str:
    """Return the content of the picture in two sentences; the table has all of it."""
    known = [(good / of, part.label, (good, of)) for part, (good, of) in zip(parts, shares, strict=True) if of]
    met = sum(service_level.meets_target(part.counts, data.target) is True for part in parts)
    best, worst = max(known), min(known)
    return pen.say(
        "report.picture",
        period=period,
        target=pen.percent(data.target.ratio),
        parts=pen.count(len(known)),
        met=pen.count(met),
        best=best[1],
        best_share=pen.share(best[2]),
        worst=worst[1],
        worst_share=pen.share(worst[2]),
    )
