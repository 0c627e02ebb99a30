"""The settings of one CSTA link."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from queue_monitor.ports import About, Every, Host, Port, QueueName, Signal, Stability


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One exchange's CSTA III link. It is licensed and opened to this machine by whoever runs the exchange.

    `pilots` are the queues' own devices (hunt group, ACD group, pilot number) and what each queue is called. `agents`
    are the extensions that answer, by number or with a name for each; when given, nobody else's answer counts, so that
    an announcement is no answer. `session_seconds` is for how long a session is asked for; 0 where the exchange knows
    none. `username` and `password` are for exchanges that want them with it; `password_env` names an environment
    variable, so that the password need not stand in a file. `edition` is the edition of ECMA-323, `ed2` to `ed5`.

    `host`: the machine of the exchange's CSTA link.
    `port`: its port there.
    `tls`: true where the link is encrypted.
    `tls_ca`: the file of the authority that signed its certificate, where this machine does not trust it.
    `connect_seconds`: how long connecting and logging in may take.
    `heartbeat_seconds`: how often it is asked for its status.
    `snapshot_seconds`: how often it is asked who waits.
    """

    host: Host = "127.0.0.1"
    port: Port = 1040
    pilots: dict[str, QueueName] = {}
    agents: dict[str, str] | list[str] = {}
    tls: bool = False
    tls_ca: str = ""
    username: str = ""
    password: str = ""
    password_env: str = ""
    edition: Literal["ed2", "ed3", "ed4", "ed5"] = "ed4"
    session_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 600
    connect_seconds: Every = 10.0
    heartbeat_seconds: Every = 30.0
    snapshot_seconds: Every = 45.0

    @property
    def agent_names(self) -> dict[str, str]:
        """The name of each agent by extension; the extension where none is given."""
        return self.agents if isinstance(self.agents, dict) else {extension: extension for extension in self.agents}


EXAMPLE: Final[Mapping[str, object]] = {"host": "192.0.2.30", "pilots": {"7100": "kundcenter"}}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads=("CSTA III in XML over TCP or TLS (OpenScape, OXE, MX-ONE …), by the queues' pilots and the agents' phones"),
    tested=(
        "two frames of a real OpenScape for the framing; **everything about queued calls is written after "
        "ECMA-269/323 and was never heard from a real switch**; an exchange of the test's own for the wire"
    ),
    cannot_say=(
        "the switch's own time (it is ours, on arrival); timeout or overflow, which are one; a pressed key; "
        "who waits, where the switch sends its snapshot in pieces"
    ),
    signals=dict.fromkeys(Signal, Stability.BETA),
)
