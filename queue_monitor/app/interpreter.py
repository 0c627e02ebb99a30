"""How Python itself is set, so that nobody is held up while callers wait: its garbage collections and its threads."""

import gc
import sys
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.ports import Clock

YOUNG: Final = 5_000
"""So many new objects are looked through at once; a collection of them takes about a millisecond."""

YOUNG_ROUNDS: Final = 4
"""Those that have lived through a collection are looked through again after so many."""

OLD_ROUNDS: Final = 100
"""Everything made since the start is looked through when two million objects more have come than gone: a leak is then
bounded, and in a calm day it never happens.
"""

QUIET_HOUR: Final = time(3, 30)


def collect_seldom() -> None:
    """From now on collect mostly young garbage; call it once everything is loaded.

    Nearly everything goes when the last reference to it goes. What is left to the collector are objects that refer to
    each other, such as an exception and its traceback, and most of those die young. A collection of all objects holds
    every thread: 100 to 300 ms in a big centre, in which no page is answered and no event is taken, and Python starts
    one every few seconds where a snapshot makes thousands of objects. So what the start has made is set aside (frozen),
    and the rest is looked through by `collect_at_night`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, YOUNG_ROUNDS, OLD_ROUNDS)


def switch_often() -> None:
    """Let the event loop have its turn after one millisecond where another thread, such as the one that renders
    /metrics, is at work. Python's own five are too many: the loop waits so long each time it has looked for news.
    """
    sys.setswitchinterval(0.001)


async def collect_at_night(clock: Clock, zone: ZoneInfo) -> None:
    """Look through everything once a night, when hardly anybody calls."""
    while True:
        now = clock.now()
        await clock.sleep((next_quiet_hour(now, zone) - now).total_seconds())
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def next_quiet_hour(now: datetime, zone: ZoneInfo) -> datetime:
    """The next time that the local clock shows the quiet hour."""
    today = now.astimezone(zone).date()
    found = (datetime.combine(today + timedelta(days=days), QUIET_HOUR, zone) for days in (0, 1))
    return next(at for at in found if at > now)
