"""The commands about canonical events: simulate and translate print them, check-events judges them."""

import sys
from argparse import ArgumentParser, Namespace
from collections import Counter
from datetime import date
from pathlib import Path

from queue_monitor import simulation
from queue_monitor.app import registry
from queue_monitor.clock import SystemClock
from queue_monitor.commands import event_check
from queue_monitor.commands.exits import DIFFERENT
from queue_monitor.commands.options import Run, count, day, natural
from queue_monitor.commands.progress import progress
from queue_monitor.events import encode
from queue_monitor.ports import Rejected
from queue_monitor.replay.recording import DEFAULT_SWITCH, play
from queue_monitor.whole_output import whole_output


def simulate(parser: ArgumentParser) -> Run:
    """Take the arguments of `simulate`."""
    parser.add_argument("--date", type=day, default=date(2026, 11, 23), help="the day, e.g. 2026-11-23")
    parser.add_argument("--days", type=count, default=1, help="how many days in a row")
    parser.add_argument("--seed", type=natural, default=1)
    parser.add_argument("--kind", choices=[kind.value for kind in simulation.Kind], help="what kind of day")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    return _simulate


def _simulate(chosen: Namespace) -> int:
    kind = simulation.Kind(chosen.kind) if chosen.kind else None
    with chosen.out.open("wb") if chosen.out else whole_output() as out, progress("simulating", chosen.days) as advance:
        for day in range(chosen.days):
            made = simulation.Config(date=date.fromordinal(chosen.date.toordinal() + day), seed=chosen.seed, kind=kind)
            for event in simulation.simulate(made).events:
                out.write(encode(event) + b"\n")
            advance(1)
    return 0


def translate(parser: ArgumentParser) -> Run:
    """Take the arguments of `translate`."""
    parser.add_argument("kind", metavar="KIND")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--switch", default=DEFAULT_SWITCH, help="the switchboard's name")
    return _translate


def _translate(chosen: Namespace) -> int:
    recording = registry.build_recording(chosen.kind, chosen.files, chosen.switch, chosen.switch)
    rejected: Counter[str] = Counter()
    with whole_output() as out:
        for delivery in play([recording]):
            for item in delivery.items:
                if isinstance(item, Rejected):
                    rejected[item.reason] += 1
                    print(f"rejected: {item.reason}: {item.detail}", file=sys.stderr)
                else:
                    out.write(encode(item) + b"\n")
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items()))
    print(f"rejected: {rejected.total()}{f' ({reasons})' if reasons else ''}", file=sys.stderr)
    return 0


def check_events(parser: ArgumentParser) -> Run:
    """Take the arguments of `check-events`."""
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="JSON lines as a sender would send them; - for the input"
    )
    parser.add_argument("--kind", choices=event_check.KINDS, default="http", help="how they would come; default http")
    parser.add_argument(
        "--name", default="", help="the source's or publisher's name; without it as the first event says"
    )
    parser.add_argument("--switch", default="", help="the switch's name; without it as the first event says")
    return _check_events


def _check_events(chosen: Namespace) -> int:
    sender = event_check.Sender(kind=chosen.kind, name=chosen.name, switch=chosen.switch)
    lines = sys.stdin.buffer if str(chosen.file) == "-" else chosen.file.read_bytes().splitlines()
    taken, refused = 0, 0
    for found in event_check.judged(lines, sender, SystemClock().now()):
        print(found)
        taken, refused = taken + (not found.reason), refused + bool(found.reason)
    print(f"accepted: {taken}, refused: {refused}")
    return DIFFERENT if refused or not taken else 0
