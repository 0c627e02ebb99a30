"""The command `queue-monitor init`: its arguments, its questions, and its words at the end."""

import argparse
import getpass
import shlex
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import structs

from queue_monitor import config, texts
from queue_monitor.api.guard.access import digest, new_token
from queue_monitor.app import checks, registry
from queue_monitor.commands.exits import WRONG
from queue_monitor.commands.options import Run, path
from queue_monitor.config.secrets_file import NAME as SECRETS
from queue_monitor.setup import files
from queue_monitor.setup.answers import SQLITE, Answers, Service, Unclear, address, hours, organisation, server
from queue_monitor.setup.source import Kind, fitting, lines, variable
from queue_monitor.store import StoreAddressError, described

T = TypeVar("T")
_TRIES: Final = 5


def init(parser: argparse.ArgumentParser) -> Run:
    """Take the arguments of `init`."""
    parser.add_argument("folder", type=path, nargs="?", default=Path(), help="where to write; without it here")
    parser.add_argument("--yes", action="store_true", help="ask nothing: what is not named is left as it comes")
    parser.add_argument("--organisation", metavar="NAME", help="as it stands on the pages and in messages")
    parser.add_argument("--language", choices=texts.LANGUAGES, help="what people are shown")
    parser.add_argument("--switchboard", choices=registry.adapter_kinds(), metavar="KIND", help="its kind")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the switchboard's kind, e.g. host"
    )
    parser.add_argument("--queues", metavar="A,B", help="the queues' names, as the switchboard has them")
    parser.add_argument("--hours", metavar="08:00-17:00", help="opening hours, Monday to Friday")
    parser.add_argument("--mail-to", metavar="ADDRESS", help="who is sent alarms")
    parser.add_argument("--mail-server", metavar="HOST:PORT", help="the mail server; port 25 is not encrypted")
    parser.add_argument("--mail-user", metavar="NAME", help="the account at the mail server, if it wants one")
    parser.add_argument("--mail-password", metavar="PASSWORD", help="its password")
    parser.add_argument("--store", metavar="sqlite|URL", help="a file, or postgresql://user:password@host/database")
    parser.add_argument(
        "--for", dest="service", choices=[each.value for each in Service], help="what starts the monitor"
    )
    return _run


def _run(chosen: argparse.Namespace) -> int:
    try:
        answers = _flags(chosen)
        files.room_for_all(answers.folder)
        if not chosen.yes:
            answers = _asked(answers, chosen)
        return _write(answers)
    except (Unclear, FileExistsError) as error:
        print(f"queue-monitor init: {error}", file=sys.stderr)
    except EOFError:
        print()  # the question stands without an end of its line
        print("queue-monitor init: no answer came; name the answers, and say --yes", file=sys.stderr)
    return WRONG


def _flags(chosen: argparse.Namespace) -> Answers:
    """Read the options of the command line. Raises `Unclear`."""
    settings = {}
    for pair in chosen.set:
        key, equals, value = pair.partition("=")
        if not equals:
            raise Unclear(f"--set {pair}: expected KEY=VALUE, such as host=192.0.2.10")
        settings[key] = value
    named: dict[str, Any] = {
        "organisation": chosen.organisation,
        "language": chosen.language,
        "switchboard": chosen.switchboard,
        "mail_to": None if chosen.mail_to is None else address(chosen.mail_to),
        "mail_server": None if chosen.mail_server is None else server(chosen.mail_server),
        "mail_user": chosen.mail_user,
        "mail_password": chosen.mail_password,
        "store": None if chosen.store is None else _store(chosen.store),
        "service": None if chosen.service is None else Service(chosen.service),
        "queues": None if chosen.queues is None else _names(chosen.queues),
    }
    given = {key: value for key, value in named.items() if value is not None}
    if chosen.hours is not None:
        given["opens"], given["closes"] = hours(chosen.hours)
    return Answers(folder=chosen.folder.absolute(), settings=settings, **given)


def _asked(answers: Answers, chosen: argparse.Namespace) -> Answers:
    """Ask for the rest, one by one, without those named as options. Raises `EOFError` where nobody answers."""
    new: dict[str, Any] = {}
    if chosen.organisation is None:
        new["organisation"] = _ask("Whose calls are these?", answers.organisation, organisation)
    if chosen.switchboard is None:
        kinds = registry.adapter_kinds()
        new["switchboard"] = _ask(
            f"Which kind of switchboard: {', '.join(kinds)}?", answers.switchboard, _one_of(kinds)
        )
    answers = structs.replace(answers, **new)
    kind, settings = kind_of(answers.switchboard), dict(answers.settings)
    for key, means in kind.questions.items():
        if key not in settings:
            later = "; empty: filled in later" if not kind.default(key) else ""
            ask = _ask_unseen if variable(kind.example[key]) else _ask
            settings[key] = ask(f"{key} ({means.rstrip('.')}{later})?", kind.default(key), partial(fitting, kind, key))
    new = {"settings": {key: value for key, value in settings.items() if value}}
    if chosen.queues is None:
        new["queues"] = _ask("Which queues, with commas between (empty: as they come)?", "", _names)
    if chosen.hours is None:
        new["opens"], new["closes"] = _ask("Open from when to when, Monday to Friday?", "08:00-17:00", hours)
    if chosen.mail_to is None:
        new["mail_to"] = _ask("To which mail address do alarms go (empty: none)?", "", address)
    if new.get("mail_to", answers.mail_to) and chosen.mail_server is None:
        new["mail_server"] = _ask("Through which mail server, HOST:PORT (empty: filled in later)?", "", server)
    if chosen.store is None:
        new["store"] = _ask("Store: sqlite, or postgresql://user:password@host/database?", SQLITE, _store)
    if chosen.service is None:
        kinds = [each.value for each in Service]
        new["service"] = Service(_ask(f"What starts it: {', '.join(kinds)}?", "systemd", _one_of(kinds)))
    return structs.replace(answers, **new)


