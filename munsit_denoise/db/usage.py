"""A user's jobs, minutes and bytes, counted from the rows."""

from dataclasses import dataclass

from sqlalchemy import case, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database
from munsit_denoise.db.retention import KEPT_TILES_BYTES
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.db.tables import partial_uploads, uploads
from munsit_denoise.records import Status


@dataclass(frozen=True)
class Counted:
    """The counts of a user."""

    jobs: dict[str, int]  # by status, with all statuses
    processed_s: float  # of sound, in successful jobs
    stored_bytes: int


class Counts:
    """Counts a user's rows. Every method may raise DatabaseBusy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: str) -> Counted:
        """Return a user's counts."""
        async with self._database.read() as connection:
            jobs, processed_s, results_bytes = await _jobs(connection, user_id)
            stored_bytes = results_bytes + await _originals_bytes(connection, user_id)
        return Counted(jobs, processed_s, stored_bytes)


async def _jobs(connection: AsyncConnection, user_id: str) -> tuple[dict[str, int], float, int]:
    """Return a user's jobs by status, the sound of successful ones, and the size of results and pictures."""
    result_bytes = case((t.c.result_gone_at.is_(None), t.c.result_bytes), else_=0)
    kept_bytes = func.sum(case((t.c.deleted_at.is_(None), result_bytes + KEPT_TILES_BYTES), else_=0))
    columns = (t.c.status, func.count().label("jobs"), func.sum(t.c.audio_duration).label("sound_s"))
    query = select(*columns, kept_bytes.label("kept_bytes")).where(t.c.user_id == user_id, t.c.removed_at.is_(None))
    rows = {row.status: row for row in await connection.execute(query.group_by(t.c.status))}
    done = rows.get(Status.SUCCESS)
    jobs = {status.value: int(rows[status].jobs) if status in rows else 0 for status in Status}
    return jobs, float(done.sound_s) if done else 0.0, int(done.kept_bytes) if done else 0


async def _originals_bytes(connection: AsyncConnection, user_id: str) -> int:
    """Return the size of a user's originals and waiting uploads; an upload and its jobs share one file."""
    is_there = (t.c.deleted_at.is_(None), t.c.original_gone_at.is_(None), t.c.removed_at.is_(None))
    file_id = func.coalesce(t.c.upload_id, t.c.id).label("file_id")
    of_jobs = select(file_id, t.c.audio_size.label("bytes")).where(t.c.user_id == user_id, *is_there)
    waiting = select(uploads.c.id, uploads.c.audio_size).where(uploads.c.user_id == user_id)
    coming = select(partial_uploads.c.id, partial_uploads.c.offset_bytes).where(partial_uploads.c.user_id == user_id)
    files = union_all(of_jobs, waiting, coming).subquery()
    each = select(func.max(files.c.bytes).label("bytes")).group_by(files.c.file_id).subquery()
    return int(await connection.scalar(select(func.coalesce(func.sum(each.c.bytes), 0))) or 0)
