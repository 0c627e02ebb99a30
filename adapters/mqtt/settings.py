"""What a person may set for one MQTT broker."""

from msgspec import Struct


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One MQTT 5 broker.

    `tls_ca` is the file with the authority that signed the broker's certificate (empty: those the machine trusts);
    `tls_cert` and `tls_key` are our own, where the broker wants to see one. `client_id` names our session at the
    broker and must be nobody else's; empty means `queue-monitor-` and the source's name. `topic_prefix` is what every
    topic begins with. `sources` names the publishers to hear, by the name in their topics or by the whole
    `urn:kc:<adapter>:<name>`; empty means all. The broker keeps what we missed for `session_seconds`, and sends at
    most `receive_maximum` messages ahead of our journal. `state_path` is a file of ours in which to remember who
    publishes and how far each has counted, so that numbers that never came are noticed over a restart too.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    tls: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    username: str = ""
    password: str = ""
    client_id: str = ""
    topic_prefix: str = "kc/v1"
    sources: tuple[str, ...] = ()
    session_seconds: int = 86_400
    receive_maximum: int = 200
    connect_seconds: float = 10.0
    state_path: str = ""

    def __post_init__(self) -> None:
        levels = self.topic_prefix.split("/")
        if not all(levels) or levels[0].startswith("$") or any(sign in self.topic_prefix for sign in "+#\0"):
            raise ValueError("topic_prefix must be words with / between them, such as kc/v1, without + # and $")
        if not 1 <= self.receive_maximum <= 65_535:
            raise ValueError(f"receive_maximum must be from 1 to 65535, not {self.receive_maximum}")
        if not 1 <= self.session_seconds <= 0xFFFF_FFFF:
            raise ValueError(f"session_seconds must be from 1 to {0xFFFF_FFFF} (for ever), not {self.session_seconds}")
        if not self.connect_seconds > 0:
            raise ValueError(f"connect_seconds must be above 0, not {self.connect_seconds}")
        if not all(self.sources):
            raise ValueError("sources must be names that are not empty")
        if (self.tls_ca or self.tls_cert or self.tls_key) and not self.tls:
            raise ValueError("tls_ca, tls_cert and tls_key need tls = true")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together")
