"""The adapter for Asterisk's queue_log, the file in which app_queue writes how every stay in a queue ended.

Times are whole seconds. Product: Asterisk 16 to 22. Documented at docs.asterisk.org ("Queue Logs") and in its source
(apps/app_queue.c, main/logger.c). The recordings were made with Asterisk 22.10.1: tests/recordings/README.md says how.
A line is `epoch|callid|queue|agent|verb|data1|...`. It closes what the manager interface leaves open (which key,
timeout or empty queue, the reason a system gave), fills the gap of an outage, and checks a day. Asterisk itself writes
nothing of callers who were refused at the door, nor when a transferred call ended. Of verbs that are not Asterisk's own
(`QueueLog()` writes any), those of refused callers and of outgoing calls are understood; others are ignored and not
counted as mistakes.
"""

from adapters.asterisk_queuelog.follow import AsteriskQueueLogAdapter, build, reach, reaches_back
from adapters.asterisk_queuelog.lines import recorded_pieces
from adapters.asterisk_queuelog.settings import ABOUT, EXAMPLE, Settings
from adapters.asterisk_queuelog.translator import Translator

__all__ = [
    "ABOUT",
    "EXAMPLE",
    "AsteriskQueueLogAdapter",
    "Settings",
    "Translator",
    "build",
    "reach",
    "reaches_back",
    "recorded_pieces",
]
