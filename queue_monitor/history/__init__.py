"""Questions about the past, answered from the store: sums of any stretch, and single calls."""

from queue_monitor.history.calls import disagreements, lost_calls, transfer_waits
from queue_monitor.history.sums import PastSums, past_sums
from queue_monitor.history.week_map import week_map

__all__ = ["PastSums", "disagreements", "lost_calls", "past_sums", "transfer_waits", "week_map"]
