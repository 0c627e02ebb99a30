"""The week of a period: calls within opening hours by weekday and half hour."""

from collections.abc import Iterable
from operator import add
from zoneinfo import ZoneInfo

from msgspec import structs

from queue_monitor.model import Counts, HalfHour, WeekSlot


def week_map(half_hours: Iterable[HalfHour], zone: ZoneInfo) -> list[WeekSlot]:
    """Add up half hours by weekday and local time, Monday morning first; those without calls are left out."""
    numbers: dict[tuple[int, int], list[int]] = {}
    longest: dict[tuple[int, int], int] = {}
    for each in half_hours:
        at = each.start.astimezone(zone)
        slot = at.weekday(), at.hour * 2 + at.minute // 30
        its = structs.astuple(each.counts)
        numbers[slot] = list(map(add, numbers[slot], its)) if slot in numbers else list(its)
        longest[slot] = max(longest.get(slot, 0), each.longest_ms)
    return [
        WeekSlot(
            weekday=weekday,
            half_hour=half_hour,
            counts=Counts(*found),
            longest_seconds=longest[weekday, half_hour] / 1000 if longest[weekday, half_hour] else None,
        )
        for (weekday, half_hour), found in sorted(numbers.items())
    ]
