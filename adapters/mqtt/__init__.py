"""The adapter for MQTT 5: other programs publish events through a broker, each acknowledged once in the journal.

Product: any MQTT 5 broker; tested with Mosquitto 2.0.11 and deploy/mosquitto.conf, which makes it keep messages. Topics
and how to publish: docs/mqtt.md; the payload is one event of `queue_monitor.events`. A recording is one JSON object a
line, `{"topic": "…", "payload": "…", "retain": false, "received_at": "…"}`; those in tests/recordings/mqtt were written
by hand and with `queue_monitor.simulation`, and hold nobody's calls. Rooms: `session` wraps the client library and
alone knows it, `publishers` keeps each publisher's state, `translator` makes events, `wire` joins.
"""

from typing import Final

from adapters.mqtt.settings import ABOUT, EXAMPLE, Settings
from adapters.mqtt.translator import Translator, recorded_pieces
from adapters.mqtt.wire import MqttAdapter, build, reach

DATED_BY_SENDER: Final = True
"""The times of its events are a sender's word."""

__all__ = ["ABOUT", "EXAMPLE", "MqttAdapter", "Settings", "Translator", "build", "reach", "recorded_pieces"]
