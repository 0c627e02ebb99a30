"""The rows that imports brought: a rebuild leaves them as they are, for the journal does not have them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, exists, select

from queue_monitor.model import IMPORT_SOURCE, Level
from queue_monitor.store.names import SOURCE
from queue_monitor.store.refusals import shares as refusal_shares
from queue_monitor.store.schema import SITE, contact, name, refusal, visit
from queue_monitor.store.tally import Share, share

_SHARES: Final = ("queue", "inside", "at_us", "field", "early", "brought_by", "judged_ms", "recorded")


def import_sources(connection: Connection) -> list[int]:
    """Return the numbers of all sources that are imports."""
    named = name.c.kind == SOURCE, name.c.text.startswith(IMPORT_SOURCE, autoescape=True)
    return list(connection.execute(select(name.c.id).where(name.c.site == SITE, *named)).scalars())


def is_imported(sources: Sequence[int]) -> Any:
    """Return the condition that one of these sources was the first to report a contact."""
    its = (visit.c.site == SITE, visit.c.contact == contact.c.key, visit.c.number == 0, visit.c.source.in_(sources))
    return exists(select(visit.c.number).where(*its))


def imported_shares(connection: Connection, sources: Sequence[int], start_us: int) -> Iterator[Share]:
    """Yield the shares of imported calls and refused callers that count at or after a moment."""
    for level, table in ((Level.CONTACT, contact), (Level.VISIT, visit)):
        columns = [table.c[column] for column in _SHARES]
        ours = is_imported(sources) if table is contact else visit.c.source.in_(sources)
        rows = connection.execute(select(*columns).where(table.c.site == SITE, table.c.at_us >= start_us, ours))
        for row in rows:
            if found := share(level, *row):
                yield found
    kept = (refusal.c.site == SITE, refusal.c.counted_us >= start_us, refusal.c.source.in_(sources))
    for refused in connection.execute(select(refusal).where(*kept)).mappings():
        yield from refusal_shares(refused)
