"""Uploaded files that wait for their jobs."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, delete, func, insert, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database
from munsit_denoise.db.readers import Query
from munsit_denoise.db.tables import denoise_records as records
from munsit_denoise.db.tables import partial_uploads as partial
from munsit_denoise.db.tables import uploads as t
from munsit_denoise.errors import UploadNotFound
from munsit_denoise.records import Upload

CheckUpload = Callable[[AsyncConnection, str, int], Awaitable[None]]  # takes a user's id and a size in bytes


@cache
def waiting_uploads(unused: bool) -> Query:
    """Return the query for number and size of a user's files, or only of those without a job."""
    user_id: BindParameter[Any] = bindparam("user_id")
    own = t.c.user_id == user_id
    query = select(t.c.audio_size.label("size_bytes")).where(own)
    if unused:
        oldest = select(func.min(t.c.created_at)).where(own).scalar_subquery()
        since = (records.c.user_id == user_id, records.c.created_at >= oldest, records.c.upload_id.is_not(None))
        query = query.where(t.c.id.not_in(select(records.c.upload_id).where(*since)))
    either = union_all(query, _unfinished(user_id)).subquery()
    return Query(select(func.count(), func.coalesce(func.sum(either.c.size_bytes), 0)))


class Uploads:
    """Uploads in SQL. Every method may raise DatabaseBusy, and those that write also StorageFull."""

    def __init__(self, database: Database, check: CheckUpload | None = None) -> None:
        """`check` may refuse a user's file in the transaction that accepts it."""
        self._database, self._check = database, check

    async def insert(self, upload: Upload) -> None:
        """Commit a new upload. Raises what `check` raises."""
        async with self._database.write() as connection:
            if self._check is not None:
                await self._check(connection, upload.user_id, upload.audio_size_bytes)
            await connection.execute(insert(t).values(upload_row(upload)))

    async def get_own(self, user_id: str, upload_id: str) -> Upload:
        """Return a user's upload. Raises UploadNotFound, also for one of another user."""
        query = select(t).where(t.c.id == upload_id, t.c.user_id == user_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise UploadNotFound
        return Upload(
            row.id,
            row.user_id,
            row.file_name,
            row.audio_format,
            row.audio_duration,
            row.audio_size,
            row.storage_key,
            row.created_at,
            row.track,
        )

    async def waiting(self, user_id: str, *, unused: bool = False) -> tuple[int, int]:
        """Return number and size in bytes of a user's files; `unused`: only of those without a job.

        Uploads in parts count with their full length. With `unused`, the query reads the user's records since the
        oldest file.
        """
        rows = await self._database.readers.ask(waiting_uploads(unused), {"user_id": user_id}, list)
        count, size_bytes = rows[0]
        return count, size_bytes

    async def delete(self, upload_id: str) -> None:
        """Delete an upload's row; a missing row is no error."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.id == upload_id))
            await connection.execute(delete(partial).where(partial.c.id == upload_id))

    async def older_than(self, created_at_us: int) -> list[str]:
        """Return the ids of uploads from before a time."""
        async with self._database.read() as connection:
            return list(await connection.scalars(select(t.c.id).where(t.c.created_at < created_at_us)))

    async def any(self) -> bool:
        """Return whether there are uploads, whose files should exist."""
        async with self._database.read() as connection:
            return (await connection.execute(select(t.c.id).limit(1))).first() is not None

    async def storage_keys(self, upload_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return the storage key of each of these uploads, including those in parts, without unknown ones."""
        whole = select(t.c.id, t.c.storage_key).where(t.c.id.in_(upload_ids))
        parts = select(partial.c.id, partial.c.storage_key).where(partial.c.id.in_(upload_ids))
        async with self._database.read() as connection:
            return {row.id: {row.storage_key} for row in await connection.execute(union_all(whole, parts))}


def upload_row(upload: Upload) -> dict[str, Any]:
    """Return an upload's values by column."""
    values = dict(vars(upload))
    for name in ("audio_duration_s", "audio_size_bytes", "created_at_us"):
        values[name.rpartition("_")[0]] = values.pop(name)
    return values


def _unfinished(user_id: BindParameter[Any]) -> Select[tuple[int]]:
    """Select the lengths of a user's incomplete uploads."""
    return select(partial.c.length_bytes).where(
        partial.c.user_id == user_id, partial.c.offset_bytes < partial.c.length_bytes
    )
