"""Swedish public holidays, the eves that everybody takes off, and the eves that many shorten.

Names are Swedish. Red days are from the `holidays` package; a Sunday as such is not a holiday here, the week's hours
close it.
"""

from datetime import date
from functools import lru_cache

import holidays


@lru_cache(maxsize=64)
def _closed(year: int) -> dict[date, str]:
    return dict(holidays.country_holidays("SE", years=year, language="sv", categories=("public", "de_facto")))


@lru_cache(maxsize=64)
def _half(year: int) -> dict[date, str]:
    closed = _closed(year)
    found = holidays.country_holidays("SE", years=year, language="sv", categories=("bank",))
    return {day: name.partition(" (")[0] for day, name in found.items() if day not in closed}


def none(day: date) -> str:
    """Return "" for every day: for a queue that keeps its hours on every day."""
    return ""


def holiday(day: date) -> str:
    """Return the name of a day on which Sweden is closed, eves of Midsummer, Christmas and New Year among them; else
    "".
    """
    return _closed(day.year).get(day, "")


def half_holiday(day: date) -> str:
    """Return the name of a day that banks shorten, and municipalities may: a suggestion to confirm, never a fact; else
    "".
    """
    return _half(day.year).get(day, "")
