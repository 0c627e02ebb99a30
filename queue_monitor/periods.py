"""The months that a written period means, such as 2026-10, 2026-T2, 2026-01..2026-08 or 2026: the same for settings and
reports.
"""

import re
from typing import Final

MAX_MONTHS: Final = 12
YEARS: Final = range(2001, 2100)
_FORM: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:\.\.(\d{4})-(\d{2}))?|-[Tt]([1-3]))?", re.ASCII)


def months_of(written: str) -> range | None:
    """Return the months of a period, counted since the year 0; None where the text means no period of a report."""
    form = _FORM.fullmatch(written)
    if form is None:
        return None
    year, month, last_year, last_month, third = (None if part is None else int(part) for part in form.groups())
    start = (year or 0) * 12
    if third is not None:
        found = range(start + third * 4 - 4, start + third * 4)
    elif month is None:
        found = range(start, start + 12)
    elif last_year is None or last_month is None:
        found = range(start + month - 1, start + month)
    else:
        found = range(start + month - 1, last_year * 12 + last_month)
    is_one = 1 <= len(found) <= MAX_MONTHS and {found[0] // 12, found[-1] // 12} <= {*YEARS}
    return found if is_one and all(each is None or 1 <= each <= 12 for each in (month, last_month)) else None
