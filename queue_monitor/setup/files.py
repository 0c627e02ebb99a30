"""The files of an installation: settings, secrets, and the unit or container file that starts the monitor."""

from collections.abc import Mapping
from datetime import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from queue_monitor.config import shipped
from queue_monitor.config.secrets_file import NAME as SECRETS
from queue_monitor.setup.answers import MAIL, SQLITE, Answers, Service
from queue_monitor.setup.source import Lines, toml
from queue_monitor.whole_file import write_whole

SETTINGS: Final = "queue-monitor.toml"
DATABASE: Final = "DATABASE_URL"
MAIL_URL: Final = "MAIL_URL"
_UNIT: Final = "queue-monitor.service"
_BACKUP_UNITS: Final = ("queue-monitor-backup.service", "queue-monitor-backup.timer")
_SHIPPED: Final = ("/etc/queue-monitor/", "/opt/queue-monitor/bin/queue-monitor")
_PLAIN: Final = 0o644


class Holder(Struct, frozen=True, kw_only=True):
    """The first token's holder: a name, and the check value of the token."""

    name: str
    token_sha256: str


def contents(answers: Answers, source: Lines, holder: Holder, program: str) -> dict[str, str]:
    """Return the contents by the file's name; `program` is the path of `queue-monitor`."""
    found = {SETTINGS: settings(answers, source, holder), SECRETS: _secrets(answers, source)}
    if answers.service is Service.SYSTEMD:
        found |= {name: _unit(name, answers, program) for name in units(answers)}
    elif answers.service is Service.COMPOSE:
        found["compose.yaml"] = _COMPOSE
    return found


def units(answers: Answers) -> tuple[str, ...]:
    """Return the units of systemd by name; the nightly backup is of an SQLite file, PostgreSQL has tools of its own."""
    return (_UNIT, *_BACKUP_UNITS) if answers.store == SQLITE else (_UNIT,)


def write(folder: Path, found: Mapping[str, str]) -> None:
    """Write all files, secrets for their owner alone.

    Raises `FileExistsError` where one exists already, and then none is written.
    """
    for name in found:
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} exists already; nothing was written")
    for name, text in found.items():
        write_whole(folder / name, text.encode(), anew=True)
        if name != SECRETS and not (name == SETTINGS and "compose.yaml" not in found):
            (folder / name).chmod(_PLAIN)


def room_for_all(folder: Path) -> None:
    """Raise `FileExistsError` where a file of every set-up exists already, before a person is asked anything."""
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is no folder; name the one to write in")
    for name in (SETTINGS, SECRETS):
        if (folder / name).exists():
            raise FileExistsError(f"{folder / name} exists already; nothing was written")


def settings(answers: Answers, source: Lines, holder: Holder) -> str:
    """Return the settings, with a remark on each part."""
    store = toml(f"sqlite:///{answers.home}/queue-monitor.db") if answers.store == SQLITE else f'"env:{DATABASE}"'
    shown = [f"[queues.{toml(queue)}]\nlabel = {toml(queue)}" for queue in answers.queues]
    return _SETTINGS.format(
        folder=answers.folder,
        organisation=toml(answers.organisation),
        language=toml(answers.language),
        opens=f"{answers.opens:%H:%M}",
        closes="24:00" if answers.closes == time.max else f"{answers.closes:%H:%M}",
        source=source.text,
        store=store,
        home=answers.home,
        holder=toml(holder.name),
        digest=holder.token_sha256,
        alerts=_alerts(answers),
        queues="\n\n".join(shown) or '#[queues."the-switch\'s-name"]\n#label = "Kundcenter"',
    )


def _alerts(answers: Answers) -> str:
    remark = "" if answers.mail_to else "#"
    text = _ALERTS.format(mail=MAIL, variable=MAIL_URL)
    return "\n".join(f"{remark}{line}" if line else line for line in text.splitlines())


def _secrets(answers: Answers, source: Lines) -> str:
    kept = dict(source.secrets)
    if answers.store != SQLITE:
        kept[DATABASE] = answers.store
    if answers.mail_to:
        kept[MAIL_URL] = answers.mail_url
    entries = [f"{name}={_quoted(value)}" if value else f"#{name}=" for name, value in kept.items()]
    return "\n".join([_SECRETS_HEAD, *entries, ""])


