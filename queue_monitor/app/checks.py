"""Checks the settings against the world before a start: certificates, channels, logs, days to confirm."""

import os
import stat
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Final

from queue_monitor.app.alerting import channel_mistakes
from queue_monitor.app.registry import adapter_module
from queue_monitor.app.retention import months_before
from queue_monitor.app.rules_from_config import calendar_of
from queue_monitor.clock import SystemClock
from queue_monitor.config import Config, Mistake
from queue_monitor.store import StoreAddressError, described

CERTIFICATES: Final = ("tls_ca", "tls_cert", "tls_key", "ca_file")
"""The names of adapter settings that hold a file of certificates or the key of one."""


def mistakes_at_start(config: Config) -> list[Mistake]:
    """Return the mistakes that a start would meet: addresses of channels, files of certificates."""
    found = [*mistakes_of_keeping(config), *channel_mistakes(config)]
    for place, source in enumerate(config.sources):
        for name in CERTIFICATES:
            path = getattr(source.settings, name, "")
            if source.enabled and path and not os.access(path, os.R_OK):
                expected = "a certificate's file that can be read"
                found.append(Mistake(f"sources[{place}].{name}", f'"{path}"', expected, f'source "{source.name}"'))
    return found


def mistakes_of_keeping(config: Config) -> list[Mistake]:
    """Return why the calls could not be kept as the settings say: the store's address, and for how long. Reads logs."""
    found = [*file_mistakes(config), *log_mistakes(config, today_of(config))]
    try:
        described(config.store.url)
    except StoreAddressError as error:
        found.append(Mistake("store.url", error.found, error.expected))
    return found


def file_mistakes(config: Config) -> list[Mistake]:
    """Return which of our own files cannot be one: where a folder stands, or a device, which may be read for ever."""
    ours = {
        "store.spill": config.store.spill,
        "store.agent_key": config.store.agent_key,
        "store.number_keys": config.store.number_keys,
        "http.token_file": config.http.token_file,
    }
    if config.store.url.startswith("sqlite:///"):
        ours["store.url"] = config.store.url.removeprefix("sqlite:///")
    places = {key: Path(path).resolve() for key, path in ours.items() if path}
    found = [
        Mistake(key, f'"{path}", as {other}', "a file of its own for each")
        for (other, one), (key, path) in combinations(places.items(), 2)
        if one == path
    ]
    return found + [
        Mistake(key, f'"{path}" is there and is no file', "a file of the monitor's own")
        for key, path in ours.items()
        if key != "store.url" and _is_no_file(path)
    ]


def _is_no_file(path: str) -> bool:
    """Return whether something else than a file stands there."""
    try:
        return not stat.S_ISREG(Path(path).stat().st_mode)
    except OSError:
        return False


def log_mistakes(config: Config, today: date) -> list[Mistake]:
    """Return where the journal would be kept for a shorter time than a connected log goes back. Reads the logs."""
    months = config.retention.journal.months
    found: list[Mistake] = []
    for source in config.sources if months is not None else ():
        reaches_back = getattr(adapter_module(source.kind), "reaches_back", None)
        oldest = reaches_back(source.settings) if source.enabled and reaches_back else None
        if oldest is not None and months is not None:
            day = oldest.astimezone(config.zone).date()
            if day < months_before(today, months):
                expected = f"at least the time that the log of source {source.name} reaches back, to {day}"
                found.append(Mistake("retention.journal.months", f"{months}", expected, hint="or a shorter log"))
    return found


def today_of(config: Config) -> date:
    """Return the local day by the machine's clock."""
    return SystemClock().now().astimezone(config.zone).date()


def days_to_confirm(config: Config, first: date, last: date | None = None) -> list[tuple[date, str]]:
    """Return the days that many organisations shorten and that the settings do not mention: they count in full.

    They lie from `first` to `last` (None: of a year).
    """
    return calendar_of(config, config.hours).days_to_confirm(first, last or first + timedelta(days=365))
