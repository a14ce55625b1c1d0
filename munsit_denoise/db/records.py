"""The history of denoise jobs, which is the queue's truth as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, func, insert, select, update

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.readers import Query
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.errors import JobNotFound
from munsit_denoise.records import DELETED, Delivery, DenoiseRecord, Options, Origin, SourceType, Status

BY_ID = Query(select(t).where(t.c.id == bindparam("id")))
BY_ID_AND_USER = Query(select(t).where(t.c.id == bindparam("id"), t.c.user_id == bindparam("user_id")))
BY_SECRET = Query(select(t).where(t.c.secret == bindparam("secret")))


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
        return await self._read_one(BY_ID, id=record_id)

    async def get_own(self, user_id: str, record_id: str) -> DenoiseRecord:
        """Return a user's record. Raises JobNotFound, also for one that is not theirs."""
        record = await self._read_one(BY_ID_AND_USER, id=record_id, user_id=user_id)
        if record is None:
            raise JobNotFound
        return record

    async def get_by_secret(self, secret: str) -> DenoiseRecord | None:
        """Return the record that a download path names."""
        return await self._read_one(BY_SECRET, secret=secret)

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

    async def _read_one(self, query: Query, **values: object) -> DenoiseRecord | None:
        rows = await self._database.readers.ask(query, values, list)
        return _from_values(dict(zip(t.c.keys(), rows[0], strict=True))) if rows else None


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
    return _from_values(dict(row._mapping))


def _from_values(fields: dict[str, Any]) -> DenoiseRecord:
    for name, column in _COLUMN_OF_FIELD.items():
        fields[name] = fields.pop(column)
    fields["options"] = Options(**{name: fields.pop(name) for name in vars(Options())})
    fields["status"] = Status(fields["status"])
    fields["origin"] = Origin(fields["origin"])
    fields["source_type"] = SourceType(fields["source_type"])
    fields["delivery"] = Delivery(fields["delivery"]) if fields["delivery"] else None
    return DenoiseRecord(**fields)
