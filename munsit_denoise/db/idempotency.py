"""Idempotency keys: the first submission with each key, and its job.

A row is inserted in the transaction that accepts the job, so a submission that fails or is lost in a crash leaves its
key free.
"""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as insert_or_change
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.readers import Query
from munsit_denoise.db.tables import idempotency_keys as t
from munsit_denoise.errors import KeyInUse
from munsit_denoise.records import DenoiseRecord

OF_KEY = Query(
    select(t.c.fingerprint, t.c.job_id).where(
        t.c.user_id == bindparam("user_id"), t.c.key == bindparam("key"), t.c.created_at > bindparam("since")
    )
)
_ROW = insert_or_change(t).values({column.name: bindparam(column.name) for column in t.c})
NOTE = _ROW.on_conflict_do_update(
    index_elements=[t.c.user_id, t.c.key],
    set_={column.name: column for column in _ROW.excluded},
    where=t.c.created_at <= bindparam("since"),
).returning(t.c.job_id)


@dataclass(frozen=True)
class First:
    """The first submission with a key: a digest of its content, and its job."""

    fingerprint: str
    job_id: str


class IdempotencyKeys:
    """The keys in SQL. Every method may raise DatabaseBusy, and `forget` also StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: str, key: str, since_us: int) -> First | None:
        """Return the first submission with a user's key since a time, or None."""
        values = {"user_id": user_id, "key": key, "since": since_us}
        rows = await self._database.readers.ask(OF_KEY, values, list)
        return First(*rows[0]) if rows else None

    async def forget(self, until_us: int) -> None:
        """Delete the keys from before a time."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.created_at <= until_us))


@dataclass
class Note:
    """Notes a submission as the first with its key, in the transaction that accepts its job."""

    user_id: str
    key: str
    lifetime_us: int
    fingerprint: str = ""  # known after the whole submission was received

    async def __call__(self, connection: AsyncConnection, record: DenoiseRecord) -> DenoiseRecord:
        """Note the job without changing it. Raises KeyInUse if another one was noted meanwhile."""
        now = now_us()
        row = {"user_id": self.user_id, "key": self.key, "fingerprint": self.fingerprint, "job_id": record.id}
        times = {"created_at": now, "touched_at": now, "since": now - self.lifetime_us}
        if await connection.scalar(NOTE, row | times) is None:
            raise KeyInUse
        return record
