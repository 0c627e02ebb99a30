"""The command line: run, report, rebuild, verify, import, backup, restore, wipe, replay, backtest, simulate …

Longer than 450 lines because each command has its arguments and a function that calls the room which does the work.
"""

import argparse
import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from msgspec import structs
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from queue_monitor import __version__, backtest, config, importing, simulation, texts
from queue_monitor.api.guard.access import digest, new_token
from queue_monitor.app import alerting, checks, demo, logs, registry, reporting, server, wiring
from queue_monitor.app.owned_store import store_options
from queue_monitor.app.rules_from_config import live_of
from queue_monitor.clock import SystemClock
from queue_monitor.commands import backups, event_check, privacy, rebuilding, rejections
from queue_monitor.doctor import command as doctor_command
from queue_monitor.events import encode
from queue_monitor.model import DefinitionId, Role
from queue_monitor.ports import Rejected, StoreError, StoreInUse
from queue_monitor.replay import engine
from queue_monitor.replay.recording import RecordingError, play
from queue_monitor.reports.forms import Form
from queue_monitor.runtime.fault import Fault
from queue_monitor.setup import command as setup_command

CONFIG_VARIABLE: Final = "QUEUE_MONITOR_CONFIG"
WRONG: Final = 2
"""The exit code for a mistake in the request: settings, arguments, files."""

DIFFERENT: Final = 1
"""The exit code of `verify` for a difference, of `test-alarm` for a channel that failed, and of `check-events` for an
event that would be refused.
"""

FAULT: Final = 70
"""The exit code after our own code has raised on an event, which the next start skips (EX_SOFTWARE of sysexits.h)."""

