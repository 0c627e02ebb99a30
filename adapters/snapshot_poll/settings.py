"""The settings of one switch that only counts, and the paths of the known ones."""

from collections.abc import Mapping
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from queue_monitor.ports import About, Signal, Stability


class Fields(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The places of values in an answer: names with dots between, such as `statistic.numberOfCallsInQueue`.

    Several with `|` between: the first that is there. With `+` between: their sum. `queues` leads to the queue, or to
    the list of them, and is empty when the whole answer is; the others go on from there. `oldest_since` is when the
    longest wait began, where the switch does not give it in seconds. A value that a switch does not give is left empty.

    `name`: the queue's name.
    `waiting`: how many wait.
    `oldest_wait_seconds`: how long the longest has waited.
    `agents_free`: how many could take a call now.
    `agents_logged_on`: how many are logged in.
    """

    queues: str = ""
    name: str = ""
    waiting: str = ""
    oldest_wait_seconds: str = ""
    oldest_since: str = ""
    agents_free: str = ""
    agents_logged_on: str = ""


PRESETS: Final[Mapping[str, Fields]] = {
    "": Fields(
        name="name",
        waiting="waiting",
        oldest_wait_seconds="oldest_wait_seconds",
        agents_free="agents_free",
        agents_logged_on="agents_logged_on",
    ),
    "dstny": Fields(
        name="name",
        waiting="statistic.numberOfCallsInQueue",
        agents_free="statistic.numberOfFreeAgents",
        agents_logged_on="statistic.numberOfLoggedInAgents",
    ),
    "finesse": Fields(
        queues="Update.data.Queue | Queues.Queue | Queue",
        name="name",
        waiting="statistics.callsInQueue",
        oldest_since="statistics.startTimeOfLongestCallInQueue",
        agents_free="statistics.agentsReady",
        agents_logged_on=" + ".join(
            f"statistics.agents{state}"
            for state in (
                *("Ready", "NotReady", "TalkingInbound", "TalkingOutbound", "TalkingInternal"),
                *("WrapUpNotReady", "WrapUpReady"),
            )
        ),
    ),
    "telia_ace": Fields(),
}


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One address that is asked every `every_seconds`, and given up after `timeout_seconds`.

    `token` is sent as `Authorization: Bearer …`, or plain in the header named by `token_header`; or `username` and
    `password` as basic authentication. `preset` (dstny, finesse) knows where things stand in the answer; `fields` says
    it for another switch, or otherwise. Of telia_ace nothing is known in public: its `fields` come from your contract.
    Without a preset the names are ours: name, waiting, oldest_wait_seconds, agents_free, agents_logged_on. `queue`
    names the queue when the answer does not. `ca_file`: the certificates to trust, instead of the machine's.

    `url`: the address that is asked.
    """

    url: str
    every_seconds: Annotated[float, Meta(ge=1, le=60)] = 10.0
    timeout_seconds: Annotated[float, Meta(gt=0, le=60)] = 5.0
    preset: str = ""
    fields: Fields = Fields()
    queue: str = ""
    token: str = ""
    token_header: str = ""
    username: str = ""
    password: str = ""
    ca_file: str = ""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(filter(None, PRESETS))}, or left out")
        if self.token and self.username:
            raise ValueError("either token or username, not both")

    @property
    def paths(self) -> Fields:
        """Return the preset's fields, with those that are set in their place."""
        own = {name: path for name, path in structs.asdict(self.fields).items() if path}
        return structs.replace(PRESETS[self.preset], **own)


EXAMPLE: Final[Mapping[str, object]] = {
    "url": "https://switch.example/api/queues",
    "preset": "dstny",
    "token": "env:SWITCH_TOKEN",
}
"""The settings that `queue-monitor init` asks for, each as one would write it."""

ABOUT: Final = About(
    reads=(
        "a switch that only offers counts over HTTP, JSON or XML, asked every few seconds: presets for Dstny "
        "and Cisco Finesse, paths for others (Telia ACE Web API)"
    ),
    tested="the vendors' documented examples, over a real HTTP server: refused, late, dripping, cut off, mangled",
    cannot_say=(
        "**who waits**: no caller is known, so there is no service level, no history and no wait but the "
        "longest; only what is so at the moment of asking"
    ),
    signals={Signal.LISTS: Stability.BETA},
)
