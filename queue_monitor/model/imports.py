"""Records of what was imported, and from which files."""

from datetime import date, datetime

from msgspec import Struct


class ImportedFile(Struct, frozen=True, kw_only=True):
    """One file of an import. `sha256` is of the file as it lies there, packed or not. `refused`: how many of its lines
    were not taken, by reason. The days are local, of the lines that were understood.
    """

    name: str
    sha256: str
    lines: int = 0
    entries: int = 0
    refused: dict[str, int] = {}
    first_day: date | None = None
    last_day: date | None = None


class ImportRecord(Struct, frozen=True, kw_only=True):
    """One import that has come to its end. `name` is how its calls are marked; `kind` is `queue_log` or `csv`.

    `calls` and `refused_callers` are those that were new, `replaced` the calls of others that gave way, `held` those
    not taken because another has that day. `mapping` is a hash of how columns were read, "" for queue_log; `rules` is
    the version of the rules that the calls were judged under.
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
        """The first day that any of its files tells of."""
        return min((file.first_day for file in self.files if file.first_day), default=None)

    def touches(self, first: date, last: date) -> bool:
        """Whether its files tell of any day from one to another, both included."""
        begins, ends = self.first_day, self.last_day
        return begins is not None and ends is not None and begins <= last and first <= ends

    @property
    def last_day(self) -> date | None:
        """The last day that any of its files tells of."""
        return max((file.last_day for file in self.files if file.last_day), default=None)
