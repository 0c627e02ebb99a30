"""Checks what a running monitor hears: each source of the settings, and the queues that walls are to show."""

from collections.abc import Iterator
from typing import Final

import msgspec

from queue_monitor.app import registry
from queue_monitor.config import Source, only_simulates
from queue_monitor.core.sources import Sources
from queue_monitor.doctor.finding import Finding, State, Subject
from queue_monitor.model import SourceNow
from queue_monitor.queues import keys_of, queue_key

AREA: Final = "sources"
BOARDS: Final = "boards"


async def check(subject: Subject) -> list[Finding]:
    """Check what the store says of each source, while a monitor writes to it; without one nothing is heard anyway."""
    store = subject.store
    if store is None or not store.owner:
        return []
    try:
        known = Sources.as_written(store.sources) if store.sources else ()
    except msgspec.DecodeError:
        return []
    sources = [each for each in subject.config.sources if each.enabled and not only_simulates([each])]
    return [finding for source in sources for finding in _source(subject, source, known, store.heard)]


def _source(
    subject: Subject, source: Source, known: tuple[SourceNow, ...], heard: tuple[str, ...]
) -> Iterator[Finding]:
    """Yield what is known of a source; of a broker also what is known of each publisher that the settings name."""
    names = {"name": source.name, "kind": source.kind}
    own = registry.source_urn(source.kind, source.name)
    publishers = tuple(getattr(source.settings, "sources", ()))
    its = [each for each in known if each.name == own]
    if not its and own not in heard and not publishers:
        yield subject.found(AREA, "source.unheard", State.WATCH, **names)
    for name in publishers:
        found = [each for each in known if name in (each.name, each.name.rpartition(":")[2])]
        if not found and not any(name in (other, other.rpartition(":")[2]) for other in heard):
            yield subject.found(AREA, "source.unheard", State.WATCH, name=f"{source.name}, {name}", kind=source.kind)
        its += found
    yield from (_heard(subject, each, names) for each in its)


def _heard(subject: Subject, source: SourceNow, names: dict[str, str]) -> Finding:
    gaps = names | {"urn": source.name, "since": subject.minute(source.since) if source.since else ""}
    if source.up:
        return subject.found(AREA, "source.heard", **gaps)
    if source.is_silent:
        gaps["since"] = subject.minute(source.last_event_at or source.since or subject.now)
        return subject.found(AREA, "source.silent", State.WRONG, **gaps)
    return subject.found(AREA, "source.lost", State.WRONG, reason=source.reason, **gaps)


async def check_boards(subject: Subject) -> list[Finding]:
    """Check that calls have come to the queues that walls and pools name: queues come from the switch, and a name that
    is spelt otherwise there shows nothing.
    """
    config, store = subject.config, subject.store
    named = {f"wallboard.boards {board.name}": board.queues for board in config.wallboard.boards if board.queues}
    named |= {f"pools {pool.name}": pool.queues for pool in config.pools}
    if not named or store is None:
        return []
    known, shown = keys_of(store.queues), ", ".join(sorted(store.queues))
    found = []
    for where, queues in named.items():
        unseen = ", ".join(queue for queue in queues if queue_key(queue) not in known)
        if unseen:
            key = "boards.unseen" if shown else "boards.none_seen"
            found.append(subject.found(BOARDS, key, State.WATCH, where=where, queues=unseen, known=shown))
    return found or [subject.found(BOARDS, "boards.seen", count=len(named))]
