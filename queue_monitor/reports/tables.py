"""Tables and sections of a report, in the shape that all its written forms use."""

from msgspec import Struct


class Table(Struct, frozen=True, kw_only=True):
    """Rows under a head; the first cell of a row names it.

    `words`: the columns that hold words, from 1 on; all others hold numbers.
    """

    id: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: frozenset[int] = frozenset()


class Section(Struct, frozen=True, kw_only=True):
    """A heading, sentences, and tables."""

    id: str
    title: str
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
