"""What a person may set for one queue_log file."""

from msgspec import Struct


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One queue_log file.

    `state_path` is where to remember how far the file has been taken in, so that a restart goes on from there; without
    it every start reads from the beginning (which does no harm: the same line gives the same event).
    `restart_window_seconds`: callers who "abandon" so shortly before a QUEUESTART were cut off by the restart.
    `member_names` names interfaces (`PJSIP/1001`) in the few verbs that write an interface where others write a name.
    `dialled_queues` maps our own dialled numbers (dialplan extensions) to queues.
    """

    path: str = "/var/log/asterisk/queue_log"
    state_path: str = ""
    poll_seconds: float = 1.0
    restart_window_seconds: int = 5
    member_names: dict[str, str] = {}
    dialled_queues: dict[str, str] = {}
