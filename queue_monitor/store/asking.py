"""Questions to the database, each in a transaction of its own, and the names found in the answers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from queue_monitor.store.database import Database
from queue_monitor.store.names import QUEUE, Names

T = TypeVar("T")


class Asking:
    """The questions. They only read, and raise `StoreError`."""

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names

    async def ask(self, question: Callable[[Connection], T]) -> T:
        return await self._database.unbroken(self._asked(question))

    async def _asked(self, question: Callable[[Connection], T]) -> T:
        async with self._database.reading("could not be read") as connection:
            return await connection.run_sync(question)

    async def rows(self, question: Any) -> Sequence[Any]:
        return await self.ask(lambda connection: connection.execute(question).all())

    async def name(self, kind: str, number: int | None) -> str:
        """Return the text of a name; the table is read only when the name is new."""
        known = self._names.known(kind, number)
        return known if known is not None else await self.ask(lambda c: self._names.text(c, kind, number))

    async def names_of(self, kind: str, numbers: Iterable[int | None]) -> dict[int | None, str]:
        """Return the texts of these names by their numbers."""
        return {number: await self.name(kind, number) for number in numbers}

    async def queue(self, text: str) -> int:
        """Return the number of a queue, whatever the spelling; 0, which no row has, for an unknown one."""
        return await self.ask(lambda connection: self._names.find(connection, QUEUE, text)) or 0

    def queues_in(self, connection: Connection, texts: Sequence[str] | None) -> dict[int, str]:
        """Return these queues, or all, by their numbers: the part of a question that names its queues."""
        if texts is None:
            numbers = self._names.all(connection, QUEUE)
        else:
            numbers = [number for text in texts if (number := self._names.find(connection, QUEUE, text))]
        return {number: self._names.text(connection, QUEUE, number) for number in numbers}
