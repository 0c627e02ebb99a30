"""The settings of one MQTT broker."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from queue_monitor.ports import About, Every, Host, Port, Signal, Stability


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One MQTT 5 broker.

    `tls_ca` is the file with the authority that signed the broker's certificate (empty: those the machine trusts);
    `tls_cert` and `tls_key` are our own, where the broker wants to see one. `client_id` names our session at the broker
    and must be nobody else's; empty means `queue-monitor-` and the source's name. `topic_prefix` is what every topic
    begins with. `sources` names the publishers to take, by the name in their topics or by the whole
    `urn:kc:<adapter>:<name>`; empty means all. The broker keeps what we missed for `session_seconds`, and sends at most
    `receive_maximum` messages ahead of our journal. `state_path` is a file of ours in which to remember who publishes
    and how far each has counted, so that numbers that never came are noticed over a restart too.

    `host`: the machine of the broker.
    `port`: 1883, or with `tls` mostly 8883.
    `tls`: true where the line is encrypted.
    `username`: the account at the broker.
    `password`: the account's password.
    `connect_seconds`: how long connecting and logging in may take.
    """

    host: Host = "127.0.0.1"
    port: Port = 1883
    tls: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    username: str = ""
    password: str = ""
    client_id: str = ""
    topic_prefix: str = "kc/v1"
    sources: tuple[str, ...] = ()
    session_seconds: Annotated[int, Meta(ge=1, le=0xFFFF_FFFF)] = 86_400
    receive_maximum: Annotated[int, Meta(ge=1, le=65_535)] = 200
    connect_seconds: Every = 10.0
    state_path: str = ""

    def __post_init__(self) -> None:
        levels = self.topic_prefix.split("/")
        if not all(levels) or levels[0].startswith("$") or any(sign in self.topic_prefix for sign in "+#\0"):
            raise ValueError("topic_prefix of words with / between them, such as kc/v1, without + # and $")
        if not all(self.sources):
            raise ValueError("sources with names that are not empty")
        if (self.tls_ca or self.tls_cert or self.tls_key) and not self.tls:
            raise ValueError("tls = true beside tls_ca, tls_cert or tls_key")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key together")


EXAMPLE: Final[Mapping[str, object]] = {
    "host": "192.0.2.40",
    "username": "queue-monitor",
    "password": "env:MQTT_PASSWORD",
}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads=(
        "our own events, published by others' programs through an MQTT 5 broker: acknowledged when "
        "journalled, kept by the broker while we are away ([docs/mqtt.md](../docs/mqtt.md))"
    ),
    tested=(
        "a real Mosquitto set up as shipped: 5,000 callers while away, the monitor killed, the broker "
        "restarted and killed, 0 lost and 0 double"
    ),
    cannot_say=(
        "what a publisher does not tell; what was published before the first connection; the last two seconds "
        "before a crash of the broker itself"
    ),
    signals=dict.fromkeys(Signal, Stability.STABLE),
    passes_on=True,
)
