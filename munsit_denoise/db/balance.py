"""Minutes that users have left, in milliseconds of sound."""

import uuid

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.tables import balances as t
from munsit_denoise.db.tables import transactions, users
from munsit_denoise.errors import NotFound


class Balance:
    """Balances in SQL. Every method may raise DatabaseBusy and StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def credit(self, user_id: str, amount_ms: int) -> int:
        """Give a user so much; return what they have then, in ms. Raises NotFound."""
        async with self._database.write() as connection:
            if await connection.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
                raise NotFound("There is no such user.")
            row = {"id": str(uuid.uuid4()), "user_id": user_id, "kind": "credit", "amount_ms": amount_ms}
            now = now_us()
            await connection.execute(insert(transactions).values(**row, state="settled", created_at=now, ended_at=now))
            return await _add(connection, user_id, amount_ms)


async def _add(connection: AsyncConnection, user_id: str, amount_ms: int) -> int:
    more = update(t).where(t.c.user_id == user_id).values(available_ms=t.c.available_ms + amount_ms)
    found = await connection.scalar(more.returning(t.c.available_ms))
    if found is None:
        await connection.execute(insert(t).values(user_id=user_id, available_ms=amount_ms))
    return int(found or amount_ms)