def _quoted(value: str) -> str:
    """Return a value that systemd, Docker and we read alike: in single quotes where a sign could mean something."""
    return value if all(sign.isalnum() or sign in "._-:/@" for sign in value) else f"'{value}'"


def _unit(name: str, answers: Answers, program: str) -> str:
    text = (shipped() / name).read_text(encoding="utf-8")
    text = text.partition("\n\n")[2] if text.startswith("#") else text
    return text.replace(_SHIPPED[0], f"{answers.folder}/").replace(_SHIPPED[1], program)


_SECRETS_HEAD: Final = """\
# Secrets of the queue monitor, NAME=value, for their owner alone; the settings name them as env:NAME.
# A line that begins with # is still to be filled in."""

_SETTINGS: Final = """\
# Settings of the queue monitor, made by `queue-monitor init`. Every setting: docs/settings.md.
#
#     queue-monitor check-config {folder}/queue-monitor.toml    what they mean, and what is wrong
#     queue-monitor doctor --config {folder}/queue-monitor.toml    how the installation is

[organisation]
name = {organisation}
language = {language}                  # what people are shown: "sv" or "en"
time_zone = "Europe/Stockholm"


# What is promised: 90 % of the calls are answered within 300 seconds.
[target]
limit_seconds = 300
ratio = 0.9
definition = "D2"                # of all callers; docs/definitions.md


# When the promise holds. Other days are closed, and so are Swedish public holidays.
[[hours.weekdays]]
days = ["mon", "tue", "wed", "thu", "fri"]
open = "{opens}"
close = "{closes}"

# A date that differs. `check-config` lists the days that many shorten.
#[[hours.exceptions]]
#date = 2026-12-23
#open = "08:00"
#close = "12:00"


# The switchboard. A value env:NAME stands for what secrets.env beside this file, or the environment, has under NAME.
{source}


# Where events and history are kept.
[store]
url = {store}
spill = "{home}/spill.jsonl"
agent_key = "{home}/agent.key"
number_keys = "{home}/number-keys.json"
backups = "{home}/backups"


# For how many months each kind is kept. Nothing is deleted until a decision is named: decision = "KS 2026/123".
[retention]
journal = {{ months = 24 }}
calls = {{ months = 24 }}
sums = {{ months = 120 }}
alerts = {{ months = 24 }}
audit = {{ months = 36 }}
reports = {{ months = 120 }}
backups = {{ months = 1 }}


# For this machine alone; others come through a proxy with TLS (deploy/nginx.conf, deploy/Caddyfile).
[http]
host = "127.0.0.1"
port = 8080
token_file = "{home}/tokens.json"
trusted_proxies = ["127.0.0.1", "::1"]
read_without_token = false


# Who may come in. Another one: queue-monitor token "Tavlan i rummet" wallboard
[[access]]
name = {holder}
role = "lead"
token_sha256 = "{digest}"


# Who is told when the target is at risk. Try it: queue-monitor test-alarm
[alerts]
#link = "https://monitor.example"    # where people reach the pages: with it, messages carry a link to acknowledge

{alerts}


# What people are shown instead of the switchboard's name of a queue.
{queues}
"""

_ALERTS: Final = """[[alerts.channels]]
name = "{mail}"
url = "env:{variable}"

[[alerts.recipients]]
name = "teamledare"
channel = "{mail}"
"""

_COMPOSE: Final = """\
# The monitor in a container: docker compose up. It shares the host's network, so that a proxy on this
# machine reaches it on 127.0.0.1. The image is built in the repository: docker build -t queue-monitor .

services:
  monitor:
    image: queue-monitor
    network_mode: host
    restart: unless-stopped
    stop_grace_period: 30s
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: [/tmp]
    env_file: [secrets.env]
    volumes:
      - calls:/var/lib/queue-monitor
      - ./queue-monitor.toml:/etc/queue-monitor/queue-monitor.toml:ro

volumes:
  calls:
"""
