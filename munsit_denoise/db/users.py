"""Deletes users: first their keys, then their data, then their row."""

from collections.abc import Collection, Sequence

from sqlalchemy import Delete, Table, Update, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.readers import Query
from munsit_denoise.db.row_changes import removing
from munsit_denoise.db.tables import (
    api_keys,
    balances,
    deliveries,
    denoise_records,
    idempotency_keys,
    partial_uploads,
    transactions,
    uploads,
    users,
)
from munsit_denoise.errors import NotFound
from munsit_denoise.records import Status

WITH_FILES = (denoise_records, uploads, partial_uploads)
WITHOUT_FILES = (deliveries, idempotency_keys, transactions, balances, api_keys)
RAISED = Query(select(users.c.id, users.c.priority).where(text("priority <> 0")))  # as the index has it
AT_A_TIME = 500  # rows in one transaction


class Users:
    """Users in SQL. Every method may raise DatabaseBusy, and those that write also StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, name: str) -> str:
        """Return a user's id. Raises NotFound."""
        async with self._database.read() as connection:
            user_id = await connection.scalar(select(users.c.id).where(users.c.name == name))
        if user_id is None:
            raise NotFound(f"There is no user {name}. `munsit-denoise users list` tells which there are.")
        return str(user_id)

    async def priorities(self) -> dict[str, int]:
        """Return the priorities that differ from 0, by user id."""
        return dict(await self._database.readers.ask(RAISED, {}, list))

    async def set_priority(self, user_id: str, priority: int) -> None:
        """Set a user's priority: their jobs run before those of users with a lower one. Raises NotFound."""
        async with self._database.write() as connection:
            change = update(users).where(users.c.id == user_id).values(priority=priority)
            if not (await connection.execute(change)).rowcount:
                raise NotFound("There is no such user.")

    async def shut_out(self, user_id: str) -> int:
        """Revoke a user's keys and hide their records; return how many jobs that ends."""
        own = (denoise_records.c.user_id == user_id, denoise_records.c.removed_at.is_(None))
        pending = (*own, denoise_records.c.status == Status.PENDING)
        theirs = (api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
        async with self._database.write() as connection:
            await connection.execute(update(api_keys).where(*theirs).values(revoked_at=now_us()))
            ended = (await connection.execute(update(denoise_records).where(*pending).values(removing()))).rowcount
        some = denoise_records.c.id.in_(select(denoise_records.c.id).where(*own).limit(AT_A_TIME).correlate(None))
        await self._again_and_again(update(denoise_records).where(some).values(removing()))
        return ended

    async def folders(self, user_id: str) -> Sequence[str]:
        """Return the ids of all records and uploads of a user that have files."""
        async with self._database.read() as connection:
            found = [await connection.scalars(select(t.c.id).where(t.c.user_id == user_id)) for t in WITH_FILES]
            return [id_ for ids in found for id_ in ids]

    async def forget(self, user_id: str, ids: Collection[str]) -> bool:
        """Delete the rows of these ids, whose files are gone, and then the user; False if new rows have appeared."""
        listed = list(ids)
        for start in range(0, len(listed), AT_A_TIME):
            async with self._database.write() as connection:
                for table in WITH_FILES:
                    some = table.c.id.in_(listed[start : start + AT_A_TIME])
                    await connection.execute(delete(table).where(table.c.user_id == user_id, some))
        for table in WITHOUT_FILES:
            key = list(table.primary_key)[-1]
            own = select(key).where(table.c.user_id == user_id).limit(AT_A_TIME).correlate(None)
            await self._again_and_again(delete(table).where(table.c.user_id == user_id, key.in_(own)))
        async with self._database.write() as connection:
            theirs = select(users.c.id).where(users.c.id == user_id).with_for_update()
            await connection.execute(theirs)  # waits for rows of this user that are being added, so that they count
            if any([await _count(connection, table, user_id) for table in WITH_FILES]):
                return False
            for table in WITHOUT_FILES:
                await connection.execute(delete(table).where(table.c.user_id == user_id))
            await connection.execute(delete(users).where(users.c.id == user_id))
        return True

    async def _again_and_again(self, change: Update | Delete) -> None:
        """Change rows that are found again until none is: a few in each transaction, so that others get their turn."""
        changed = AT_A_TIME
        while changed >= AT_A_TIME:
            async with self._database.write() as connection:
                changed = (await connection.execute(change)).rowcount


async def _count(connection: AsyncConnection, table: Table, user_id: str) -> int:
    return int(await connection.scalar(select(func.count()).where(table.c.user_id == user_id)) or 0)
