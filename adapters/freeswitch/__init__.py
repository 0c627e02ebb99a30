"""The adapter for FreeSWITCH's mod_callcenter over its event socket (ESL, inbound).

It reports each step of each caller in microseconds. Product: FreeSWITCH 1.8 and later with mod_callcenter. Documented
at developer.signalwire.com/freeswitch (mod_callcenter, mod_event_socket) and in its source (mod_callcenter.c,
mod_event_socket.c). The recordings were made with FreeSWITCH 1.11.3-dev: tests/recordings/README.md says how. Rooms:
`frames` cuts bytes, `lists` reads tables, `calls` and `agents` keep state, `translator` joins them, and `wire`
connects.
"""

from adapters.freeswitch.frames import recorded_pieces
from adapters.freeswitch.settings import ABOUT, EXAMPLE, Settings
from adapters.freeswitch.translator import Translator
from adapters.freeswitch.wire import build, reach

__all__ = ["ABOUT", "EXAMPLE", "Settings", "Translator", "build", "reach", "recorded_pieces"]
