"""The sums of history: for each quarter of an hour, local day and all time, kept equal to the sums over the rows."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Select, bindparam, delete, func, select

from queue_monitor.model import Level
from queue_monitor.store.bulk import refused_rows
from queue_monitor.store.database import Database
from queue_monitor.store.journal import chunks
from queue_monitor.store.local_days import QUARTER_MINUTES, QUARTER_US, LocalDays
from queue_monitor.store.schema import SITE, contact, sums, visit
from queue_monitor.store.tally import Share, Sum, summed
from queue_monitor.store.turns import giving_way

QUARTER: Final = "quarter"
DAY: Final = "day"
ALL: Final = "all"
_STEPS: Final = (QUARTER, DAY, ALL)
_CACHED: Final = 3_000
_CHUNK: Final = 100
_WRITTEN_AT_ONCE: Final = 1_000
_KEY_COLUMNS: Final = ("step", "level", "queue", "start_us", "inside")


class SumKey(NamedTuple):
    """The key of a sum; `start_us` is 0 for all time."""

    step: str
    level: str
    queue: int
    start_us: int
    inside: bool


class Sums:
    """The newest sums, kept in memory between transactions. After one that was undone, `evict` them."""

    def __init__(self, database: Database, days: LocalDays) -> None:
        self._days = days
        self._cache: dict[SumKey, Sum] = {}
        values = database.insert(sums)
        new = {column.name: values.excluded[column.name] for column in sums.c if not column.primary_key}
        upsert = values.on_conflict_do_update(index_elements=["site", *_KEY_COLUMNS], set_=new)
        self._upsert = database.bulk(upsert, [*_KEY_COLUMNS, *new])
        self._delete = delete(sums).where(
            sums.c.site == SITE, *(sums.c[column] == bindparam(f"its_{column}") for column in _KEY_COLUMNS)
        )

    def evict(self) -> None:
        self._cache.clear()

    def keys_of(self, share: Share) -> tuple[SumKey, SumKey, SumKey]:
        """Return the three sums that a share is part of."""
        quarter = share.minute // QUARTER_MINUTES
        day_us = self._days.start_us_of_quarter(quarter)
        level, queue, inside = share.level, share.queue, share.inside
        return (
            SumKey(QUARTER, level, queue, quarter * QUARTER_US, inside),
            SumKey(DAY, level, queue, day_us, inside),
            SumKey(ALL, level, queue, 0, inside),
        )

    def move(
        self,
        connection: Connection,
        taken: Iterable[Share],
        added: Iterable[Share],
        untouched: Iterable[SumKey] = (),
        *,
        careful: bool = False,
    ) -> list[SumKey]:
        """Take shares out and put others in, after their rows were written. `untouched` are left as they are.

        With `careful`, returns the sums that the database refused; without, its error is raised.
        """
        moves = [(self._by_quarter(taken), -1), (self._by_quarter(added), 1)]
        changed = {key for moved, _ in moves for keys in moved for key in keys} - set(untouched)
        self.load(connection, changed)
        for moved, sign in moves:
            for keys, its in giving_way(moved.items()):
                for key in changed.intersection(keys):
                    self._cache[key].add(its, sign)
        return self._save(connection, changed, careful)

    def _by_quarter(self, shares: Iterable[Share]) -> dict[tuple[SumKey, ...], Sum]:
        """Return the sums of these shares for each quarter of an hour, by the three sums that it is part of."""
        found: dict[tuple[str, int, bool, int], tuple[tuple[SumKey, ...], Sum]] = {}
        for share in giving_way(shares):
            place = share.level, share.queue, share.inside, share.minute // QUARTER_MINUTES
            if place not in found:
                found[place] = self.keys_of(share), Sum()
            found[place][1].count(share, 1)
        return dict(found.values())

    def load(self, connection: Connection, keys: Iterable[SumKey]) -> None:
        """Read these into memory."""
        missing = [key for key in keys if key not in self._cache]
        if len(self._cache) + len(missing) > _CACHED:
            kept = {key: self._cache[key] for key in keys if key in self._cache}
            self._cache = kept
        self._cache |= {key: Sum() for key in missing}
        for step in _STEPS:
            its = [key for key in missing if key.step == step]
            for starts in chunks(sorted({key.start_us for key in its}), _CHUNK):
                self._load(connection, step, starts, {key for key in its if starts[0] <= key.start_us <= starts[-1]})

    def _load(self, connection: Connection, step: str, starts: Sequence[int], wanted: set[SumKey]) -> None:
        """Read the sums of a step, with a condition for each column: only then SQLite looks them up by the whole key.

        With whole keys it goes through the table, which takes seconds once there are years of them.
        """
        question = select(sums).where(
            sums.c.site == SITE,
            sums.c.step == step,
            sums.c.level.in_({key.level for key in wanted}),
            sums.c.queue.in_({key.queue for key in wanted}),
            sums.c.start_us.in_(starts),
            sums.c.inside.in_((False, True)),
        )
        for row in connection.execute(question):
            key = SumKey(row.step, row.level, row.queue, row.start_us, row.inside)
            if key in wanted:
                figures = row.counts, row.answered, row.sum_ms, row.max_ms, row.over_10_min, row.histogram
                self._cache[key] = summed(*figures)

    def sum_up_days(self, connection: Connection) -> None:
        """Make the sums of all time anew from those of the days."""
        total: dict[SumKey, Sum] = {}
        for row in connection.execute(select(sums).where(sums.c.site == SITE, sums.c.step == DAY)):
            key = SumKey(ALL, row.level, row.queue, 0, row.inside)
            figures = row.counts, row.answered, row.sum_ms, row.max_ms, row.over_10_min, row.histogram
            total.setdefault(key, Sum()).add(summed(*figures))
        connection.execute(delete(sums).where(sums.c.site == SITE, sums.c.step == ALL))
        rows = [key._asdict() | found.figures() for key, found in total.items() if not found.is_empty]
        if rows:
            self._upsert.run(connection, rows)

    def _save(self, connection: Connection, changed: Iterable[SumKey], careful: bool) -> list[SumKey]:
        """Write the sums, quarters first: a day's longest wait comes from its quarters, and that of all time from the
        days.
        """
        refused: list[SumKey] = []
        for step in _STEPS:
            keys = [key for key in changed if key.step == step]
            gone = [key for key in keys if self._cache[key].is_empty]
            kept = [key for key in keys if not self._cache[key].is_empty]
            for key in kept:
                if self._cache[key].is_stale:
                    longest = connection.execute(self._longest(key)).scalar_one() or 0
                    self._cache[key].mend(longest)
            if gone:
                connection.execute(self._delete, [_named(key) for key in gone])
            for chunk in chunks(kept, _WRITTEN_AT_ONCE):
                rows = [key._asdict() | self._cache[key].figures() for key in chunk]
                if careful:
                    refused += [chunk[at] for at in refused_rows(connection, self._upsert, rows)]
                else:
                    self._upsert.run(connection, rows)
        return refused

    def _longest(self, key: SumKey) -> Select[int | None]:
        where = (sums.c.site == SITE, sums.c.level == key.level, sums.c.queue == key.queue, sums.c.inside == key.inside)
        longest: Select[int | None] = select(func.max(sums.c.max_ms))
        if key.step == ALL:
            return longest.where(*where, sums.c.step == DAY)
        if key.step == DAY:
            end_us = self.day_end_us(key.start_us)
            return longest.where(
                *where, sums.c.step == QUARTER, sums.c.start_us >= key.start_us, sums.c.start_us < end_us
            )
        rows = contact if key.level == Level.CONTACT else visit
        return select(func.max(rows.c.judged_ms)).where(
            rows.c.site == SITE,
            rows.c.at_us >= key.start_us,
            rows.c.at_us < key.start_us + QUARTER_US,
            rows.c.queue == key.queue,
            rows.c.inside == key.inside,
            rows.c.recorded,
            rows.c.field != "",
        )

    def day_end_us(self, start_us: int) -> int:
        """Return the next local midnight: a day has at most 25 hours."""
        return self._days.start_us_of_quarter((start_us + 30 * 4 * QUARTER_US) // QUARTER_US)


def _named(key: SumKey) -> dict[str, object]:
    return {f"its_{column}": part for column, part in zip(_KEY_COLUMNS, key, strict=True)}
