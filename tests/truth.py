"""What really happened to the recorded callers, measured from their own phones, and how a replay is held against it.

`truth.csv` has one row a call and queue visit (tests/recordings/README.md). Its words for outcomes are mapped here.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

RECORDINGS = Path(__file__).parent / "recordings" / "asterisk"
SESSIONS = ("ami-00-small", "ami-01", "ami-02", "ami-03", "ami-04-notimestamps")

OUTCOMES = {
    "answered": {"answered"},
    "abandoned": {"abandoned"},
    "abandoned_ringing": {"abandoned"},
    "exit_timeout": {"timeout", "overflow"},
    "exit_key": {"exit_key"},
    "exit_empty": {"no_agents"},
    "withdrawn": {"withdrawn", "callback"},
    "lost_restart": {"lost"},
    "join_empty": {"refused"},
}

Row = dict[str, str]


def ami(*sessions: str) -> list[str]:
    return [f"asterisk_ami:{RECORDINGS / session}.raw.gz" for session in sessions]


QUEUE_LOG = f"asterisk_queuelog:{RECORDINGS / 'queue_log'}"


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def truth() -> list[Row]:
    return [row for row in read(RECORDINGS / "truth.csv") if row["outcome"] != "never_joined"]


def epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def joined(row: Row) -> float:
    return float(row["joined_epoch"] or row["dialplan_enter_epoch"] or row["invite_sent_epoch"])


@dataclass
class Match:
    """A replay's rows beside the truth's: pairs, what is missing, and what nobody really did."""

    pairs: list[tuple[Row, Row]] = field(default_factory=list)
    missing: list[Row] = field(default_factory=list)
    extra: list[Row] = field(default_factory=list)

    def wrong_outcomes(self, *, allowing: Iterable[str] = ()) -> list[tuple[str, str, str]]:
        return [
            (real["call_id"], real["outcome"], seen["outcome"])
            for real, seen in self.pairs
            if seen["outcome"] not in OUTCOMES[real["outcome"]] | set(allowing)
        ]

    def errors(self, *, coarse: bool) -> list[float]:
        """By how much the waits differ, seconds, ascending: of visits timed to the second or of all others."""
        return sorted(
            abs(float(seen["wait_seconds"]) - float(real["wait_s"]))
            for real, seen in self.pairs
            if real["wait_s"] and seen["wait_seconds"] and (float(seen["precision_seconds"]) >= 1) is coarse
        )


def match(rows: list[Row], real: list[Row]) -> Match:
    """Lay each real visit beside the replay's nearest of the same call and queue."""
    by_call: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_call[row["native_id"], row["queue"]].append(row)
    found = Match()
    for row in real:
        candidates = by_call[row["uniqueid"], row["queue"]]
        timed = [(abs(epoch(c["entered_at"]) - joined(row)), at) for at, c in enumerate(candidates) if c["entered_at"]]
        nearest = min(timed, default=None)
        if nearest is None or nearest[0] > 2.5:
            found.missing.append(row)
        else:
            found.pairs.append((row, candidates.pop(nearest[1])))
    found.extra = [row for left in by_call.values() for row in left]
    return found


def at_share(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]
