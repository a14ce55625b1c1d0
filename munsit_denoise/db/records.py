"""The history of denoise jobs, which is the queue's truth as well."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, case, func, insert, select, tuple_, update

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.errors import JobNotFound
from munsit_denoise.records import DELETED, Delivery, DenoiseRecord, Options, Origin, SourceType, Status

PAGE_BATCH = 500  # records of an unlimited list that are in memory at a time


@dataclass(frozen=True)
class Lease:
    """The right to run a job: void as soon as somebody else holds a newer one."""

    record: DenoiseRecord
    number: int


@dataclass(frozen=True)
class Waiting:
    """A job that has not ended."""

    id: str
    user_id: str
    attempts: int
    source_url: str | None  # set where the original is not here yet
    created_at_us: int


class Records:
    """Denoise records in SQL. Every method may raise DatabaseBusy; those that write, StorageFull as well."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, record: DenoiseRecord) -> None:
        """Commit a new record."""
        async with self._database.write() as connection:
            await connection.execute(insert(t).values(**_to_row(record)))

    async def get(self, record_id: str) -> DenoiseRecord | None:
        """Return a record whoever owns it, None when there is none."""
        return await self._one(select(t).where(t.c.id == record_id))

    async def get_own(self, user_id: str, record_id: str) -> DenoiseRecord:
        """Return a user's record. Raises JobNotFound, also for one that is not theirs."""
        record = await self._one(select(t).where(t.c.id == record_id, t.c.user_id == user_id))
        if record is None:
            raise JobNotFound
        return record

    async def get_by_secret(self, secret: str) -> DenoiseRecord | None:
        """Return the record that a download path names."""
        return await self._one(select(t).where(t.c.secret == secret))

    async def page(self, user_id: str, offset: int, limit: int) -> list[DenoiseRecord]:
        """Return a user's records, newest first."""
        return await self._many(_history(user_id).offset(offset).limit(limit))

    async def all(self, user_id: str, offset: int, limit: int) -> AsyncIterator[Sequence[DenoiseRecord]]:
        """Yield a user's records, newest first, in batches of bounded size; the first may be empty.

        Each batch continues after the last record of the one before it: no transaction stays open while a
        client reads slowly, and records that come in meanwhile shift nothing.
        """
        batch = await self.page(user_id, offset, min(limit, PAGE_BATCH))
        yield batch
        while batch and (limit := limit - len(batch)) > 0:
            last = tuple_(t.c.created_at, t.c.id) < (batch[-1].created_at_us, batch[-1].id)
            query = _history(user_id).where(last).limit(min(limit, PAGE_BATCH))
            batch = await self._many(query)
            yield batch

    async def pending(self) -> list[Waiting]:
        """Return every job that has not ended, oldest first."""
        columns = (t.c.id, t.c.user_id, t.c.attempts, t.c.source_url, t.c.created_at)
        query = select(*columns).where(t.c.status == Status.PENDING).order_by(t.c.created_at)
        async with self._database.read() as connection:
            return [Waiting(*row) for row in await connection.execute(query)]

    async def storage_keys(self, record_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return the storage keys that each of these records uses; unknown and deleted ones are left out."""
        kept = (t.c.id.in_(record_ids), t.c.deleted_at.is_(None))
        query = select(t.c.id, t.c.original_key, t.c.result_key).where(*kept)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return {row.id: {row.original_key, row.result_key} - {None} for row in rows}

    async def claim(self, record_id: str) -> Lease | None:
        """Begin a run of a pending job; None when it has ended meanwhile."""
        change = {"attempts": t.c.attempts + 1, "lease": t.c.lease + 1, "updated_at": now_us()}
        query = update(t).where(t.c.id == record_id, t.c.status == Status.PENDING).values(change).returning(t)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).one_or_none()
        return Lease(_from_row(row), row.lease) if row else None

    async def give_back(self, lease: Lease) -> None:
        """End a run that was interrupted through no fault of the job: it does not count."""
        await self._settle(lease, attempts=t.c.attempts - 1)

    async def succeed(self, lease: Lease, result_key: str, delivery: Delivery | None = None) -> DenoiseRecord | None:
        """End the job well; None when the lease was void, and then nothing changed."""
        return await self._settle(lease, status=Status.SUCCESS, result_key=result_key, delivery=delivery)

    async def fail(self, lease: Lease, message: str) -> DenoiseRecord | None:
        """End the job with a sentence; None when the lease was void, and then nothing changed."""
        return await self._settle(lease, status=Status.FAILED, error=message)

    async def fetched(self, record: DenoiseRecord) -> bool:
        """Note that a job's original has come in; False when the job has ended meanwhile."""
        change = _to_row(record) | {"source_url": None, "updated_at": now_us()}
        names = ("source_url", "updated_at", "file_name", "audio_format", "source_type", "audio_duration", "audio_size")
        kept = {name: change[name] for name in (*names, "extension")}
        return await self._update_fetching(record.id, kept) is not None

    async def fail_fetch(self, record_id: str, message: str) -> DenoiseRecord | None:
        """End a job whose original cannot be had; None when it has ended meanwhile."""
        change = {"status": Status.FAILED, "error": message, "updated_at": now_us()}
        return await self._update_fetching(record_id, change)

    async def delete_files(self, user_id: str, record_id: str) -> DenoiseRecord:
        """Note that a job's files go, ending it when it is pending. Raises JobNotFound."""
        pending = t.c.status == Status.PENDING
        change = {
            "deleted_at": func.coalesce(t.c.deleted_at, now_us()),
            "updated_at": case((t.c.deleted_at.is_(None), now_us()), else_=t.c.updated_at),
            "error": case((pending, DELETED), else_=t.c.error),
            "status": case((pending, Status.FAILED), else_=t.c.status),
            "source_url": None,
        }
        query = update(t).where(t.c.id == record_id, t.c.user_id == user_id).values(change).returning(t)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise JobNotFound
        return _from_row(row)

    async def _update_fetching(self, record_id: str, change: dict[str, Any]) -> DenoiseRecord | None:
        own = (t.c.id == record_id, t.c.status == Status.PENDING, t.c.source_url.is_not(None))
        query = update(t).where(*own).values(change).returning(t)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _from_row(row) if row else None

    async def _settle(self, lease: Lease, **change: Any) -> DenoiseRecord | None:
        own = (t.c.id == lease.record.id, t.c.status == Status.PENDING, t.c.lease == lease.number)
        query = update(t).where(*own).values(updated_at=now_us(), **change).returning(t)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _from_row(row) if row else None

    async def _many(self, query: Select[Any]) -> list[DenoiseRecord]:
        async with self._database.read() as connection:
            return [_from_row(row) for row in await connection.execute(query)]

    async def _one(self, query: Select[Any]) -> DenoiseRecord | None:
        async with self._database.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return _from_row(row) if row else None


def _history(user_id: str) -> Select[Any]:
    return select(t).where(t.c.user_id == user_id).order_by(t.c.created_at.desc(), t.c.id.desc())


def _to_row(record: DenoiseRecord) -> dict[str, Any]:
    fields = dict(vars(record)) | vars(record.options)
    del fields["options"]
    for name, column in _COLUMN_OF_FIELD.items():
        fields[column] = fields.pop(name)
    return fields


_COLUMN_OF_FIELD = {
    "audio_duration_s": "audio_duration",
    "audio_size_bytes": "audio_size",
    "created_at_us": "created_at",
    "updated_at_us": "updated_at",
    "deleted_at_us": "deleted_at",
}


def _from_row(row: Row[Any]) -> DenoiseRecord:
    fields = dict(row._mapping)
    for name, column in _COLUMN_OF_FIELD.items():
        fields[name] = fields.pop(column)
    fields["options"] = Options(**{name: fields.pop(name) for name in vars(Options())})
    fields["status"] = Status(fields["status"])
    fields["origin"] = Origin(fields["origin"])
    fields["source_type"] = SourceType(fields["source_type"])
    fields["delivery"] = Delivery(fields["delivery"]) if fields["delivery"] else None
    return DenoiseRecord(**fields)
