"""Uploads in parts, until they are complete."""

from typing import Any

from sqlalchemy import Row, delete, exists, insert, or_, select, update

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.tables import partial_uploads as t
from munsit_denoise.db.tables import uploads
from munsit_denoise.db.uploads import CheckUpload, upload_row
from munsit_denoise.errors import UploadNotFound
from munsit_denoise.records import PartialUpload, Upload

COMPLETE = t.c.offset_bytes == t.c.length_bytes


class PartialUploads:
    """Uploads in parts in SQL. Every method may raise DatabaseBusy, and those that write also StorageFull.

    The storage knows how many bytes there are; `offset_bytes` is the number last written, for the sum of a user's
    files. It equals the length once there is a row in `uploads`, and is smaller before.
    """

    def __init__(self, database: Database, check: CheckUpload | None = None) -> None:
        """`check` may refuse a user's file in the transaction that accepts it."""
        self._database, self._check = database, check

    async def insert(self, partial: PartialUpload) -> None:
        """Commit a new, empty upload. Raises what `check` raises."""
        values = dict(vars(partial))
        values["offset_bytes"] = values.pop("noted_bytes")
        for name in ("created_at_us", "expires_at_us"):
            values[name.removesuffix("_us")] = values.pop(name)
        async with self._database.write() as connection:
            if self._check is not None:
                await self._check(connection, partial.user_id, partial.length_bytes)
            await connection.execute(insert(t).values(values))

    async def get_own(self, user_id: str, upload_id: str) -> PartialUpload:
        """Return a user's upload. Raises UploadNotFound, also for one of another user, an expired or a deleted one."""
        kept = or_(t.c.offset_bytes < t.c.length_bytes, exists().where(uploads.c.id == t.c.id))
        alive = or_(COMPLETE, t.c.expires_at > now_us())
        query = select(t).where(t.c.id == upload_id, t.c.user_id == user_id, kept, alive)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise UploadNotFound
        return _from_row(row)

    async def note(self, upload_id: str, offset_bytes: int) -> None:
        """Commit the size of an upload, unless it is complete."""
        async with self._database.write() as connection:
            which = (t.c.id == upload_id, t.c.length_bytes > offset_bytes, t.c.offset_bytes < t.c.length_bytes)
            await connection.execute(update(t).where(*which).values(offset_bytes=offset_bytes))

    async def complete(self, upload: Upload) -> None:
        """Commit that an upload is complete and can become a job; a repetition changes nothing.

        Raises UploadNotFound if it was deleted.
        """
        async with self._database.write() as connection:
            change = update(t).where(t.c.id == upload.id).values(offset_bytes=t.c.length_bytes)
            if (await connection.execute(change)).rowcount == 0:
                raise UploadNotFound
            if not await connection.scalar(select(uploads.c.id).where(uploads.c.id == upload.id)):
                await connection.execute(insert(uploads).values(upload_row(upload)))

    async def delete(self, upload_id: str) -> None:
        """Delete an upload's row, also of a complete one; a missing row is no error."""
        async with self._database.write() as connection:
            await connection.execute(delete(uploads).where(uploads.c.id == upload_id))
            await connection.execute(delete(t).where(t.c.id == upload_id))

    async def expired(self) -> list[str]:
        """Return the ids of uploads that were not completed in time."""
        query = select(t.c.id).where(t.c.expires_at <= now_us(), t.c.offset_bytes < t.c.length_bytes)
        async with self._database.read() as connection:
            return list(await connection.scalars(query))


def _from_row(row: Row[Any]) -> PartialUpload:
    return PartialUpload(
        id=row.id,
        user_id=row.user_id,
        file_name=row.file_name,
        upload_metadata=row.upload_metadata,
        length_bytes=row.length_bytes,
        storage_key=row.storage_key,
        created_at_us=row.created_at,
        expires_at_us=row.expires_at,
        noted_bytes=row.offset_bytes,
    )
