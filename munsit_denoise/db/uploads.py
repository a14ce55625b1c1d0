"""Files that were uploaded before the jobs that use them."""

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

CheckUpload = Callable[[AsyncConnection, str, int], Awaitable[None]]  # of a user's id, and a size in bytes


@cache
def waiting_uploads(unused: bool) -> Query:
    """Return the question for number and size of a user's files, or of those that no job came of."""
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
    """Uploads in SQL. Every method may raise DatabaseBusy; those that write, StorageFull as well."""

    def __init__(self, database: Database, check: CheckUpload | None = None) -> None:
        """`check` refuses a user's file in the transaction that would accept it."""
        self._database, self._check = database, check

    async def insert(self, upload: Upload) -> None:
        """Commit a new upload. Raises what the check raises."""
        async with self._database.write() as connection:
            if self._check is not None:
                await self._check(connection, upload.user_id, upload.audio_size_bytes)
            await connection.execute(insert(t).values(upload_row(upload)))

    async def get_own(self, user_id: str, upload_id: str) -> Upload:
        """Return a user's upload. Raises UploadNotFound, also for one that is not theirs."""
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
        """Return how many files a user has uploaded and their size in bytes; `unused`: those that no job came of.

        What comes in parts counts with its whole length, however much of it is there. The second question costs a
        look at the user's records since the oldest of the files.
        """
        rows = await self._database.readers.ask(waiting_uploads(unused), {"user_id": user_id}, list)
        count, size_bytes = rows[0]
        return count, size_bytes

    async def delete(self, upload_id: str) -> None:
        """Forget an upload; one that is not there is fine."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.id == upload_id))
            await connection.execute(delete(partial).where(partial.c.id == upload_id))

    async def older_than(self, created_at_us: int) -> list[str]:
        """Return the ids of the uploads that came before a time."""
        async with self._database.read() as connection:
            return list(await connection.scalars(select(t.c.id).where(t.c.created_at < created_at_us)))

    async def storage_keys(self, upload_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return the storage key that each of these uses, those that come in parts as well; others are left out."""
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
    """Select the lengths of a user's uploads that have not all come in."""
    return select(partial.c.length_bytes).where(
        partial.c.user_id == user_id, partial.c.offset_bytes < partial.c.length_bytes
    )
