"""A switch that only offers counts over HTTP, in JSON or XML: asked every few seconds how many wait in each queue.

Dstny's ACD groups (`numberOfCallsInQueue`, `numberOfFreeAgents`, `numberOfLoggedInAgents`), Cisco Finesse's
`/finesse/api/Queue/{id}` (XML; `startTimeOfLongestCallInQueue` in UTC, -1 = not assigned), and whatever else can be
described by paths into its answer, such as the ACE Web API, whose schema Telia tells its customers only. The
recordings in tests/recordings/snapshot_poll are the vendors' documented examples, put on one line and with new times.

Nobody is listed, so no caller exists, nobody's wait is known, and there is no service level: live gauges only.
"""

from adapters.snapshot_poll.settings import EXAMPLE, Fields, Settings
from adapters.snapshot_poll.translator import Translator, recorded_pieces
from adapters.snapshot_poll.wire import SnapshotPollAdapter, reach
from queue_monitor.ports import Adapter, Clock

__all__ = ["EXAMPLE", "Fields", "Settings", "SnapshotPollAdapter", "Translator", "build", "reach", "recorded_pieces"]


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """The door that is opened for `kind = "snapshot_poll"`."""
    return SnapshotPollAdapter(name, switch, settings, clock)
