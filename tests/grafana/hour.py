"""One scripted hour at the centre, told to the real engine and scraped every 15 seconds of it.

The samples are what /metrics said at each moment; `promtool` makes of them what a Prometheus that was there would hold.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from msgspec import structs

from queue_monitor.api import status_body
from queue_monitor.core.assessment import decided
from queue_monitor.core.live import Live
from queue_monitor.events import Event
from queue_monitor.metrics import Metrics
from queue_monitor.model import Snapshot
from tests.api.sample import FakeFigures
from tests.scenario import SOURCE, Scenario

START = datetime(2025, 11, 17, 9, 0, tzinfo=UTC)
"""A Monday, 10.00 in Luleå; long ago, so that Prometheus has no other samples there."""

END = START + timedelta(hours=1)
DAY = datetime(2025, 11, 16, 23, 0, tzinfo=UTC)
STEP = timedelta(seconds=15)
INSTANCE = "hour:8080"
ENDINGS: tuple[tuple[str, float], ...] = (
    ("answered", 4),
    ("answered", 48.5),
    ("answered", 130),
    ("answered", 300.0),  # in time, to the millisecond
    ("answered", 300.001),
    ("abandoned", 12),
    ("answered", 75),
    ("abandoned", 240),
    ("timeout", 360),
)
CALLS = 45
OTHER = "support|luleå"
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


def queue_of(call: int) -> str:
    return "kundcenter" if call % 3 else OTHER


def entered_at(call: int) -> float:
    return 20.0 + 78 * call


def story() -> Scenario:
    """Forty-five callers in two queues, some late, some lost; five turned away; a line that is cut for 75 seconds."""
    told = Scenario(START).connected(-7200)
    for queue in ("kundcenter", OTHER):  # every counter of a queue is there from its first call on
        told.entered(-1500, f"early {queue}", queue).answered(-1440, f"early {queue}", queue)
        told.completed(-1400, f"early {queue}", queue)
    told.agent(-7000, "one", "available", "kundcenter", OTHER).agent(-7000, "two", "paused", "kundcenter")
    for call in range(CALLS):
        ending, wait = ENDINGS[call % len(ENDINGS)]
        who, queue, end = f"caller {call}", queue_of(call), entered_at(call) + wait
        told.entered(entered_at(call), who, queue)
        if ending == "answered":
            told.answered(end, who, queue).completed(end + 90, who, queue)
        else:
            told.left(end, who, ending, queue)
    for minute in (3, 21, 22, 40, 59):
        told.refused(60 * minute, f"refused {minute}", "full" if minute % 2 else "closed")
    told._ring(100, "caller 1", "ring 1", "no_answer", after=15)
    told.disconnected(2430).connected(2505)
    return told.agent(2506, "one", "available").agent(2506, "two", "paused")


def heard(told: Scenario) -> list[Event]:
    """The story in order. A log tells what happened while the line was cut: heard live, it would end the cut."""
    cut, back = told.at(2430), told.at(2505)
    events = [structs.replace(event, live=False) if cut < event.at < back else event for event in told.events]
    return sorted(events, key=lambda event: event.at)


class Hour:
    """The snapshots of the hour, and their samples."""

    @cached_property
    def snapshots(self) -> dict[datetime, Snapshot]:
        told = story()
        live = Live(told.rules)
        events = heard(told)
        times = [event.at for event in events]
        taken, found = 0, {}
        moment = START
        while moment <= END:
            upto = bisect_right(times, moment)
            for event in events[taken:upto]:
                live.apply(event)
            taken = upto
            if moment == START + timedelta(minutes=30):
                live.reject(SOURCE, "bad_timestamp")
            found[moment] = decided(live.snapshot(moment))
            moment += STEP
        return found

    def status(self, moment: datetime) -> dict[str, Any]:
        """What the status API says at that moment."""
        answer: dict[str, Any] = json.loads(status_body(self.snapshots[moment]))
        return answer

    def openmetrics(self) -> Iterator[str]:
        """Every scrape with its moment, and the labels that Prometheus adds."""
        first = next(iter(self.snapshots.values()))
        figures = FakeFigures(first)
        metrics = Metrics(figures)
        target = f'instance="{INSTANCE}",job="queue-monitor"'
        for moment, snapshot in self.snapshots.items():
            figures.show(snapshot)
            at = int(moment.timestamp())
            yield f"up{{{target}}} 1 {at}\n"
            for line in metrics.render()[0].decode().splitlines():
                if not line.startswith("#"):
                    sample = _SAMPLE.match(line)
                    assert sample, line
                    labels = ",".join(part for part in (sample[2], target) if part)
                    yield f"{sample[1]}{{{labels}}} {sample[3]} {at}\n"
        yield "# EOF\n"
