"""Statements for many rows at once, and the search for rows that a database refuses."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Insert, exc

_NOT_OF_A_ROW: Final = (exc.OperationalError, exc.InterfaceError)
"""The errors that no row causes (the disk is full, the server is gone, a lock was not given): the next row would fail
too.
"""

OF_A_ROW: Final = (exc.StatementError, OverflowError, UnicodeError)
"""The errors that a row may cause; `is_of_a_row` says whether the row did."""


class Bulk:
    """A statement compiled once for rows of these columns, and then run with any number of rows.

    SQLAlchemy would check each value of each row again, which was a third of a commit. Values must be plain: numbers,
    text and bytes.
    """

    def __init__(self, dialect: Dialect, statement: Any, columns: Sequence[str]) -> None:
        if isinstance(statement, Insert):
            statement = statement.inline()  # nothing of the rows is asked back
        compiled = statement.compile(dialect=dialect, column_keys=list(columns))
        self._sql = str(compiled)
        self._values = itemgetter(*compiled.positiontup) if compiled.positional else None
        self._always = {name: value for name, value in compiled.params.items() if name not in columns}

    def run(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
        """Run the statement; return how many rows were written."""
        if not rows:
            return 0
        if self._always:
            rows = [row | self._always for row in rows]
        values: Any = rows if self._values is None else list(map(self._values, rows))
        options = {"preserve_rowcount": True}
        return connection.exec_driver_sql(self._sql, values, execution_options=options).rowcount


def is_of_a_row(error: Exception) -> bool:
    return not isinstance(error, _NOT_OF_A_ROW) and not getattr(error, "connection_invalidated", False)


def is_refused(connection: Connection, work: Any) -> bool:
    """Do the work; return whether the database refused it, and all of it was undone. Raises
    errors that no row causes.
    """
    savepoint = connection.begin_nested()
    try:
        work()
    except OF_A_ROW as error:
        if not is_of_a_row(error):
            raise
        savepoint.rollback()
        return True
    savepoint.commit()
    return False


def refused_rows(connection: Connection, bulk: Bulk, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Write these rows; return the positions of those that were refused."""
    if not rows or not is_refused(connection, lambda: bulk.run(connection, rows)):
        return []
    if len(rows) == 1:
        return [0]
    half = len(rows) // 2
    behind = refused_rows(connection, bulk, rows[half:])
    return refused_rows(connection, bulk, rows[:half]) + [half + at for at in behind]
