"""The commands that try something out: check-config and test-alarm."""

import asyncio
from argparse import ArgumentParser, Namespace
from pathlib import Path

from queue_monitor import config
from queue_monitor.app import alerting, checks, wiring
from queue_monitor.clock import SystemClock
from queue_monitor.commands.exits import DIFFERENT
from queue_monitor.commands.options import Run, load


def check_config(parser: ArgumentParser) -> Run:
    """Take the arguments of `check-config`."""
    parser.add_argument("config", type=Path, nargs="?", help="the TOML file; without it the embedded defaults")
    return _check_config


def _check_config(chosen: Namespace) -> int:
    try:
        understood = load(chosen.config)
    except config.ConfigError as error:
        if not all(mistake.to_fill_in for mistake in error.mistakes):
            raise
        print("NOT READY TO RUN. Nothing is wrong, but this is still to be filled in:")
        print("\n".join(f"to fill in    {mistake}" for mistake in error.mistakes))
        return 0
    if mistakes := checks.mistakes_at_start(understood):
        raise config.ConfigError(mistakes)
    print(config.describe(understood, has_tokens=wiring.has_tokens(understood)))
    for day, name in checks.days_to_confirm(understood, checks.today_of(understood)):
        print(f"to confirm    {day} {name}: counts as a full day until [[hours.exceptions]] says what it is")
    return 0


def test_alarm(parser: ArgumentParser) -> Run:
    """Take the arguments of `test-alarm`."""
    parser.add_argument("channel", nargs="?", default="", help="only this channel")
    parser.add_argument("--config", type=Path, help="the TOML file")
    return _test_alarm


def _test_alarm(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    results = asyncio.run(alerting.send_tests(settings, SystemClock().now(), chosen.channel))
    for where, wrong in results:
        print(f"{where}: {wrong or 'sent'}")
    return DIFFERENT if any(wrong for _, wrong in results) else 0
