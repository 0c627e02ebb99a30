"""The adapter for CSTA phase III over TCP in XML, as municipal exchanges speak it (OpenScape, OXE, MX-ONE …).

Documented in ECMA-269 (services and events) and ECMA-323 (their XML), editions 2 to 5. The framing and two events were
seen on a real OpenScape Voice; **everything about queued calls is written after the standard and has not been tested
with a real switch**: tests/recordings/README.md says what is what. Not for CSTA in ASN.1, SOAP or SIP. Rooms: `frames`
cuts bytes, `messages` reads XML, `calls` keeps state, `translator` joins them, and `wire` connects.
"""

from adapters.csta3.frames import recorded_pieces
from adapters.csta3.settings import ABOUT, EXAMPLE, Settings
from adapters.csta3.translator import Translator
from adapters.csta3.wire import build, reach

__all__ = ["ABOUT", "EXAMPLE", "Settings", "Translator", "build", "reach", "recorded_pieces"]
