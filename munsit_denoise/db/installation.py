"""The installation's id, which database and storage share."""

from contextlib import AbstractAsyncContextManager

from sqlalchemy import delete, insert, select

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.tables import installation as t

LOCK = 0x6D756E736975  # of PostgreSQL, for all processes that check the id


class Installation:
    """The id in SQL. Every method may raise DatabaseBusy, and `name` also StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Keep other processes out of this while the block lasts."""
        return self._database.alone(LOCK)

    async def id(self) -> str | None:
        """Return the id, or None if the database has none yet."""
        async with self._database.read() as connection:
            found: str | None = await connection.scalar(select(t.c.id))
        return found

    async def name(self, installation_id: str) -> None:
        """Replace the database's id."""
        async with self._database.write() as connection:
            await connection.execute(delete(t))
            await connection.execute(insert(t).values(id=installation_id, created_at=now_us()))
