"""Swedish public holidays, the eves that everybody takes off, and the eves that many shorten.

Names are Swedish, spelt as Swedes do. Red days are from the `holidays` package; a Sunday as such is not a holiday here,
the week's hours close it.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Final

import holidays

_AFTER_FIRST: Final = re.compile(r"(?<= före )[A-ZÅÄÖ](?!risti )")
"""The first letter of a day's name within another name; Kristi is a name of its own."""


def _spelt(name: str) -> str:
    """Return a name of the package, without its remark, as it is spelt in Swedish."""
    plain = name.partition(" (")[0].replace("Allahelgonsafton", "Allhelgonaafton")
    return _AFTER_FIRST.sub(lambda found: found[0].lower(), plain)


@lru_cache(maxsize=64)
def _closed(year: int) -> dict[date, str]:
    return dict(holidays.country_holidays("SE", years=year, language="sv", categories=("public", "de_facto")))


@lru_cache(maxsize=64)
def _half(year: int) -> dict[date, str]:
    closed = _closed(year)
    found = holidays.country_holidays("SE", years=year, language="sv", categories=("bank",))
    return {day: _spelt(name) for day, name in found.items() if day not in closed}


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
