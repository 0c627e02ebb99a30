"""The day's share so far and the fan in which it may end, as coordinates for a picture of our own."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from queue_monitor.api.pages.formatter import Formatter
from queue_monitor.core import service_level
from queue_monitor.model import Counts, Period, RiskFigures, Target

WIDE: Final = 480.0
HIGH: Final = 250.0
LETTERS: Final = 14.0
"""The size of letters in the curve's own measure; at 14 they can be read on a phone."""


class FanChart(Struct, frozen=True, kw_only=True):
    """The day's share so far and its fan to closing, as an SVG's coordinates."""

    words: str
    line: str
    fan: str
    to_expected: str
    now: float
    now_share: float | None
    end: float
    end_share: float | None
    target: float
    target_words: str
    target_has_room: bool
    hours: tuple[tuple[float, str], ...]
    shares: tuple[tuple[float, str], ...]


def fan(
    quarters: Sequence[Period],
    risk: RiskFigures,
    hours: tuple[datetime, datetime] | None,
    now: datetime,
    pen: Formatter,
) -> FanChart | None:
    """Return the share in time of all calls so far, by quarter hour, and the band in which the day may end."""
    points = shares_so_far(quarters, pen.target, now)
    if hours is None or not points:
        return None
    opens, closes = hours[0], max(hours[1], now)
    at, so_far = points[-1]
    expected, low, high = risk.expected_share, risk.low, risk.high
    known = [share for _, share in points] + [share for share in (expected, low, high) if share is not None]
    bottom = max(0.0, min(0.8, int(min(*known, pen.target.ratio) * 10 - 1e-9) / 10))
    left, right, top, base = 58.0, WIDE - 12.0, 14.0, HIGH - 26.0
    whole = max(1.0, (closes - opens).total_seconds())

    def x(moment: datetime) -> float:
        along = min(1.0, max(0.0, (moment - opens).total_seconds() / whole))
        return round(left + along * (right - left), 1)

    def y(share: float) -> float:
        return round(base - (share - bottom) / (1.0 - bottom) * (base - top), 1)

    def path(*ends: tuple[float, float]) -> str:
        return "M" + "L".join(f"{across:g} {down:g}" for across, down in ends)

    here = (x(at), y(so_far))
    band = ""
    if low is not None and high is not None:
        band = path(here, (x(closes), y(high)), (x(closes), y(low))) + "Z"
    key = "lead.forecast.curve_band" if band else "lead.forecast.curve"
    said = {"so_far": pen.percent(so_far), "expected": pen.percent(expected), "clock": pen.clock(closes)}
    if band:
        said |= {"low": pen.percent(low), "high": pen.percent(high)}
    return FanChart(
        words=pen.say(key, **said),
        line=path(*((x(moment), y(share)) for moment, share in points)),
        fan=band,
        to_expected="" if expected is None else path(here, (x(closes), y(expected))),
        now=here[0],
        now_share=here[1],
        end=x(closes),
        end_share=None if expected is None else y(expected),
        target=y(pen.target.ratio),
        target_words=pen.plain(pen.target.ratio),
        target_has_room=min(abs(y(pen.target.ratio) - y(share)) for share in (1.0, bottom)) > LETTERS,
        hours=tuple((x(hour), pen.clock(hour).split(".")[0].split(":")[0]) for hour in _hours(opens, closes, pen.zone)),
        shares=tuple((y(share), pen.plain(share)) for share in (1.0, bottom)),
    )


def shares_so_far(quarters: Sequence[Period], target: Target, now: datetime) -> list[tuple[datetime, float]]:
    """Return the headline of all calls until the end of each quarter of an hour; the last one is as of now."""
    formula = service_level.DEFINITIONS[target.definition]
    counts, found = Counts(), []
    for quarter in quarters:
        counts += quarter.counts
        share = service_level.ratio(formula(counts))
        if share is not None and quarter.start <= now:
            found.append((min(quarter.end, now), share))
    return found


def _hours(opens: datetime, closes: datetime, zone: str) -> list[datetime]:
    first = opens.astimezone(ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0).astimezone(UTC)
    step = timedelta(hours=1 if closes - opens <= timedelta(hours=10) else 2)
    found = []
    while first <= closes:
        if first >= opens:
            found.append(first)
        first += step
    return found
