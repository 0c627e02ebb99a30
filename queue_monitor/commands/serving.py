"""The command `run`, and what it and `replay --serve` say at the start."""

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

from msgspec import structs

from queue_monitor import config
from queue_monitor.app import checks, demo, server, wiring
from queue_monitor.commands.options import Run, load, positive


def run(parser: ArgumentParser) -> Run:
    """Take the arguments of `run`."""
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--speed", type=positive, help="how fast simulated time runs beside life")
    return _run


def _run(chosen: Namespace) -> int:
    settings = load(chosen.config)
    if mistakes := checks.mistakes_of_keeping(settings):
        raise config.ConfigError(mistakes)
    if chosen.speed is not None:
        clock = structs.replace(settings.clock, rate=chosen.speed)
        settings = structs.replace(settings, clock=clock)
    os.umask(0o077)  # the monitor's files are for its own user alone
    asyncio.run(server.serve(settings, announce, partial(load, chosen.config), chosen.config))
    return 0


def announce(address: str, service: wiring.Service) -> None:
    clock, first = service.clock, service.first_token
    lines = [f"Wallboard:  {address}", f"Status API: {address}docs", f"Metrics:    {address}metrics"]
    lines.append(f"Reading:    {service.reading}.")
    if first is not None:
        lines.append(f"To acknowledge or declare anything, make the first token: {address.rstrip('/')}{first.path}")
    if not demo.is_real(clock):
        pace = f"{clock.rate:g} x real speed" if clock.rate else "standing still"
        lines.append(f"Simulated time: {clock.now():%Y-%m-%d %H:%M} UTC, {pace}.")
    if sys.stdout.isatty():  # a service manager or a container engine has no keys to press
        lines.append("Ctrl-C stops.")
    print("\n".join(lines), flush=True)
