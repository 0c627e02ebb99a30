"""The commands that take in or live through past calls: import, replay, backtest."""

import asyncio
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from msgspec import structs

from queue_monitor import backtest as backtesting
from queue_monitor import config, importing
from queue_monitor.app.rules_from_config import live_of
from queue_monitor.commands.options import Run, chosen_as, day, load, moment, positive, ratio, seconds
from queue_monitor.commands.progress import counted_progress, progress
from queue_monitor.commands.serving import announce
from queue_monitor.model import DefinitionId
from queue_monitor.replay import engine
from queue_monitor.replay.recording import RecordingError


def import_calls(parser: ArgumentParser) -> Run:
    """Take the arguments of `import`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="queue_log or CSV, packed or not")
    parser.add_argument("--config", type=Path, help="the TOML file: opening hours, queues, the store")
    parser.add_argument("--dry-run", action="store_true", help="change nothing; say what would be added, and what not")
    parser.add_argument("--replace", action="store_true", help="also on days that the journal or another import has")
    parser.add_argument("--kind", choices=importing.KINDS, default="", help="without it csv where there is a mapping")
    parser.add_argument("--mapping", type=Path, metavar="MAP.toml", help="what the columns of a CSV file are")
    parser.add_argument("--name", default="", help="how the calls are marked: import:NAME")
    return _import


def _import(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    wanted = chosen_as(importing.Wanted, chosen, files=tuple(chosen.files))
    with counted_progress("trying" if chosen.dry_run else "importing") as report:
        made = asyncio.run(importing.run(settings, wanted, report))
    print(importing.summary(made))
    return 0


def replay(parser: ArgumentParser) -> Run:
    """Take the arguments of `replay`."""
    parser.add_argument("sources", nargs="+", metavar="KIND:PATH", help="a recording and the kind of switch it is from")
    parser.add_argument("--config", type=Path, help="the TOML file: target, opening hours, names of switches")
    parser.add_argument("--switch", help="the switchboard's name, shared by all the recordings of it")
    parser.add_argument("--speed", type=positive, help="times real speed; without it as fast as it goes")
    parser.add_argument("--until", type=moment, help="stop there, e.g. 2026-11-23T12:08:00Z")
    parser.add_argument("--serve", action="store_true", help="show wallboard and API meanwhile, and stay afterwards")
    parser.add_argument("--store", metavar="URL", help="journal what is played, e.g. sqlite:///day.db")
    parser.add_argument("--visits", type=Path, metavar="OUT.csv", help="one row a visit")
    parser.add_argument("--contacts", type=Path, metavar="OUT.csv", help="one row a call")
    parser.add_argument("--status", type=Path, metavar="OUT.json", help="the status API's answer at the end")
    parser.add_argument("--alerts", type=Path, metavar="OUT.jsonl", help="one line a change of an alert")
    parser.add_argument("--predictions", type=Path, metavar="OUT.csv", help="one row a caller: the expected wait")
    return _replay


def _replay(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    sources = [_source(text) for text in chosen.sources]
    wanted = chosen_as(engine.ReplayOptions, chosen, store_url=chosen.store)
    recordings = engine.recordings(sources, settings, chosen.switch)
    with progress("replaying", None) as advance:
        played = asyncio.run(engine.replay_recordings(settings, recordings, wanted, advance, announce))
    print(played.summary(), file=sys.stderr)
    return 0


def backtest(parser: ArgumentParser) -> Run:
    """Take the arguments of `backtest`."""
    parser.add_argument(
        "past", metavar="CALLS.csv|JOURNAL", help="past calls, a file of events, or a journal's address"
    )
    parser.add_argument("--config", type=Path, help="the TOML file: target, opening hours, levels of the alerts")
    parser.add_argument("--limit", type=seconds, metavar="SECONDS", help="ask for another limit, e.g. 300")
    parser.add_argument("--target", type=ratio, metavar="SHARE", help="ask for another share, e.g. 0.9")
    parser.add_argument("--definition", choices=[name.value for name in DefinitionId], help="ask by another definition")
    parser.add_argument("--short-abandon", type=seconds, metavar="SECONDS", help="a hang-up sooner than this is short")
    parser.add_argument("--train-until", type=day, metavar="DATE", help="days up to this one only teach")
    parser.add_argument("--alerts", type=Path, metavar="OUT.jsonl", help="one line a change of an alert")
    parser.add_argument("--predictions", type=Path, metavar="OUT.csv", help="one row a caller: the expected wait")
    parser.add_argument("--html", type=Path, metavar="OUT.html", help="one page that shows each judged day")
    return _backtest


def _backtest(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    asked = {
        "limit_seconds": chosen.limit,
        "ratio": chosen.target,
        "definition": DefinitionId(chosen.definition) if chosen.definition else None,
        "short_abandon_seconds": chosen.short_abandon,
    }
    target = structs.replace(settings.target, **{key: value for key, value in asked.items() if value is not None})
    settings = structs.replace(settings, target=target)
    hours = config.describe_hours(settings) + ("" if chosen.config else " (built in; --config sets others)")
    wanted = chosen_as(backtesting.BacktestOptions, chosen, hours=hours)
    with progress("living through the past", None) as advance:
        found = asyncio.run(backtesting.backtest(settings, live_of(settings), wanted, advance))
    print(backtesting.text(found))
    return 0


def _source(text: str) -> tuple[str, Path]:
    kind, colon, path = text.partition(":")
    if not colon or not path:
        raise RecordingError(f"{text!r} is not KIND:PATH, such as asterisk_ami:capture.raw")
    return kind, Path(path)
