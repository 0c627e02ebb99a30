"""Times as FreeSWITCH writes them: Unix time in whole microseconds or seconds."""

import re
from datetime import datetime, timedelta
from typing import Final

from queue_monitor.stamp import EPOCH

_LAST_MICROSECOND: Final = 253_402_300_799_999_999
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)


def from_microseconds(text: str) -> datetime | None:
    """Return the time of `1795434621103294`, Unix time in microseconds; None when it is no such number."""
    if not _DIGITS.fullmatch(text) or int(text) > _LAST_MICROSECOND:
        return None
    return EPOCH + timedelta(microseconds=int(text))


def from_seconds(text: str) -> datetime | None:
    """Return the time of whole Unix seconds; None for 0, by which mod_callcenter means never."""
    return from_microseconds(text + "000000") if text.strip("0") and len(text) <= 12 else None
