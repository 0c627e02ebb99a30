"""The knowledge from closed days, kept between runs: one document, replaced whole."""

from sqlalchemy import select

from queue_monitor.store.database import Database
from queue_monitor.store.schema import learned

_NAME = "foresight"


class LearnedDocument:
    """The one row of the document. Only the forecast knows its meaning."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = database.insert(learned)
        self._upsert = insert.on_conflict_do_update(index_elements=["name"], set_={"body": insert.excluded.body})

    async def save(self, body: bytes) -> None:
        """Write the document. Raises `StoreError` when it was not written."""
        await self._database.unbroken(self._save(body))

    async def _save(self, body: bytes) -> None:
        async with self._database.writing("could not be written to") as connection:
            await connection.execute(self._upsert, [{"name": _NAME, "body": body}])

    async def load(self) -> bytes | None:
        """Return the document; None when nothing has been learned yet. Raises `StoreError`."""
        return await self._database.unbroken(self._load())

    async def _load(self) -> bytes | None:
        async with self._database.reading("could not be read") as connection:
            row = (await connection.execute(select(learned.c.body).where(learned.c.name == _NAME))).first()
        return bytes(row.body) if row else None
