"""Reads the tables of `callcenter_config`: a line of names, lines of values between `|`, and `+OK`."""

from collections.abc import Iterator
from typing import Final, NamedTuple

_MEMBERS: Final = (
    "queue|instance_id|uuid|session_uuid|cid_number|cid_name|system_epoch|joined_epoch|rejoined_epoch|bridge_epoch|"
    "abandoned_epoch|base_score|skill_score|serving_agent|serving_system|state|score"
)
MEMBERS: Final = "members"
QUEUES: Final = "queues"
AGENTS: Final = "agents"
TIERS: Final = "tiers"

_BEGINNINGS: Final = {
    "queue|instance_id|uuid|": MEMBERS,
    "name|strategy|": QUEUES,
    "name|instance_id|": AGENTS,
    "queue|agent|state|level|": TIERS,
}
_FREE_TEXT: Final = ("contact", "moh_sound")
"""The columns of dial strings, in which a `|` means "else" and divides columns as well."""

WAITS: Final = frozenset(("Waiting", "Trying"))
"""The states that wait. The others: Answered (talks), Abandoned (a ghost, in case the caller returns), Unknown."""

TALKS: Final = "Answered"


class Member(NamedTuple):
    """One line of `queue list members`, without the caller's name and number."""

    queue: str
    uuid: str
    session: str
    joined: str
    rejoined: str
    bridged: str
    agent: str
    state: str
    score: int


def kind_of(body: str) -> str:
    """Return the kind of a table by its first line; empty when it is none."""
    return next((kind for beginning, kind in _BEGINNINGS.items() if body.startswith(beginning)), "")


def rows(body: str) -> Iterator[str]:
    """Yield the rows of a listing, without the line of column names before them and the `+OK` after them."""
    for line in body.split("\n")[1:]:
        if line and line != "+OK":
            yield line


def complete(body: str) -> bool:
    """Return whether a table is complete; one that was cut short in the switch has no `+OK`."""
    return body.rstrip("\n").endswith("+OK")


def fields(body: str) -> Iterator[dict[str, str] | None]:
    """Yield each line by its column names; None for a line that does not fit them."""
    names = body.partition("\n")[0].split("|")
    free = next((at for at, name in enumerate(names) if name in _FREE_TEXT), None)
    for line in rows(body):
        values = line.split("|")
        if free is not None and (surplus := len(values) - len(names)) > 0:
            values[free : free + surplus + 1] = ["|".join(values[free : free + surplus + 1])]
        yield dict(zip(names, values, strict=True)) if len(values) == len(names) else None


def members(body: str, queue: str = "") -> Iterator[Member | None]:
    """Yield the members of a queue. A caller's name may hold the `|` that divides columns, so read from both ends.

    `queue`: whose members were asked for; its name may hold a `|`, too.
    """
    for line in rows(body):
        known = queue if line.startswith(f"{queue}|") else ""
        values = [known, *line[len(known) + 1 :].split("|")] if known else line.split("|")
        if len(values) < _MEMBERS.count("|") + 1:
            yield None
            continue
        joined, rejoined, bridged, agent, score = values[-10], values[-9], values[-8], values[-4], values[-1]
        worth = int(score) if len(score) <= 12 and score.isascii() and score.isdigit() else 0
        yield Member(values[0], values[2], values[3], joined, rejoined, bridged, agent, values[-2], worth)
