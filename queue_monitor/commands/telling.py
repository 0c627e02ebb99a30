"""The commands that make something for people: report, privacy, token."""

import asyncio
import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from queue_monitor import texts
from queue_monitor.api.guard.access import digest, new_token
from queue_monitor.app import checks, reporting
from queue_monitor.app.owned_store import store_options
from queue_monitor.clock import SystemClock
from queue_monitor.commands import privacy as privacy_report
from queue_monitor.commands.exits import fail
from queue_monitor.commands.options import Run, count, load, name, path
from queue_monitor.model import Role
from queue_monitor.reports.forms import Form


def report(parser: ArgumentParser) -> Run:
    """Take the arguments of `report`."""
    parser.add_argument("--period", required=True, help="2026-10, 2026-T2, 2026-01..2026-08 or 2026")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--queue", type=name, help="one queue; without it all")
    whose.add_argument("--pool", type=name, help="a pool that has a name in the settings")
    parser.add_argument("--format", type=Form, choices=list(Form), default=Form.HTML, metavar="html|pdf|csv|json")
    parser.add_argument(
        "--version", type=count, default=0, metavar="N", help="as it was sealed then; without it the newest"
    )
    parser.add_argument("--out", type=path, metavar="FILE", help="a file or a folder; without it here")
    parser.add_argument("--language", choices=texts.LANGUAGES, default="", help="without it that of the settings")
    parser.add_argument("--config", type=Path, help="the TOML file")
    return _report


def _report(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    asked = reporting.Asked(
        period=chosen.period,
        queue=chosen.queue or "",
        pool=chosen.pool or "",
        form=chosen.format,
        version=chosen.version,
        out=chosen.out,
        language=chosen.language,
    )
    options = store_options(settings)
    try:
        made = asyncio.run(reporting.make(settings, options, SystemClock(), asked))
    except reporting.ReportMistake as error:
        return fail(str(error))
    print(made.summary())
    return 0


def privacy(parser: ArgumentParser) -> Run:
    """Take the arguments of `privacy`."""
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--language", choices=texts.LANGUAGES, help="without it the language of the settings")
    return _privacy


def _privacy(chosen: Namespace) -> int:
    settings = load(chosen.config, needs_sources=False)
    found = asyncio.run(privacy_report.asked(settings, SystemClock().now()))
    language = chosen.language or settings.organisation.language
    print(privacy_report.report(settings, found, checks.today_of(settings), language))
    return 0


def token(parser: ArgumentParser) -> Run:
    """Take the arguments of `token`."""
    parser.add_argument("name", help="who will hold it, for the record")
    parser.add_argument("role", choices=[role.value for role in Role])
    return _token


def _token(chosen: Namespace) -> int:
    """Make a token for its holder, which is kept nowhere; the settings keep its hash, which cannot be turned back."""
    if not chosen.name.strip() or not chosen.name.isprintable():
        return fail("name: it is empty or has a control character; say who will hold the token")
    token = new_token()
    print(f"The token, shown this once: {token}\n\nFor the settings:\n")
    print(f'[[access]]\nname = {json.dumps(chosen.name, ensure_ascii=False)}\nrole = "{chosen.role}"')
    print(f'token_sha256 = "{digest(token)}"')
    if chosen.role == Role.WALLBOARD:
        print(f"\nThe screen's address, once: http://…/?token={token}")
    return 0