def _ask(question: str, default: str, read: Callable[[str], T]) -> T:
    """Ask until the answer can be read; an empty one means the default."""
    shown = f" [{default}]" if default else ""
    if sys.stdin is None:  # closed by whoever started us
        raise EOFError
    for _ in range(_TRIES):
        try:
            return read(input(f"{question}{shown} ").strip() or default)
        except Unclear as error:
            print(f"  {error}")
    raise EOFError


def _ask_unseen(question: str, default: str, read: Callable[[str], T]) -> T:
    """Ask for a secret, which a terminal does not show."""
    if not sys.stdin or not sys.stdin.isatty():
        return _ask(question, default, read)
    for _ in range(_TRIES):
        try:
            return read(getpass.getpass(f"{question} "))
        except Unclear as error:
            print(f"  {error}")
    raise EOFError


def _one_of(known: list[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in known:
            raise Unclear(f"{text!r}; expected {config.one_of(known)}")
        return text

    return read


def _store(text: str) -> str:
    """Return `sqlite` or the address of a store. Raises `Unclear` for one that no start could open."""
    try:
        if text != SQLITE:
            described(text)
    except StoreAddressError as error:
        raise Unclear(f"store: {error.found}; expected sqlite, or {error.expected}") from None
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def kind_of(name: str) -> Kind:
    """Return a kind of switchboard with its questions; one of another package without EXAMPLE has none."""
    module = registry.adapter_module(name)
    return Kind(name=name, settings=module.Settings, example=getattr(module, "EXAMPLE", {}))


def _write(answers: Answers) -> int:
    source, token = lines(kind_of(answers.switchboard), answers), new_token()
    holder = files.Holder(name="teamledare", token_sha256=digest(token))
    found = files.contents(answers, source, holder, _program())
    still = _checked(found)
    files.write(answers.folder, found)
    print(_summary(answers, found, token, [*still, *source.by_hand]))
    return 0


def _checked(found: dict[str, str]) -> list[str]:
    """Return the values still to be filled in. Raises `Unclear` where the settings would not be understood."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / files.SETTINGS
        for name in (files.SETTINGS, SECRETS):
            (place.parent / name).write_text(found[name], encoding="utf-8")
        environ = config.with_secrets(place, {})
        try:
            understood = config.load(place, environ, registry.settings_of, registry.adapter_kinds())
        except config.ConfigError as error:
            if wrong := [str(mistake) for mistake in error.mistakes if not mistake.to_fill_in]:
                raise Unclear("; ".join(wrong)) from error
            return [str(mistake) for mistake in error.mistakes]
    return [str(mistake) for mistake in checks.mistakes_at_start(understood)]


def _program() -> str:
    """Return the command that a unit starts: beside this Python where it is installed, else where the documents put
    it.
    """
    beside = Path(sys.executable).parent / "queue-monitor"
    return str(beside) if beside.exists() else "/opt/queue-monitor/bin/queue-monitor"


def _summary(answers: Answers, found: dict[str, str], token: str, still: list[str]) -> str:
    folder = answers.folder
    settings = shlex.quote(str(folder / files.SETTINGS))
    start = {
        Service.SYSTEMD: f"install -m 644 {' '.join(shlex.quote(str(folder / name)) for name in files.units(answers))}"
        f" /etc/systemd/system/ && systemctl enable --now {' '.join(_started(answers))}",
        Service.COMPOSE: f"docker compose --project-directory {shlex.quote(str(folder))} up -d",
        Service.NONE: f"queue-monitor run --config {settings}",
    }[answers.service]
    said = [f"Written: {', '.join(str(folder / name) for name in found)}"]
    if still:
        said += [f"Still to be filled in (secrets in {folder / SECRETS}):", *(f"  {each}" for each in still)]
    said += [
        f"The team lead's token, shown this once: {token}",
        f"Next:  queue-monitor doctor --config {settings}",
        f"Then:  {start}",
    ]
    if answers.store != SQLITE:
        said.append("Backup: PostgreSQL's own tools, pg_dump every night (docs/backup.md)")
    return "\n".join(said)


def _started(answers: Answers) -> list[str]:
    """Return the units to enable: of the backup its timer, which starts the rest."""
    names = [name for name in files.units(answers) if name != "queue-monitor-backup.service"]
    return [name.removesuffix(".service") for name in names]
