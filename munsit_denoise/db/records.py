"""The records of denoise jobs, which are also the source of truth for the queue."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.balance import reserve, reserve_fetched
from munsit_denoise.db.end_effects import tell_end
from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.readers import Query
from munsit_denoise.db.retention import KEPT_TILES_KEY, ORIGINAL, RESULT
from munsit_denoise.db.row_changes import Change, cancelling, deleting, removing
from munsit_denoise.db.rows import from_row, from_values, to_row
from munsit_denoise.db.runs import Beat, Lease, PendingJob, RunResult, new_claim
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.db.tables import users
from munsit_denoise.errors import JobNotFound
from munsit_denoise.records import DenoiseRecord, ResultDelivery, Status

COLUMNS = tuple(t.c.keys())
REMOVED_AT_ONCE = 500
KEPT = t.c.removed_at.is_(None)  # the others are there until their files are gone, and nobody sees them
BY_ID = Query(select(t).where(t.c.id == bindparam("id"), KEPT))
BY_ID_AND_USER = Query(select(t).where(t.c.id == bindparam("id"), t.c.user_id == bindparam("user_id"), KEPT))
BY_SECRET = Query(select(t).where(t.c.secret == bindparam("secret"), KEPT))
RECKONED = Query(
    select(t.c.user_id, func.sum(t.c.result_bytes))
    .where(t.c.status == literal(Status.PENDING.value))
    .group_by(t.c.user_id)
)
# built once: building a statement for each record costs as much as executing it
THEIRS = select(users.c.id).where(users.c.id == bindparam("user_id")).with_for_update(key_share=True)
NEWEST = select(func.max(t.c.created_at)).where(t.c.user_id == bindparam("user_id"))
INSERT = insert(t)

__all__ = ["Beat", "Beside", "Lease", "PendingJob", "Records", "RunResult"]

Beside = Callable[[AsyncConnection, DenoiseRecord], Awaitable[DenoiseRecord]]  # further changes in a transaction
Besides = Sequence[Beside]


class Records:
    """Denoise records in SQL. Every method may raise DatabaseBusy, and those that write also StorageFull."""

    def __init__(
        self,
        database: Database,
        *,
        balance: bool = False,
        announce: Beside | None = None,
        bounds: Beside | None = None,
    ) -> None:
        """With `balance`, each job uses its user's minutes; `announce` adds it to the queue in the same transaction.

        `bounds` may refuse a new job in the transaction that accepts it.
        """
        self._database = database
        told = [announce] if announce else []
        self._accepting = [*([bounds] if bounds else []), *([reserve] if balance else []), *told]
        self._fetching = [*([reserve_fetched] if balance else []), *told]

    async def insert(self, record: DenoiseRecord, beside: Besides = ()) -> DenoiseRecord:
        """Commit a new record as its user's newest, even if the clock was set back; return it as committed.

        Each of `beside` runs before it in the same transaction, and may change the record or refuse it with an error.
        """
        async with self._database.write() as connection:
            if connection.dialect.name != "sqlite":  # where a transaction that writes is alone anyway
                await connection.execute(THEIRS, {"user_id": record.user_id})  # the next statement sees who was before
            before_us = await connection.scalar(NEWEST, {"user_id": record.user_id})
            if before_us is not None and record.created_at_us <= before_us:
                record = replace(record, created_at_us=before_us + 1, updated_at_us=before_us + 1)
            for work in (*beside, *self._accepting):
                record = await work(connection, record)
            await connection.execute(INSERT, to_row(record))
        return record

    async def get(self, record_id: str) -> DenoiseRecord | None:
        """Return a record of any user, or None."""
        return await self._read_one(BY_ID, id=record_id)

    async def get_own(self, user_id: str, record_id: str) -> DenoiseRecord:
        """Return a user's record. Raises JobNotFound, also for one of another user."""
        record = await self._read_one(BY_ID_AND_USER, id=record_id, user_id=user_id)
        if record is None:
            raise JobNotFound
        return record

    async def get_by_secret(self, secret: str) -> DenoiseRecord | None:
        """Return the record with this secret in its download path, or None."""
        return await self._read_one(BY_SECRET, secret=secret)

    async def pending(self) -> list[PendingJob]:
        """Return every job that has not ended, oldest first."""
        columns = (t.c.id, t.c.user_id, t.c.attempts, t.c.source_url, t.c.created_at)
        query = select(*columns).where(t.c.status == Status.PENDING).order_by(t.c.created_at)
        async with self._database.read() as connection:
            return [PendingJob(*row) for row in await connection.execute(query)]

    async def reckoned_bytes(self) -> dict[str, int]:
        """Return the disk space that the results of all unfinished jobs need, by user."""
        rows = await self._database.readers.ask(RECKONED, {}, list)
        return {user_id: int(size) for user_id, size in rows}

    async def known(self, record_ids: Sequence[str]) -> set[str]:
        """Return which of these records exist, including hidden ones."""
        async with self._database.read() as connection:
            return set(await connection.scalars(select(t.c.id).where(t.c.id.in_(record_ids))))

    async def any_files(self) -> bool:
        """Return whether a record refers to files that should exist."""
        query = select(t.c.id).where(t.c.deleted_at.is_(None), t.c.source_url.is_(None), KEPT).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    async def storage_keys(self, record_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return the storage keys of each of these records, without unknown and deleted ones."""
        kept = (t.c.id.in_(record_ids), t.c.deleted_at.is_(None), KEPT)
        query = select(t.c.id, ORIGINAL.kept_key, RESULT.kept_key, KEPT_TILES_KEY).where(*kept)
        async with self._database.read() as connection:
            return {row.id: {*row[1:]} - {None} for row in await connection.execute(query)}

    async def claim(self, record_id: str, claim: str | None = None) -> Lease | None:
        """Begin a run of a pending job; None when it has ended meanwhile.

        A `claim` that is made again, as the answer of its commit was lost, is the same run, unless another one came
        between.
        """
        now, claim = now_us(), claim or new_claim()
        is_new = case((t.c.claim == claim, 0), else_=1)
        change = {"attempts": t.c.attempts + is_new, "lease": t.c.lease + is_new, "claim": claim}
        change |= {"updated_at": now, "heartbeat_at": now}
        query = update(t).where(t.c.id == record_id, t.c.status == Status.PENDING).values(change).returning(t)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).one_or_none()
        return Lease(from_row(row), row.lease) if row else None

    async def beat(self, beats: Sequence[Beat]) -> list[Lease]:
        """Write the progress of runs in one transaction; return the leases that are void."""
        void = []
        async with self._database.write() as connection:
            for beat in beats:
                change = {"percent": beat.percent, "message": beat.message, "heartbeat_at": now_us()}
                if not (await connection.execute(update(t).where(*_held(beat.lease)).values(change))).rowcount:
                    void.append(beat.lease)
        return void

    async def give_back(self, lease: Lease) -> None:
        """End a run that was interrupted through no fault of the job, without counting it; repeating it is harmless."""
        uncounted = (*_held(lease), t.c.attempts == lease.record.attempts)
        change = {"updated_at": now_us(), "attempts": t.c.attempts - 1, "heartbeat_at": None}
        await self._change(uncounted, change)

    async def succeed(
        self, lease: Lease, result: RunResult, delivery: ResultDelivery | None = None
    ) -> DenoiseRecord | None:
        """End the job with success; None, without changes, if the lease is void."""
        change: dict[str, Any] = {"delivery": delivery, "result_key": result.key, "report": result.report}
        change |= {"tiles_key": result.tiles_key, "tiles_bytes": result.tiles_bytes, "result_bytes": result.size_bytes}
        change |= {"percent": 100, "message": None}
        return await self._settle(lease, status=Status.SUCCESS, **change)

    async def fail(self, lease: Lease, message: str) -> DenoiseRecord | None:
        """Fail the job with a sentence; None, without changes, if the lease is void."""
        return await self._settle(lease, status=Status.FAILED, error=message)

    async def fetched(self, record: DenoiseRecord) -> bool:
        """Write that a job's original was downloaded; False if the job has ended. Raises InsufficientBalance."""
        change = to_row(record) | {"source_url": None, "updated_at": now_us(), "heartbeat_at": None}
        names = ("source_url", "updated_at", "heartbeat_at", "file_name", "audio_format", "source_type")
        more = ("audio_duration", "audio_size", "extension", "track", "result_bytes")
        kept = {name: change[name] for name in (*names, *more)}
        return await self._update_fetching(record.id, kept, self._fetching) is not None

    async def fail_fetch(self, record_id: str, message: str) -> DenoiseRecord | None:
        """Fail a job whose original cannot be downloaded; None if it has ended meanwhile."""
        change = {"status": Status.FAILED, "error": message, "updated_at": now_us()}
        return await self._update_fetching(record_id, change)

    async def delete_files(self, user_id: str, record_id: str) -> DenoiseRecord:
        """Write that a job's files are deleted, which ends a pending job. Raises JobNotFound."""
        return await self._end_own(user_id, record_id, deleting())

    async def cancel(self, user_id: str, record_id: str) -> DenoiseRecord:
        """End a job if it is pending; return the record. Raises JobNotFound."""
        return await self._end_own(user_id, record_id, cancelling())

    async def mark_removed(self, user_id: str, record_id: str) -> DenoiseRecord:
        """Hide a record, which ends a pending job. Raises JobNotFound."""
        return await self._end_own(user_id, record_id, removing())

    async def removed(self, offset: int = 0) -> list[str]:
        """Return the ids of some records that nobody sees and whose files may be there, oldest removal first."""
        query = select(t.c.id).where(t.c.removed_at.is_not(None)).order_by(t.c.removed_at, t.c.id)
        query = query.limit(REMOVED_AT_ONCE).offset(offset)
        async with self._database.read() as connection:
            return list(await connection.scalars(query))

    async def forget(self, record_id: str) -> None:
        """Delete the row of a hidden record; a missing row is no error."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.id == record_id, t.c.removed_at.is_not(None)))

    async def void(self, leases: Sequence[Lease]) -> list[Lease]:
        """Return the leases that are void."""
        query = select(t.c.id, t.c.lease).where(t.c.id.in_([lease.record.id for lease in leases]))
        async with self._database.read() as connection:
            held = {(row.id, row.lease) for row in await connection.execute(query.where(t.c.status == Status.PENDING))}
        return [lease for lease in leases if (lease.record.id, lease.number) not in held]

    async def _end_own(self, user_id: str, record_id: str, change: Change) -> DenoiseRecord:
        """Change a user's record, and note the end of its job if the change ends it. Raises JobNotFound."""
        own = (t.c.id == record_id, t.c.user_id == user_id, KEPT)
        async with self._database.write() as connection:
            if (before := await connection.scalar(select(t.c.status).where(*own).with_for_update())) is None:
                raise JobNotFound
            record = from_row((await connection.execute(update(t).where(*own).values(change).returning(t))).one())
            if before == Status.PENDING:
                await tell_end(connection, record)
        return record

    async def _update_fetching(self, record_id: str, change: Change, beside: Besides = ()) -> DenoiseRecord | None:
        own = (t.c.id == record_id, t.c.status == Status.PENDING, t.c.source_url.is_not(None))
        return await self._change(own, change, beside)

    async def _settle(self, lease: Lease, **change: Any) -> DenoiseRecord | None:
        return await self._change(_held(lease), {"updated_at": now_us(), **change})

    async def _change(self, which: tuple[Any, ...], change: Change, beside: Besides = ()) -> DenoiseRecord | None:
        """Change a pending record; if that ends it, the end is noted in the same transaction."""
        async with self._database.write() as connection:
            row = (await connection.execute(update(t).where(*which).values(change).returning(t))).one_or_none()
            if row is None:
                return None
            if (record := from_row(row)).status is not Status.PENDING:
                await tell_end(connection, record)
            for work in beside:
                record = await work(connection, record)
        return record

    async def _read_one(self, query: Query, **values: object) -> DenoiseRecord | None:
        rows = await self._database.readers.ask(query, values, list)
        return from_values(dict(zip(COLUMNS, rows[0], strict=True))) if rows else None


def _held(lease: Lease) -> tuple[Any, ...]:
    return t.c.id == lease.record.id, t.c.status == Status.PENDING, t.c.lease == lease.number
