"""The commands about the store: rebuild, verify, rejected, backup, restore, wipe."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from queue_monitor.clock import SystemClock
from queue_monitor.commands import backups, rebuilding, rejections
from queue_monitor.commands.exits import DIFFERENT, fail
from queue_monitor.commands.options import Run, load, past_day, path
from queue_monitor.commands.progress import counted_progress


def rebuild(parser: ArgumentParser) -> Run:
    """Take the arguments of `rebuild`."""
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--from", dest="first", type=past_day, metavar="DATE", help="only from this day on")
    parser.add_argument(
        "--by-present-rules",
        action="store_true",
        help="by the settings as they are now: the earlier ones were wrong",
    )
    return _rebuild


def _rebuild(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    with counted_progress("rebuilding") as report:
        anew = rebuilding.rebuild(settings, chosen.first, report, by_present_rules=chosen.by_present_rules)
        made = asyncio.run(anew)
    print(made.summary())
    return 0


def verify(parser: ArgumentParser) -> Run:
    """Take the arguments of `verify`."""
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--from", dest="first", type=past_day, metavar="DATE", help="only from this day on")
    return _verify


def _verify(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    with counted_progress("verifying") as report:
        found = asyncio.run(rebuilding.verify(settings, chosen.first, report))
    for words in found.differences:
        print(words)
    print(found.summary())
    return DIFFERENT if found.differences else 0


def rejected(parser: ArgumentParser) -> Run:
    """Take the arguments of `rejected`."""
    parser.add_argument("--config", type=Path, help="the TOML file")
    return _rejected


def _rejected(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    items = asyncio.run(rejections.last_rejected(settings))
    for item in items:
        print(rejections.line(item, settings))
    if items:
        print("\n" + "\n".join(rejections.explained(items)))
    else:
        print("Nothing was refused lately.")
    return 0


def backup(parser: ArgumentParser) -> Run:
    """Take the arguments of `backup`."""
    parser.add_argument(
        "file", metavar="FILE", type=path, nargs="?", help="a new file, or a folder; else store.backups"
    )
    parser.add_argument("--config", type=Path, help="the TOML file")
    return _backup


def _backup(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    print(backups.backup(settings, chosen.file, SystemClock().now()).summary())
    return 0


def restore(parser: ArgumentParser) -> Run:
    """Take the arguments of `restore`."""
    parser.add_argument("file", metavar="FILE", type=path, help="a backup, or a folder: its newest")
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--over", action="store_true", help="also in the place of a store that holds calls")
    return _restore


def _restore(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    print(asyncio.run(backups.restore(settings, chosen.file, over=chosen.over)).summary())
    return 0


def wipe(parser: ArgumentParser) -> Run:
    """Take the arguments of `wipe`."""
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return _wipe


def _wipe(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    if not chosen.yes:
        print("This deletes every call, sum and alert in the store. Type yes to go on: ", end="", flush=True)
        answer = sys.stdin.readline() if sys.stdin else ""  # closed by whoever started us
        if not answer:
            print()  # no line of anybody's own ends that of the question
        if answer.strip() != "yes":
            return fail("nothing was deleted" if answer else "nothing was deleted: no answer came; say --yes")
    asyncio.run(rebuilding.wipe(settings))
    print("The store is empty.")
    return 0
