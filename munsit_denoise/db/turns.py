"""The queue's order in PostgreSQL: users in turn within each priority, and one worker at a time for each job.

A job is free if it has no heartbeat (`heartbeat_at`), or none within the time of a lease. Times are the database's own,
because clocks of workers may differ.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Boolean, Select, and_, func, literal, literal_column, not_, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from munsit_denoise.db.engine import Database
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.db.tables import users
from munsit_denoise.records import Status

NOW_US: ColumnElement[int] = literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", BigInteger())


@dataclass(frozen=True)
class Turn:
    """A waiting job and its user."""

    job_id: str
    user_id: str


class Turns:
    """The queue of jobs in PostgreSQL: of those to run, or of those with an original to download.

    Every method may raise DatabaseBusy.
    """

    def __init__(self, database: Database, *, fetches: bool, lease_s: float, retry_delay_s: float) -> None:
        self._database, self._lease_us = database, int(lease_s * 1e6)
        self._delay_us = int(retry_delay_s * 1e6)
        self._kind = t.c.source_url.is_not(None) if fetches else t.c.source_url.is_(None)

    async def take(self) -> Turn | None:
        """Take the next job, or None if none is free.

        Among the users with the highest priority, it is the oldest job of the user whose last turn is longest ago.
        """
        async with self._database.write() as connection:
            row = (await connection.execute(self._next())).one_or_none()
            if row is None:
                return None
            await connection.execute(update(t).where(t.c.id == row.id).values(heartbeat_at=NOW_US))
            await connection.execute(update(users).where(users.c.id == row.user_id).values(turn_at=NOW_US))
        return Turn(row.id, row.user_id)

    async def keep(self, job_ids: Sequence[str]) -> None:
        """Renew jobs that were taken and have no lease yet."""
        async with self._database.write() as connection:
            pending = (t.c.id.in_(job_ids), t.c.status == Status.PENDING)
            await connection.execute(update(t).where(*pending).values(heartbeat_at=NOW_US))

    async def release(self, job_id: str) -> None:
        """Let another worker take a job."""
        async with self._database.write() as connection:
            pending = (t.c.id == job_id, t.c.status == Status.PENDING)
            await connection.execute(update(t).where(*pending).values(heartbeat_at=None))

    async def leases(self, job_ids: Collection[str]) -> dict[str, int]:
        """Return the current lease of each of these jobs that has not ended."""
        query = select(t.c.id, t.c.lease).where(t.c.id.in_(job_ids), t.c.status == Status.PENDING)
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def line(self, limit: int) -> list[Turn]:
        """Return the waiting jobs, in the order in which they will be taken if no other job arrives."""
        rank = func.row_number().over(partition_by=t.c.user_id, order_by=(t.c.created_at, t.c.id)).label("rank")
        columns = (t.c.id, t.c.user_id, t.c.created_at, users.c.turn_at, users.c.priority, rank)
        inner = select(*columns).join(users).where(self._free()).subquery()
        order = (inner.c.priority.desc(), inner.c.rank, inner.c.turn_at.asc().nulls_first())
        query = select(inner.c.id, inner.c.user_id).order_by(*order, inner.c.created_at, inner.c.id)
        async with self._database.read() as connection:
            return [Turn(*row) for row in await connection.execute(query.limit(limit))]

    async def counts(self) -> dict[str, int]:
        """Return the number of waiting and running jobs of each user."""
        pending = (t.c.status == Status.PENDING, self._kind)
        query = select(t.c.user_id, func.count()).where(*pending).group_by(t.c.user_id)
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def unannounced(self, limit: int) -> list[str]:
        """Return free jobs without a waiting queue entry: their worker died, or the entry was lost."""
        named = literal_column(
            "EXISTS (SELECT 1 FROM procrastinate_jobs q WHERE q.status = 'todo'"
            " AND q.args->>'record_id' = denoise_records.id)",
            Boolean(),
        )
        query = select(t.c.id).where(self._free(), not_(named)).order_by(t.c.created_at).limit(limit)
        async with self._database.read() as connection:
            return list(await connection.scalars(query))

    def _next(self) -> Select[tuple[str, str]]:
        query = select(t.c.id, t.c.user_id).join(users).where(self._free())
        turn = (users.c.priority.desc(), users.c.turn_at.asc().nulls_first())
        query = query.order_by(*turn, t.c.created_at, t.c.id).limit(1)
        return query.with_for_update(of=t, skip_locked=True)

    def _free(self) -> ColumnElement[bool]:
        silent = or_(t.c.heartbeat_at.is_(None), t.c.heartbeat_at < NOW_US - self._lease_us)
        waited = func.greatest(t.c.attempts - 1, literal(0)) * self._delay_us  # from the second broken run on
        rested = or_(t.c.attempts < 2, t.c.updated_at < NOW_US - waited)
        return and_(t.c.status == Status.PENDING, t.c.removed_at.is_(None), self._kind, silent, rested)
