"""The adapter for Asterisk's manager interface (AMI): it reports each step of each caller live, in microseconds.

Product: Asterisk 16 to 22 (AMI 5 to 11). Documented at docs.asterisk.org (AMI events) and in its source
(apps/app_queue.c, main/manager_channels.c). The recordings were made with Asterisk 22.10.1: tests/recordings/README.md
says how. Rooms: `messages` cuts bytes, `calls` and `agents` keep state, `endings` decides outcomes, `translator` joins
them, and `wire` connects.
"""

from adapters.asterisk_ami.messages import recorded_pieces
from adapters.asterisk_ami.settings import ABOUT, EXAMPLE, Settings
from adapters.asterisk_ami.translator import Translator
from adapters.asterisk_ami.wire import build, reach

__all__ = ["ABOUT", "EXAMPLE", "Settings", "Translator", "build", "reach", "recorded_pieces"]
