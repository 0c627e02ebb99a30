"""The settings of one AMI connection."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from queue_monitor.ports import About, Every, Host, Port, QueueName, Signal, Stability, UpTo


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Asterisk's manager interface.

    The account needs `read = agent,call,dialplan,system` and `write = reporting`, and `timestampevents = yes` should be
    set in manager.conf. `secret_env` names an environment variable that holds the secret, so that it need not stand in
    a file. `dialled_queues` maps our own dialled numbers (dialplan extensions) to queues: it names the queue of a
    caller who was refused at the door when the dialplan's own events do not. `wrapup_seconds` is a queue's
    `wrapuptime`, which Asterisk does not report when it is set for the whole queue.

    `host`: the machine of the Asterisk.
    `port`: the manager's port there, 5038, or with `tls` mostly 5039.
    `username`: the account in manager.conf.
    `secret`: the account's secret.
    `challenge`: log in by MD5 challenge, so that the secret does not travel; false where the switch offers none.
    `tls`: true for the manager's TLS port.
    `tls_ca`: the file of the authority that signed its certificate, where this machine does not trust it.
    `connect_seconds`: how long connecting and logging in may take.
    `ping_seconds`: how often it is asked whether it is there.
    `snapshot_seconds`: how often it is asked who waits.
    `hold_seconds`: how long an event may wait for the one that explains it.
    """

    host: Host = "127.0.0.1"
    port: Port = 5038
    username: str = "monitor"
    secret: str = ""
    secret_env: str = ""
    challenge: bool = True
    tls: bool = False
    tls_ca: str = ""
    connect_seconds: Every = 10.0
    ping_seconds: Every = 10.0
    snapshot_seconds: Every = 45.0
    hold_seconds: UpTo = 5.0
    dialled_queues: dict[str, QueueName] = {}
    wrapup_seconds: dict[str, Annotated[int, Meta(ge=0, le=86_400)]] = {}


EXAMPLE: Final[Mapping[str, object]] = {"host": "192.0.2.10", "username": "monitor", "secret": "env:AMI_SECRET"}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads="Asterisk's manager interface over TCP or TLS, live: every step of every caller, in ms",
    tested=(
        "recordings of a real Asterisk 22.10.1 against what the callers' own phones saw: 245 visits, every "
        "outcome right, waits within 6 ms (95 %), 0.18 s at worst; a test server for the wire"
    ),
    cannot_say="what happened while nobody listened; whether a withdrawn caller was promised a call back",
    signals=dict.fromkeys(Signal, Stability.STABLE),
)
