"""Records of imports and of the files that they read."""

from datetime import date, datetime

from msgspec import Struct


class ImportedFile(Struct, frozen=True, kw_only=True):
    """One file of an import.

    `sha256`: the hash of the file as it is stored, compressed or not.
    `entries`: the number of entries to a queue, and of refusals, that it tells of: a call in two queues has two.
    `refused`: the number of its lines that were not taken, by reason.
    `first_day`, `last_day`: local days, of the lines that were understood.
    """

    name: str
    sha256: str
    lines: int = 0
    entries: int = 0
    refused: dict[str, int] = {}
    first_day: date | None = None
    last_day: date | None = None


class ImportRecord(Struct, frozen=True, kw_only=True):
    """One import that is finished.

    `name`: the mark on its calls.
    `kind`: `queue_log` or `csv`.
    `calls`, `refused_callers`: the numbers that were new.
    `replaced`: the calls of other imports that gave way.
    `held`: the calls that were not taken because another import has that day.
    `mapping`: a hash of how columns were read, "" for queue_log.
    `rules`: the version of the rules that the calls were judged under.
    """

    name: str
    kind: str
    files: tuple[ImportedFile, ...]
    started_at: datetime
    finished_at: datetime
    calls: int
    refused_callers: int = 0
    replaced: int = 0
    held: int = 0
    mapping: str = ""
    rules: str = ""

    @property
    def first_day(self) -> date | None:
        """Return the first day that any of its files covers."""
        return min((file.first_day for file in self.files if file.first_day), default=None)

    def touches(self, first: date, last: date) -> bool:
        """Return whether its files cover any day from `first` to `last`, both included."""
        begins, ends = self.first_day, self.last_day
        return begins is not None and ends is not None and begins <= last and first <= ends

    @property
    def last_day(self) -> date | None:
        """Return the last day that any of its files covers."""
        return max((file.last_day for file in self.files if file.last_day), default=None)
