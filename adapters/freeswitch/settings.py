"""The settings of one event socket."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from queue_monitor.ports import About, Every, Host, Port, Signal, Stability, UpTo


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One FreeSWITCH's event socket, as `event_socket.conf.xml` there opens it.

    `password_env` names an environment variable that holds the password, so that it need not stand in a file; the
    password that FreeSWITCH ships with is refused. A client that is let in may do anything to the switch, so open the
    socket to this machine only (`apply-inbound-acl`). `format` is how events are written, and makes no difference but
    to the network. `heartbeat_seconds` is the switch's own `event-heartbeat-interval`. `snapshot_seconds` is how often
    the waiting are counted, `tier_seconds` how often who answers which queue is asked for: the switch does not report
    it.

    `host`: the machine of the FreeSWITCH.
    `port`: its event socket's port.
    `password`: the event socket's password.
    `connect_seconds`: how long connecting and logging in may take.
    `hold_seconds`: how long an event may wait for the one that explains it.
    """

    host: Host = "127.0.0.1"
    port: Port = 8021
    password: str = ""
    password_env: str = ""
    format: Literal["json", "plain"] = "json"
    connect_seconds: Every = 10.0
    heartbeat_seconds: Every = 20.0
    snapshot_seconds: Every = 45.0
    tier_seconds: Every = 60.0
    hold_seconds: UpTo = 5.0


EXAMPLE: Final[Mapping[str, object]] = {"host": "192.0.2.20", "password": "env:ESL_PASSWORD"}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads=(
        "FreeSWITCH's mod_callcenter over its event socket (ESL, plain or JSON), live: every step of every "
        "caller, in µs"
    ),
    tested="recordings of a real FreeSWITCH 1.11.3-dev, heard through a real TCP server of the test's own",
    cannot_say=(
        "which key a caller pressed; who took a caller out of a queue by hand; that an agent was deleted or "
        "moved, until the next list"
    ),
    signals={
        Signal.CALLS: Stability.STABLE,
        Signal.RINGS: Stability.STABLE,
        Signal.TALK: Stability.STABLE,
        Signal.AGENTS: Stability.STABLE,
        Signal.LISTS: Stability.STABLE,
    },
)
