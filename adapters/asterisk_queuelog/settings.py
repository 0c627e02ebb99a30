"""The settings of one queue_log file."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct

from queue_monitor.events import RefusalReason
from queue_monitor.ports import About, Every, QueueName, Signal, Stability


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One queue_log file.

    `state_path` is where to remember how far the file has been taken in, so that a restart goes on from there; without
    it every start reads from the beginning (which does no harm: the same line gives the same event).
    What the file is rotated to is looked for beside it and in folders beside it, packed (gz, bz2, xz) or not;
    `rotated_paths` names more, such as "/var/old/queue_log*".
    Callers who "abandon" together, as the last thing before a QUEUESTART, were cut off by the restart, however late it
    comes; `restart_window_seconds` is for one alone: so shortly before, and nothing written since, he or she was cut
    off too. Who went earlier had hung up.
    `refusal_verbs` and `outgoing_verbs` are verbs of your own (`QueueLog()` writes any): of a caller turned away at the
    door, with the reason (`full`, `no_agents`, `closed`, `unknown`), and of a call that you make yourselves.
    `member_names` names interfaces (`PJSIP/1001`) in the few verbs that write an interface where others write a name.
    `dialled_queues` maps our own dialled numbers (dialplan extensions) to queues.

    `path`: the file.
    `poll_seconds`: how often it is looked at.
    """

    path: str = "/var/log/asterisk/queue_log"
    state_path: str = ""
    rotated_paths: tuple[str, ...] = ()
    poll_seconds: Every = 1.0
    restart_window_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 30
    member_names: dict[str, str] = {}
    dialled_queues: dict[str, QueueName] = {}
    refusal_verbs: dict[str, RefusalReason] = {}
    outgoing_verbs: tuple[str, ...] = ()


EXAMPLE: Final[Mapping[str, object]] = {"path": "/var/log/asterisk/queue_log"}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads="Asterisk's `queue_log` file, followed through rotation: how each stay ended, in whole seconds",
    tested="the log of the same calls: 261 visits, every outcome right",
    cannot_say=(
        "callers refused at the door; which phones rang at first; when a transferred call ended; who was "
        "moved out of a queue (abandoned, says the log); callers of nested queues who withhold their number, "
        "unless they are answered; anything finer than a second"
    ),
    signals={
        Signal.CALLS: Stability.STABLE,
        Signal.RINGS: Stability.STABLE,
        Signal.TALK: Stability.STABLE,
        Signal.REFUSALS: Stability.STABLE,
        Signal.AGENTS: Stability.STABLE,
    },
)
