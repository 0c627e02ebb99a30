"""The report on personal data of callers and agents: what is kept, why, and until when, for the person responsible."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from msgspec import Struct

from queue_monitor.app.owned_store import store_options
from queue_monitor.app.retention import months_before
from queue_monitor.config import Config
from queue_monitor.model import AdminAct
from queue_monitor.ports import StoreError
from queue_monitor.store import RETENTION, Kind, described, exists, open_store
from queue_monitor.texts import clock, say

WIDTH: Final = 100
OTHERS: Final = ("number_keys", "agent_key", "learned", "waiting")
"""The data that are kept beside the table, and not for a number of months."""

_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Found(Struct, frozen=True, kw_only=True):
    """The store's answer: the oldest day of each kind, and the newest deletion of it.

    `unread`: the reason why the store could not be read.
    `is_empty`: there is no store yet.
    """

    begins: dict[Kind, datetime] = {}
    deletions: dict[str, AdminAct] = {}
    unread: str = ""
    is_empty: bool = False


async def asked(config: Config, now: datetime) -> Found:
    """Read these facts from the store; a monitor may run meanwhile."""
    if not exists(config.store.url):
        return Found(is_empty=True)
    try:
        store = await open_store(config.store.url, own=False, **store_options(config))
        try:
            acts = [act for act in await store.acts(_EVER, now) if act.act == RETENTION]
            return Found(begins=await store.begins(), deletions={act.subject: act for act in acts})
        finally:
            await store.close()
    except StoreError as error:
        return Found(unread=str(error))


def report(config: Config, found: Found, today: date, language: str) -> str:
    """Return the whole report, in lines of at most `WIDTH` characters where words allow."""
    lines = [
        say("privacy.title", language, organisation=config.organisation.name, day=today),
        "",
        *textwrap.wrap(say("privacy.intro", language), WIDTH),
        *_wrapped(say("privacy.store", language, store=described(config.store.url))),
    ]
    if found.is_empty:
        lines.append(say("privacy.empty", language))
    elif found.unread:
        lines += _wrapped(say("privacy.unread", language, reason=found.unread))
    if not any(getattr(config.retention, kind).deletes for kind in config.retention.__struct_fields__):
        lines += ["", *_wrapped(say("privacy.none_decided", language))]
    for kind in config.retention.__struct_fields__:
        lines += ["", *_of_the_table(kind, config, found, today, language)]
    for name in OTHERS:
        words = (("what", ".what"), ("why", ".why"), ("until", ".until"))
        said = [(label, say(f"privacy.{name}{end}", language)) for label, end in words]
        lines += ["", say(f"privacy.{name}.name", language), *_entries(said, language)]
    return "\n".join(lines)


def _of_the_table(kind: str, config: Config, found: Found, today: date, language: str) -> Iterator[str]:
    own = getattr(config.retention, kind)
    if own.deletes:
        before, time = months_before(today, own.months), _time(own.months, language)
        until = say("privacy.decided", language, time=time, decision=own.decision, day=before)
    elif own.months is not None:
        until = say("privacy.undecided", language, time=_time(own.months, language))
    else:
        until = say("privacy.unlimited", language)
    agents = say(f"privacy.agents.{config.store.agents}", language)
    folder = config.store.backups or "store.backups"
    said = [
        ("what", say(f"privacy.{kind}.what", language, agents=agents, folder=folder)),
        ("why", say(f"privacy.{kind}.why", language)),
        ("until", until),
    ]
    begins = found.begins.get(Kind(kind)) if kind in set(Kind) else None
    if begins is not None:
        said.append(("since", f"{begins.astimezone(config.zone):%Y-%m-%d}"))
    if own.deletes:
        act = found.deletions.get(kind)
        at = None if act is None else act.at.astimezone(config.zone)
        nothing = say("privacy.nothing", language)
        said.append(("deleted", nothing if at is None else f"{at:%Y-%m-%d} {clock(at, str(config.zone), language)}"))
    yield say(f"privacy.{kind}.name", language)
    yield from _entries(said, language)


def _time(months: int, language: str) -> str:
    return say("privacy.month", language) if months == 1 else say("privacy.months", language, number=months)


def _entries(said: list[tuple[str, str]], language: str) -> Iterator[str]:
    width = max(len(say(f"privacy.{label}", language)) for label in ("what", "why", "until", "since", "deleted")) + 2
    for label, text in said:
        head = f"  {say(f'privacy.{label}', language) + ':':{width}}"
        yield from textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False, break_long_words=False)
