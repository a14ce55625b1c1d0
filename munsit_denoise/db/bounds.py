"""Limits on waiting jobs and uploads, checked in the transaction that accepts one, so they hold for all servers.

A user's row is locked meanwhile, so what is one user's is exact; others may still insert rows that refer to it.
Transactions of different users that commit at the same moment do not see each other's jobs: the bound on all jobs may
be exceeded by as many.
"""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.db.tables import users
from munsit_denoise.db.uploads import waiting_uploads
from munsit_denoise.errors import QueueFull, TooManyJobs, TooManyUploads, TooMuchWaiting
from munsit_denoise.records import DenoiseRecord, Status

PENDING = t.c.status == Status.PENDING


@dataclass(frozen=True)
class JobBounds:
    """Limits on waiting jobs, in total and per user; 0 means no limit."""

    jobs: int
    jobs_of_user: int
    result_bytes_of_user: int

    async def __call__(self, connection: AsyncConnection, record: DenoiseRecord) -> DenoiseRecord:
        """Accept a job without changing it. Raises QueueFull, TooManyJobs, TooMuchWaiting."""
        if 0 < self.jobs <= int(await connection.scalar(select(func.count()).where(PENDING)) or 0):
            raise QueueFull
        own = (PENDING, t.c.user_id == record.user_id)
        query = select(func.count(), func.coalesce(func.sum(t.c.result_bytes), 0)).where(*own)
        count, size_bytes = (await connection.execute(query)).one()
        if 0 < self.jobs_of_user <= count:
            raise TooManyJobs
        if 0 < self.result_bytes_of_user < int(size_bytes) + record.result_bytes:
            raise TooMuchWaiting
        return record


@dataclass(frozen=True)
class UploadBounds:
    """Limits on a user's uploads without a job; 0 means no limit."""

    uploads_of_user: int
    bytes_of_user: int

    async def check(self, connection: AsyncConnection, user_id: str, size_bytes: int) -> None:
        """Let a file in. Raises TooManyUploads."""
        await connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
        if all([await self._exceeded(connection, user_id, size_bytes, unused=unused) for unused in (False, True)]):
            raise TooManyUploads

    async def _exceeded(self, connection: AsyncConnection, user_id: str, size_bytes: int, *, unused: bool) -> bool:
        query = waiting_uploads(unused).statement
        count, waiting_bytes = (await connection.execute(query, {"user_id": user_id})).one()
        too_many = 0 < self.uploads_of_user <= count
        return too_many or 0 < self.bytes_of_user < int(waiting_bytes) + size_bytes
