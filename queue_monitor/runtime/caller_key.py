"""The key under which callers' numbers become pseudonyms: in memory only, and replaced every local midnight.

With the key gone nobody can find out whose call a pseudonym stands for, and no pseudonym of one day is that of another.
The key is one for all sources of the process, so that a call that two of them report has one pseudonym.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from secrets import token_bytes
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.core.privacy import LETTERS, one_spelling
from queue_monitor.ports import Clock

_KEY_BYTES: Final = 32
_PSEUDONYM_BYTES: Final = 8
_DIGIT: Final = re.compile(r"\d")
_MIN_DIGITS: Final = 3
"""A number of fewer digits, or of one digit repeated, is a sign for a number that is not shown."""


class CallerKey:
    """The key of today. `make` returns so many random bytes."""

    def __init__(self, clock: Clock, zone: ZoneInfo, make: Callable[[int], bytes] = token_bytes) -> None:
        self._clock = clock
        self._zone = zone
        self._make = make
        self._day = self._today()
        self._key = make(_KEY_BYTES)

    def pseudonym(self, number: str, at: datetime) -> str | None:
        """Return the pseudonym of a caller for a call at a moment, in letters only.

        None for what is no number, and for a call of another day: its key is gone, or is not made yet.
        """
        self.turn()
        digits = _DIGIT.findall(number)
        if len(digits) < _MIN_DIGITS or len(set(digits)) == 1 or at.astimezone(self._zone).date() != self._day:
            return None
        digest = hmac.new(self._key, one_spelling(number).encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
        return digest[:_PSEUDONYM_BYTES].hex().translate(LETTERS)

    def turn(self) -> None:
        """Replace the key when the local day is another than that of the key."""
        if (today := self._today()) != self._day:
            self._day, self._key = today, self._make(_KEY_BYTES)

    async def run(self) -> None:
        """Replace the key at every local midnight, also where nobody calls."""
        while True:
            now = self._clock.now()
            midnight = datetime.combine(now.astimezone(self._zone).date() + timedelta(days=1), time(), self._zone)
            await self._clock.sleep((midnight - now).total_seconds())
            self.turn()

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()
