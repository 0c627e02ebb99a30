"""The command `healthcheck`: it must be cheap, for a container asks every few seconds."""

import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser, Namespace
from pathlib import Path

from queue_monitor.commands.options import Run, load


def healthcheck(parser: ArgumentParser) -> Run:
    """Take the arguments of `healthcheck`."""
    parser.add_argument("--config", type=Path)
    parser.add_argument("--url", help="instead of the address in the settings")
    return _healthcheck


def _healthcheck(chosen: Namespace) -> int:
    settings = load(chosen.config)
    host = f"[{settings.http.host}]" if ":" in settings.http.host else settings.http.host
    url = chosen.url or f"http://{host}:{settings.http.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            print(f"well: {url}")
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        words = getattr(reason, "strerror", None) or str(error)
        print(f"not well: {url}: {words}", file=sys.stderr)
        return 1
