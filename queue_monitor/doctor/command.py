"""The command `queue-monitor doctor`: its arguments and its output."""

import argparse
import asyncio
import sys
import tomllib
from pathlib import Path
from typing import Final, NoReturn

from queue_monitor import texts
from queue_monitor.clock import SystemClock
from queue_monitor.commands.options import Run, load, settings_file
from queue_monitor.config import ConfigError
from queue_monitor.doctor import examine, unusable
from queue_monitor.doctor.finding import State
from queue_monitor.doctor.report import as_json, as_text
from queue_monitor.ports import Clock
from queue_monitor.whole_output import whole_output

WRONG: Final = 1
"""The exit code when something is wrong; findings that are only to be watched give 0."""


def doctor(parser: argparse.ArgumentParser) -> Run:
    """Take the arguments of `doctor`."""
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--language", choices=texts.LANGUAGES, help="without it the language of the settings")

    def run(chosen: argparse.Namespace) -> int:
        if chosen.config is not None and not chosen.config.is_file():
            _refuse(parser, f"--config: there is no file {chosen.config}")
        return _run(chosen, settings_file(chosen.config))

    return run


def _refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    parser.error(message)


def _run(chosen: argparse.Namespace, path: Path | None) -> int:
    clock = SystemClock()
    try:
        config = load(chosen.config)
        report = asyncio.run(examine(config, path, clock, chosen.language or config.organisation.language))
        zone = config.organisation.time_zone
    except ConfigError as error:
        if path is None:
            raise
        report, zone = unusable(error, path, clock, chosen.language or _language(path)), _ZONE
    if chosen.json:
        with whole_output() as out:
            out.write(as_json(report) + b"\n")
    else:
        sys.stdout.write(as_text(report, _at(clock, zone, report.language)) + "\n")
    return WRONG if report.state is State.WRONG else 0


_ZONE: Final = "Europe/Stockholm"


def _at(clock: Clock, zone: str, language: str) -> str:
    now = clock.now()
    return f"{texts.date_words(now, zone, language)} {texts.clock(now, zone, language)}"


def _language(path: Path) -> str:
    """Read the language out of settings that cannot be used, as far as that goes."""
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8-sig"))["organisation"]["language"]
    except (OSError, ValueError, KeyError, TypeError):
        return texts.known_language(None)
    return texts.known_language(str(written))
