"""The adapter for events over HTTP: CloudEvents 1.0 in structured JSON, one or a batch, signed by their sender.

Format: `queue_monitor.events`, the same bytes as over MQTT and in replay files; docs/http-intake.md is the guide for
senders. It is for switchboards that call a webhook, and for anybody's own program. One source in the settings is one
sender; all share the path, and the header with the sender's name selects the source. The recordings in
tests/recordings/http are request bodies, one a line, written by hand after the documented webhooks of Twilio and
Enreach.
"""

from typing import Final

from adapters.http.body import Translator, recorded_pieces
from adapters.http.intake import HttpAdapter
from adapters.http.settings import ABOUT, EXAMPLE, Settings
from queue_monitor.ports import Adapter, Clock

__all__ = ["ABOUT", "EXAMPLE", "HttpAdapter", "Settings", "Translator", "build", "recorded_pieces"]

DATED_BY_SENDER: Final = True
"""The times of its events are a sender's word."""


def build(name: str, switch: str, settings: Settings, clock: Clock) -> Adapter:
    """Return the adapter for `kind = "http"`."""
    return HttpAdapter(name, switch, settings, clock)
