"""The queue's order in PostgreSQL: users in turn within each priority, and one worker at a time for each job.

A job is free if it has no heartbeat (`heartbeat_at`), or none within the time of a lease. Times are the database's own,
because clocks of workers may differ.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Select,
    String,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from munsit_denoise.db.engine import Database
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.db.tables import users
from munsit_denoise.records import Status

# As the indexes have it, and no parameter: PostgreSQL uses them only where it sees when it plans that they fit.
WAITING: ColumnElement[bool] = literal_column("denoise_records.status = 'pending'", Boolean())
NAMED = select(literal_column("args->>'record_id'", String())).select_from(
    text("procrastinate_jobs WHERE status = 'todo'")
)
ONE: ColumnElement[int] = literal_column("1", BigInteger())
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
        self._next = self._of_next_user()

    async def take(self) -> Turn | None:
        """Take the next job, or None if none is free.

        Among the users with the highest priority, it is the oldest job of the user whose last turn is longest ago.
        """
        async with self._database.write() as connection:
            row = (await connection.execute(self._next)).one_or_none()
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
        """Return how many jobs of each user wait or run."""
        query = select(t.c.user_id, func.count()).where(WAITING, self._kind).group_by(t.c.user_id)
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def unannounced(self, limit: int) -> list[str]:
        """Return free jobs that no waiting entry of the queue names: their worker died, or their entry was lost."""
        query = select(t.c.id).where(self._free()).except_(NAMED).limit(limit)  # as fast whatever the statistics say
        async with self._database.read() as connection:
            return list(await connection.scalars(query))

    def _of_next_user(self) -> Select[tuple[str, str]]:
        """Select the next job and lock it; users whose free jobs are locked, as others take them just now, are passed.

        Users who wait are found by jumping from each to the next one in the index, so the time does not depend on how
        many jobs wait. Users come in turn; the age of their oldest job decides between those who never had one.
        """
        waits = (WAITING, self._kind)
        oldest = select(t.c.user_id, t.c.created_at, t.c.id).where(*waits).order_by(t.c.user_id, t.c.created_at, t.c.id)
        first = oldest.limit(ONE).subquery()
        waiting = select(first).cte("waiting", recursive=True)
        following = oldest.where(t.c.user_id > waiting.c.user_id).limit(ONE).lateral()
        waiting = waiting.union_all(select(following).select_from(waiting.join(following, true())))
        turn = (users.c.priority.desc(), users.c.turn_at.asc().nulls_first(), waiting.c.created_at, waiting.c.id)
        in_turn = select(users.c.id).join(waiting, waiting.c.user_id == users.c.id).order_by(*turn).subquery()
        own = select(t.c.id).where(t.c.user_id == in_turn.c.id, self._free())
        own = own.order_by(t.c.created_at, t.c.id).limit(ONE)
        free = own.with_for_update(skip_locked=True).lateral()
        joined = in_turn.join(free, true())
        return select(free.c.id, in_turn.c.id.label("user_id")).select_from(joined).limit(ONE)

    def _free(self) -> ColumnElement[bool]:
        silent = or_(t.c.heartbeat_at.is_(None), t.c.heartbeat_at < NOW_US - self._lease_us)
        waited = func.greatest(t.c.attempts - 1, literal(0)) * self._delay_us  # from the second broken run on
        rested = or_(t.c.attempts < 2, t.c.updated_at < NOW_US - waited)
        return and_(WAITING, self._kind, t.c.removed_at.is_(None), silent, rested)