BUSY: Final = 75
"""The exit code when another monitor owns the store or the database went away during the start.

Trying again later can help (EX_TEMPFAIL of sysexits.h).
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    logs.configure(verbose=chosen.verbose)
    command: Callable[[argparse.Namespace], int] = chosen.command
    try:
        return command(chosen)
    except StoreError as error:
        _fail(str(error))
        return BUSY if error.passing or isinstance(error, StoreInUse) else WRONG
    except Fault as error:
        _fail(str(error))
        return FAULT
    except (config.ConfigError, RecordingError, registry.UnknownKind) as error:
        return _fail(str(error))
    except BrokenPipeError:  # whoever reads the output has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        named = error.filename is not None and error.strerror
        return _fail(f"{error.filename}: {error.strerror}" if named else str(error))
    except KeyboardInterrupt:
        return 130


def _fail(message: str) -> int:
    print(f"queue-monitor: {message}", file=sys.stderr)
    return WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="queue-monitor", description="Follows every caller who waits, and says when the target is at risk."
    )
    parser.add_argument("--version", action="version", version=f"queue-monitor {__version__}")
    parser.add_argument("--verbose", action="store_true", help="log more")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the monitor; without --config on a simulated day")
    run.add_argument("--config", type=Path, help="the TOML file")
    run.add_argument("--speed", type=_positive, help="how fast simulated time runs beside life")
    run.set_defaults(command=_run)

    anew = commands.add_parser("rebuild", help="make the history anew from the journal; the monitor must not run")
    anew.add_argument("--config", type=Path, help="the TOML file")
    anew.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="only from this day on")
    anew.add_argument(
        "--by-present-rules",
        action="store_true",
        help="by the settings as they are now: the earlier ones were wrong",
    )
    anew.set_defaults(command=_rebuild)

    checked = commands.add_parser("verify", help="compare history, sums and journal; lists every difference")
    checked.add_argument("--config", type=Path, help="the TOML file")
    checked.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="only from this day on")
    checked.set_defaults(command=_verify)

    brought = commands.add_parser("import", help="take in years of past calls from files; the monitor must not run")
    brought.add_argument("files", nargs="+", type=Path, metavar="FILE", help="queue_log or CSV, packed or not")
    brought.add_argument("--config", type=Path, help="the TOML file: opening hours, queues, the store")
    brought.add_argument("--dry-run", action="store_true", help="change nothing; say what would be added, and what not")
    brought.add_argument("--replace", action="store_true", help="also on days that the journal or another import has")
    brought.add_argument("--kind", choices=importing.KINDS, default="", help="without it csv where there is a mapping")
    brought.add_argument("--mapping", type=Path, metavar="MAP.toml", help="what the columns of a CSV file are")
    brought.add_argument("--name", default="", help="how the calls are marked: import:NAME")
    brought.set_defaults(command=_import)

    refused = commands.add_parser("rejected", help="list what was not taken lately, by field and reason")
    refused.add_argument("--config", type=Path, help="the TOML file")
    refused.set_defaults(command=_rejected)

    saved = commands.add_parser("backup", help="copy the store into one file, also while the monitor runs")
    saved.add_argument("file", metavar="FILE", type=Path, nargs="?", help="a new file, or a folder; else store.backups")
    saved.add_argument("--config", type=Path, help="the TOML file")
    saved.set_defaults(command=_backup)

    put_back = commands.add_parser("restore", help="put a backup in the store's place; the monitor must not run")
    put_back.add_argument("file", metavar="FILE", type=Path)
    put_back.add_argument("--config", type=Path, help="the TOML file")
    put_back.add_argument("--over", action="store_true", help="also in the place of a store that holds calls")
    put_back.set_defaults(command=_restore)

    wiped = commands.add_parser("wipe", help="delete everything in the store; the monitor must not run")
    wiped.add_argument("--config", type=Path, help="the TOML file")
    wiped.add_argument("--yes", action="store_true", help="do not ask")
    wiped.set_defaults(command=_wipe)

    again = commands.add_parser("replay", help="play recordings through the live engine")
    again.add_argument("sources", nargs="+", metavar="KIND:PATH", help="a recording and the kind of switch it is from")
    again.add_argument("--config", type=Path, help="the TOML file: target, opening hours, names of switches")
    again.add_argument("--switch", help="the switchboard's name, shared by all the recordings of it")
    again.add_argument("--speed", type=_positive, help="times real speed; without it as fast as it goes")
    again.add_argument("--until", type=_moment, help="stop there, e.g. 2026-11-23T12:08:00Z")
    again.add_argument("--serve", action="store_true", help="show wallboard and API meanwhile, and stay afterwards")
    again.add_argument("--store", metavar="URL", help="journal what is played, e.g. sqlite:///day.db")
    again.add_argument("--visits", type=Path, metavar="OUT.csv", help="one row a visit")
    again.add_argument("--contacts", type=Path, metavar="OUT.csv", help="one row a call")
    again.add_argument("--status", type=Path, metavar="OUT.json", help="the status API's answer at the end")
    again.add_argument("--alerts", type=Path, metavar="OUT.jsonl", help="one line a change of an alert")
    again.add_argument("--predictions", type=Path, metavar="OUT.csv", help="one row a caller: the expected wait")
    again.set_defaults(command=_replay)

    past = commands.add_parser(
        "backtest", help="what would have been said of past calls, and how right it would have been"
    )
    past.add_argument("past", metavar="CALLS.csv|JOURNAL", help="past calls, a file of events, or a journal's address")
    past.add_argument("--config", type=Path, help="the TOML file: target, opening hours, levels of the alerts")
    past.add_argument("--limit", type=_seconds, metavar="SECONDS", help="ask for another limit, e.g. 300")
    past.add_argument("--target", type=_ratio, metavar="SHARE", help="ask for another share, e.g. 0.9")
    past.add_argument("--definition", choices=[name.value for name in DefinitionId], help="ask by another definition")
    past.add_argument("--short-abandon", type=_seconds, metavar="SECONDS", help="a hang-up within these is short")
    past.add_argument("--train-until", type=date.fromisoformat, metavar="DATE", help="days up to this one only teach")
    past.add_argument("--alerts", type=Path, metavar="OUT.jsonl", help="one line a change of an alert")
    past.add_argument("--predictions", type=Path, metavar="OUT.csv", help="one row a caller: the expected wait")
    past.add_argument("--html", type=Path, metavar="OUT.html", help="one page that shows each judged day")
    past.set_defaults(command=_backtest)

    made = commands.add_parser("simulate", help="print a made-up Kundcenter day as canonical events")
    made.add_argument("--date", type=date.fromisoformat, default=date(2026, 11, 23), help="the day, e.g. 2026-11-23")
    made.add_argument("--days", type=int, default=1, help="how many days in a row")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--kind", choices=[kind.value for kind in simulation.Kind], help="what kind of day")
    made.add_argument("--out", type=Path, metavar="FILE", help="write there instead of printing")
    made.set_defaults(command=_simulate)

    translate = commands.add_parser("translate", help="print the canonical events of a recording")
    translate.add_argument("kind", metavar="KIND")
    translate.add_argument("files", nargs="+", type=Path, metavar="FILE")
    translate.add_argument("--switch", default=engine.DEFAULT_SWITCH, help="the switchboard's name")
    translate.set_defaults(command=_translate)

    check = commands.add_parser("check-config", help="read the settings and say what was understood")
    check.add_argument("config", type=Path, nargs="?", help="the TOML file; without it the embedded defaults")
    check.set_defaults(command=_check_config)

    sent = commands.add_parser(
        "check-events", help="say of each event in a file whether it would be taken; exit 1 if not"
    )
    sent.add_argument("file", type=Path, metavar="FILE", help="JSON lines as a sender would send them; - for the input")
    sent.add_argument("--kind", choices=event_check.KINDS, default="http", help="how they would come; default http")
    sent.add_argument("--name", default="", help="the source's or publisher's name; without it as the first event says")
    sent.add_argument("--switch", default="", help="the switch's name; without it as the first event says")
    sent.set_defaults(command=_check_events)

    tried = commands.add_parser("test-alarm", help="send a test through the channels; exit 1 if one fails")
    tried.add_argument("channel", nargs="?", default="", help="only this channel")
    tried.add_argument("--config", type=Path, help="the TOML file")
    tried.set_defaults(command=_test_alarm)

    kept = commands.add_parser("privacy", help="print what is kept, why, and until when")
    kept.add_argument("--config", type=Path, help="the TOML file")
    kept.add_argument("--language", choices=texts.LANGUAGES, help="without it the language of the settings")
    kept.set_defaults(command=_privacy)

    told = commands.add_parser("report", help="make the report of a period, and seal it; a monitor may run")
    told.add_argument("--period", required=True, help="2026-10, 2026-T2, 2026-01..2026-08 or 2026")
    whose = told.add_mutually_exclusive_group()
    whose.add_argument("--queue", default="", help="one queue; without it all")
    whose.add_argument("--pool", default="", help="a pool that has a name in the settings")
    told.add_argument("--format", type=Form, choices=list(Form), default=Form.HTML, metavar="html|pdf|csv|json")
    told.add_argument(
        "--version", type=int, default=0, metavar="N", help="as it was sealed then; without it the newest"
    )
    told.add_argument("--out", type=Path, metavar="FILE", help="a file or a folder; without it here")
    told.add_argument("--language", choices=texts.LANGUAGES, default="", help="without it that of the settings")
    told.add_argument("--config", type=Path, help="the TOML file")
    told.set_defaults(command=_report)
    setup_command.add(commands)
    doctor_command.add(commands, _load, _settings_file)

    token = commands.add_parser("token", help="make an access token for a screen, a system or a person")
    token.add_argument("name", help="who will hold it, for the record")
    token.add_argument("role", choices=[role.value for role in Role])
    token.set_defaults(command=_token)

    health = commands.add_parser("healthcheck", help="ask a running monitor whether it is well; exit 0 or 1")
    health.add_argument("--config", type=Path)
    health.add_argument("--url", help="instead of the address in the settings")
    health.set_defaults(command=_healthcheck)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


def _seconds(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more seconds")
    return value


def _ratio(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError("must be a share between 0 and 1, such as 0.9")
    return value


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError("needs a time zone, such as a Z at the end")
    return at


def _settings_file(path: Path | None) -> Path | None:
    """Return the named settings file, else the one in QUEUE_MONITOR_CONFIG where it exists."""
    usual = Path(os.environ.get(CONFIG_VARIABLE, ""))
    return path or (usual if usual.is_file() else None)


def _load(path: Path | None, *, needs_sources: bool = True) -> config.Config:
    """Return the settings of that file, with the secrets beside it."""
    path, kinds = _settings_file(path), registry.adapter_kinds()
    environ = config.with_secrets(path, os.environ)
    return config.load(path, environ, registry.settings_of, kinds, needs_sources=needs_sources)


def _run(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config)
    if mistakes := checks.mistakes_of_keeping(settings):
        raise config.ConfigError(mistakes)
    if chosen.speed is not None:
        clock = structs.replace(settings.clock, rate=chosen.speed)
        settings = structs.replace(settings, clock=clock)
    os.umask(0o077)  # the monitor's files are for its own user alone
    asyncio.run(server.serve(settings, _announce, partial(_load, chosen.config), chosen.config))
    return 0


def _rebuild(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    with _counted_progress("rebuilding") as report:
        anew = rebuilding.rebuild(settings, chosen.first, report, by_present_rules=chosen.by_present_rules)
        made = asyncio.run(anew)
    print(made.summary())
    return 0


def _verify(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    with _counted_progress("verifying") as report:
        found = asyncio.run(rebuilding.verify(settings, chosen.first, report))
    for words in found.differences:
        print(words)
    print(found.summary())
    return DIFFERENT if found.differences else 0


def _import(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    wanted = importing.Wanted(
        files=tuple(chosen.files),
        kind=chosen.kind,
        name=chosen.name,
        mapping=chosen.mapping,
        dry_run=chosen.dry_run,
        replace=chosen.replace,
    )
    with _counted_progress("trying" if chosen.dry_run else "importing") as report:
        made = asyncio.run(importing.run(settings, wanted, report))
    print(importing.summary(made))
    return 0


def _rejected(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    items = asyncio.run(rejections.last_rejected(settings))
    for item in items:
        print(rejections.line(item, settings))
    if not items:
        print("Nothing was refused lately.")
    return 0


def _backup(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    print(backups.backup(settings, chosen.file, SystemClock().now()).summary())
    return 0


def _restore(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    print(asyncio.run(backups.restore(settings, chosen.file, over=chosen.over)).summary())
    return 0


def _wipe(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    if not chosen.yes:
        print("This deletes every call, sum and alert in the store. Type yes to go on: ", end="", flush=True)
        if sys.stdin.readline().strip() != "yes":
            return _fail("nothing was deleted")
    asyncio.run(rebuilding.wipe(settings))
    print("The store is empty.")
    return 0


def _report(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    asked = reporting.Asked(
        period=chosen.period,
        queue=chosen.queue,
        pool=chosen.pool,
        form=chosen.format,
        version=chosen.version,
        out=chosen.out,
        language=chosen.language,
    )
    options = store_options(settings)
    try:
        made = asyncio.run(reporting.make(settings, options, SystemClock(), asked))
    except reporting.ReportMistake as error:
        return _fail(str(error))
    print(made.summary())
    return 0


def _announce(address: str, service: wiring.Service) -> None:
    clock, first = service.clock, service.first_token
    lines = [f"Wallboard:  {address}", f"Status API: {address}docs", f"Metrics:    {address}metrics"]
    lines.append(f"Reading:    {service.reading}.")
    if first is not None:
        lines.append(f"To acknowledge or declare anything, make the first token: {address.rstrip('/')}{first.path}")
    if not demo.is_real(clock):
        pace = f"{clock.rate:g} x real speed" if clock.rate else "standing still"
        lines.append(f"Simulated time: {clock.now():%Y-%m-%d %H:%M} UTC, {pace}.")
    lines.append("Ctrl-C stops.")
    print("\n".join(lines), flush=True)


def _replay(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    sources = [_source(text) for text in chosen.sources]
    wanted = engine.ReplayOptions(
        speed=chosen.speed,
        until=chosen.until,
        serve=chosen.serve,
        store_url=chosen.store,
        visits=chosen.visits,
        contacts=chosen.contacts,
        status=chosen.status,
        alerts=chosen.alerts,
        predictions=chosen.predictions,
    )
    recordings = engine.recordings(sources, settings, chosen.switch)
    with _progress("replaying", None) as advance:
        played = asyncio.run(engine.replay_recordings(settings, recordings, wanted, advance, _announce))
    print(played.summary(), file=sys.stderr)
    return 0


def _backtest(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    asked = {
        "limit_seconds": chosen.limit,
        "ratio": chosen.target,
        "definition": DefinitionId(chosen.definition) if chosen.definition else None,
        "short_abandon_seconds": chosen.short_abandon,
    }
    target = structs.replace(settings.target, **{key: value for key, value in asked.items() if value is not None})
    settings = structs.replace(settings, target=target)
    hours = config.describe_hours(settings) + ("" if chosen.config else " (built in; --config sets others)")
    wanted = backtest.BacktestOptions(
        past=chosen.past,
        hours=hours,
        train_until=chosen.train_until,
        alerts=chosen.alerts,
        predictions=chosen.predictions,
        html=chosen.html,
    )
    with _progress("living through the past", None) as advance:
        found = asyncio.run(backtest.backtest(settings, live_of(settings), wanted, advance))
    print(backtest.text(found))
    return 0


def _source(text: str) -> tuple[str, Path]:
    kind, colon, path = text.partition(":")
    if not colon or not path:
        raise RecordingError(f"{text!r} is not KIND:PATH, such as asterisk_ami:capture.raw")
    return kind, Path(path)


def _simulate(chosen: argparse.Namespace) -> int:
    kind = simulation.Kind(chosen.kind) if chosen.kind else None
    out = chosen.out.open("wb") if chosen.out else sys.stdout.buffer
    try:
        with _progress("simulating", chosen.days) as advance:
            for day in range(chosen.days):
                made = simulation.Config(
                    date=date.fromordinal(chosen.date.toordinal() + day), seed=chosen.seed, kind=kind
                )
                for event in simulation.simulate(made).events:
                    out.write(encode(event) + b"\n")
                advance(1)
        out.flush()
    finally:
        if chosen.out:
            out.close()
    return 0


def _translate(chosen: argparse.Namespace) -> int:
    recording = registry.build_recording(chosen.kind, chosen.files, chosen.switch, chosen.switch)
    rejected: Counter[str] = Counter()
    for delivery in play([recording]):
        for item in delivery.items:
            if isinstance(item, Rejected):
                rejected[item.reason] += 1
                print(f"rejected: {item.reason}: {item.detail}", file=sys.stderr)
            else:
                sys.stdout.buffer.write(encode(item) + b"\n")
    sys.stdout.buffer.flush()
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items()))
    print(f"rejected: {rejected.total()}{f' ({reasons})' if reasons else ''}", file=sys.stderr)
    return 0


def _check_config(chosen: argparse.Namespace) -> int:
    try:
        understood = _load(chosen.config)
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


def _check_events(chosen: argparse.Namespace) -> int:
    sender = event_check.Sender(kind=chosen.kind, name=chosen.name, switch=chosen.switch)
    lines = sys.stdin.buffer if str(chosen.file) == "-" else chosen.file.read_bytes().splitlines()
    taken, refused = 0, 0
    for found in event_check.judged(lines, sender, SystemClock().now()):
        print(found)
        taken, refused = taken + (not found.reason), refused + bool(found.reason)
    print(f"accepted: {taken}, refused: {refused}")
    return DIFFERENT if refused or not taken else 0


def _test_alarm(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    results = asyncio.run(alerting.send_tests(settings, SystemClock().now(), chosen.channel))
    for where, wrong in results:
        print(f"{where}: {wrong or 'sent'}")
    return DIFFERENT if any(wrong for _, wrong in results) else 0


def _privacy(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config, needs_sources=False)
    found = asyncio.run(privacy.asked(settings, SystemClock().now()))
    language = chosen.language or settings.organisation.language
    print(privacy.report(settings, found, checks.today_of(settings), language))
    return 0


def _token(chosen: argparse.Namespace) -> int:
    """Make a token for its holder, which is kept nowhere; the settings keep its hash, which cannot be turned back."""
    token = new_token()
    print(f"The token, shown this once: {token}\n\nFor the settings:\n")
    print(f'[[access]]\nname = {json.dumps(chosen.name, ensure_ascii=False)}\nrole = "{chosen.role}"')
    print(f'token_sha256 = "{digest(token)}"')
    if chosen.role == Role.WALLBOARD:
        print(f"\nThe screen's address, once: http://…/?token={token}")
    return 0


def _healthcheck(chosen: argparse.Namespace) -> int:
    settings = _load(chosen.config)
    host = f"[{settings.http.host}]" if ":" in settings.http.host else settings.http.host
    url = chosen.url or f"http://{host}:{settings.http.port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            print(f"well: {url}")
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError) as error:
        print(f"not well: {url}: {error}", file=sys.stderr)
        return 1


@contextmanager
def _counted_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Return a bar that takes how much is done, of how much."""
    with _bar(what, None) as (progress, task):

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Return a bar that counts steps."""
    with _bar(what, total) as (progress, task):

        def advance(steps: int) -> None:
            progress.advance(task, steps)

        yield advance


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """Yield a bar on a terminal; none where nobody looks."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress, progress.add_task(what, total=total)


def _exit() -> NoReturn:
    sys.exit(main())


if __name__ == "__main__":
    _exit()
