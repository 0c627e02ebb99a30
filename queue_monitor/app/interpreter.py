"""Sets Python's garbage collection and its threads, so that nothing is held up while callers wait."""

import gc
import sys
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from starlette.concurrency import run_in_threadpool

from queue_monitor.ports import Clock

YOUNG: Final = 5_000
"""The number of new objects in one collection, which then takes about a millisecond."""

YOUNG_ROUNDS: Final = 4
"""The number of young collections after which their survivors are collected too."""

OLD_ROUNDS: Final = 100
"""The number of such rounds before a full collection: two million more new objects than freed ones.

A leak is then bounded, and on a calm day it never happens.
"""

QUIET_HOUR: Final = time(3, 30)


def collect_seldom() -> None:
    """Collect mostly young garbage from now on; call it once everything is loaded.

    Nearly everything goes when the last reference to it goes. The collector is left with objects that refer to each
    other, such as an exception and its traceback, and most of those die young. A collection of all objects holds every
    thread: 100 to 300 ms in a big centre, in which no page is answered and no event is taken, and Python starts one
    every few seconds where a snapshot makes thousands of objects. So the objects of the start are set aside (frozen),
    and the rest is collected by `collect_at_night`.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, YOUNG_ROUNDS, OLD_ROUNDS)


def switch_often() -> None:
    """Give the event loop its turn after one millisecond while another thread works, such as the renderer of /metrics.

    Python's own five are too many: the loop waits that long after each poll.
    """
    sys.setswitchinterval(0.001)


async def load_threads() -> None:
    """Load now what hands work to threads; where it is first needed it holds the event loop for some 20 ms."""
    await run_in_threadpool(int)


async def collect_at_night(clock: Clock, zone: ZoneInfo) -> None:
    """Run a full collection once a night, when hardly anybody calls."""
    while True:
        now = clock.now()
        await clock.sleep((next_quiet_hour(now, zone) - now).total_seconds())
        gc.unfreeze()
        gc.collect()
        gc.freeze()


def next_quiet_hour(now: datetime, zone: ZoneInfo) -> datetime:
    """Return the next time that the local clock shows the quiet hour."""
    today = now.astimezone(zone).date()
    found = (datetime.combine(today + timedelta(days=days), QUIET_HOUR, zone) for days in (0, 1))
    return next(at for at in found if at > now)
