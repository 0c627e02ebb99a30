"""The adapter for a switch that only offers counts over HTTP, in JSON or XML, polled every few seconds.

It reads Dstny's ACD groups (`numberOfCallsInQueue`, `numberOfFreeAgents`, `numberOfLoggedInAgents`), Cisco Finesse's
`/finesse/api/Queue/{id}` (XML; `startTimeOfLongestCallInQueue` in UTC, -1 = not assigned), and any other answer that
can be described by paths, such as the ACE Web API, whose schema Telia gives to its customers only. The recordings in
tests/recordings/snapshot_poll are the vendors' documented examples, put on one line and with new times.

Nobody is listed, so no caller exists, nobody's wait is known, and there is no service level: live gauges only.
"""

from adapters.snapshot_poll.settings import ABOUT, EXAMPLE, Fields, Settings
from adapters.snapshot_poll.translator import Translator, recorded_pieces
from adapters.snapshot_poll.wire import SnapshotPollAdapter, reach
from queue_monitor.ports import Adapter, Clock

__all__ = [
    "ABOUT",
    "EXAMPLE",
    "Fields",
    "Settings",
    "SnapshotPollAdapter",
    "Translator",
    "build",
    "reach",
    "recorded_pieces",
]


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """Return the adapter for `kind = "snapshot_poll"`."""
    return SnapshotPollAdapter(name, switch, settings, clock)
