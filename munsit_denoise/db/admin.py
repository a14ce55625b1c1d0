"""Queries of administrators: users, balances, unfinished jobs, and figures."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.exc import IntegrityError

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.retention import KEPT_TILES_BYTES
from munsit_denoise.db.tables import balances, uploads, users
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.errors import AlreadyThere, NotFound
from munsit_denoise.records import Status

ENDED = (Status.SUCCESS, Status.FAILED)


@dataclass(frozen=True)
class User:
    """A user, with or without keys."""

    id: str
    name: str
    created_at_us: int
    available_ms: int  # of their balance
    priority: int = 0


@dataclass(frozen=True)
class OpenJob:
    """A job that has not ended."""

    id: str
    user_id: str
    user_name: str
    source_url: str | None  # set while the original has not been downloaded
    percent: int  # as last written
    attempts: int
    created_at_us: int
    heartbeat_at_us: int | None = None  # the last heartbeat of the job's runner


@dataclass(frozen=True)
class Stored:
    """Stored bytes; results include their pictures."""

    originals_bytes: int
    results_bytes: int
    uploads_bytes: int


@dataclass(frozen=True)
class Ended:
    """The jobs that ended in a period."""

    success: int
    failed: int
    sound_s: float  # of successful jobs


class Overview:
    """Rows of all users in SQL. Every method may raise DatabaseBusy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def users(self, offset: int, limit: int) -> Sequence[User]:
        """Return a page of users, newest first."""
        query = _users().order_by(users.c.created_at.desc(), users.c.id).offset(offset).limit(limit)
        return [User(*row) for row in await self._rows(query)]

    async def user(self, user_id: str) -> User:
        """Return one user. Raises NotFound."""
        rows = await self._rows(_users().where(users.c.id == user_id))
        if not rows:
            raise NotFound("There is no such user.")
        return User(*rows[0])

    async def add_user(self, name: str) -> User:
        """Create a user and return them. Raises AlreadyThere, StorageFull."""
        user = User(str(uuid.uuid4()), name, now_us(), 0)
        row = {"id": user.id, "name": name, "created_at": user.created_at_us}
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(users).values(**row))
        except IntegrityError:
            raise AlreadyThere("A user with this name exists already. Please choose another name.") from None
        return user

    async def open_jobs(self, offset: int, limit: int) -> Sequence[OpenJob]:
        """Return a page of the jobs that have not ended, oldest first."""
        columns = (t.c.id, t.c.user_id, users.c.name, t.c.source_url, t.c.percent, t.c.attempts, t.c.created_at)
        query = (
            select(*columns, t.c.heartbeat_at).join(users).where(t.c.status == Status.PENDING, t.c.removed_at.is_(None))
        )
        query = query.order_by(t.c.created_at, t.c.id).offset(offset).limit(limit)
        return [OpenJob(*row) for row in await self._rows(query)]

    async def stored(self) -> Stored:
        """Return how many bytes are stored."""
        kept = (t.c.deleted_at.is_(None), t.c.removed_at.is_(None))
        originals = select(_sum(t.c.audio_size)).where(*kept, t.c.original_gone_at.is_(None), t.c.source_url.is_(None))
        results = select(_sum(t.c.result_bytes)).where(*kept, t.c.result_gone_at.is_(None), t.c.result_key.is_not(None))
        pictures = select(_sum(KEPT_TILES_BYTES)).where(*kept)
        waiting = select(_sum(uploads.c.audio_size))
        queries = (each.scalar_subquery() for each in (originals, results, pictures, waiting))
        (row,) = await self._rows(select(*queries))
        originals_bytes, results_bytes, pictures_bytes, waiting_bytes = map(int, row)
        return Stored(originals_bytes, results_bytes + pictures_bytes, waiting_bytes)

    async def ended(self, seconds: float) -> Ended:
        """Return the jobs that ended in the last `seconds`."""
        since = now_us() - int(seconds * 1e6)
        query = select(t.c.status, func.count(), func.sum(t.c.audio_duration)).group_by(t.c.status)
        rows = await self._rows(query.where(t.c.status.in_(ENDED), t.c.updated_at >= since))
        found = {row[0]: tuple(row) for row in rows}
        success, failed = (found.get(status, ("", 0, 0.0)) for status in ENDED)
        return Ended(int(success[1]), int(failed[1]), float(success[2]))

    async def _rows(self, query: Select[Any]) -> list[Any]:
        async with self._database.read() as connection:
            return list(await connection.execute(query))


def _users() -> Select[Any]:
    available = func.coalesce(balances.c.available_ms, 0)
    return select(users.c.id, users.c.name, users.c.created_at, available, users.c.priority).outerjoin(balances)


def _sum(column: Any) -> Any:
    return func.coalesce(func.sum(column), 0)
