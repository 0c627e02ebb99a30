"""Checks each source: whether it can be reached, whether a harmless login succeeds, and how far back its log goes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from msgspec import Struct

from queue_monitor.app import checks, registry
from queue_monitor.config import Source, only_simulates
from queue_monitor.config.mistakes import Mistake
from queue_monitor.doctor.clock import difference
from queue_monitor.doctor.finding import Finding, State, Subject
from queue_monitor.ports import AdapterError, Clock, Reach

AREA: Final = "sources"
MAX_SECONDS: Final = 15.0
_QUIET: Final = timedelta(days=4)
"""The time without a line after which a log is suspect, longer than a long weekend."""

Look = Callable[[str, str, Struct, Clock], Awaitable[Reach]]


async def check(subject: Subject) -> list[Finding]:
    """Check all sources at once; the findings are in the order of the settings."""
    every = await asyncio.gather(*(_source(subject, source) for source in subject.config.sources))
    none = [] if any(source.enabled for source in subject.config.sources) else [_none(subject)]
    return [*(finding for found in every for finding in found), *none]


def _none(subject: Subject) -> Finding:
    return subject.found(AREA, "source.none", State.WATCH)


async def _source(subject: Subject, source: Source) -> list[Finding]:
    named = {"name": source.name, "kind": source.kind}
    if not source.enabled:
        return [subject.found(AREA, "source.off", **named)]
    look: Look | None = getattr(registry.adapter_module(source.kind), "reach", None)
    if look is None:
        key = "source.made_up" if only_simulates([source]) else "source.comes_to_us"
        return [subject.found(AREA, key, **named)]
    try:
        async with asyncio.timeout(MAX_SECONDS):
            reach = await look(source.name, source.switch, source.settings, subject.clock)
    except AdapterError as error:
        return [subject.found(AREA, "source.failed", State.WRONG, reason=str(error), **named)]
    except TimeoutError:
        return [subject.found(AREA, "source.late", State.WRONG, seconds=f"{MAX_SECONDS:g}", **named)]
    return [*_reached(subject, source, reach, named), *difference(subject, source.name, reach)]


def _reached(subject: Subject, source: Source, reach: Reach, named: dict[str, str]) -> list[Finding]:
    if getattr(source.settings, "path", None) is None:
        return [subject.found(AREA, "source.reached" if reach.logged_in else "source.listens", **named)]
    if not hasattr(registry.adapter_module(source.kind), "reaches_back"):
        return [subject.found(AREA, "source.file", **named)]
    return [_log(subject, reach, named), *(_too_short(subject, mistake) for mistake in _mistakes(subject, source))]


def _log(subject: Subject, reach: Reach, named: dict[str, str]) -> Finding:
    if reach.oldest is None or reach.newest is None:
        return subject.found(AREA, "source.log_empty", State.WATCH, **named)
    oldest, newest = subject.day(reach.oldest), subject.minute(reach.newest)
    if subject.now - reach.newest > _QUIET:
        return subject.found(AREA, "source.log_quiet", State.WATCH, newest=newest, **named)
    return subject.found(AREA, "source.log", oldest=oldest, newest=newest, **named)


def _mistakes(subject: Subject, source: Source) -> list[Mistake]:
    today = subject.now.astimezone(subject.config.zone).date()
    mistakes = checks.log_mistakes(subject.config, today)
    return [mistake for mistake in mistakes if f"source {source.name} " in mistake.expected]


def _too_short(subject: Subject, mistake: Mistake) -> Finding:
    return subject.found(AREA, "source.log_reaches", State.WRONG, mistake=str(mistake))
