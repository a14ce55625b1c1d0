"""A user's records, in pages, and the files of each record."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from munsit_denoise.db.history import Encode, Encoded, RecordFilter, RecordPages
from munsit_denoise.db.rows import to_row
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.watch import present
from munsit_denoise.records import HISTORY_COLUMNS, DenoiseRecord, Event
from munsit_denoise.storage.base import Presigning, Reader, Storage

__all__ = ["History", "RecordFilter", "StoredFile", "row_of"]


def row_of(record: DenoiseRecord) -> list[Any]:
    """Return a record as its row in a list: the values of HISTORY_COLUMNS."""
    values = to_row(record)
    values["deleted_at"] = values["deleted_at"] or values["result_gone_at"]  # no download is offered in either case
    return [values[name] for name in HISTORY_COLUMNS]


LINK_S = 900.0  # how long a link to a file in the object store is valid


@dataclass(frozen=True)
class StoredFile:
    """A file for download; its path stays hidden."""

    size_bytes: int
    modified_s: float  # seconds since 1970
    _storage: Storage
    _key: str

    async def link(self) -> str | None:
        """Return a temporary URL of the file in the object store, or None if the storage has no URLs."""
        storage = self._storage
        return await storage.presign(self._key, LINK_S) if isinstance(storage, Presigning) else None

    def open(self) -> AbstractAsyncContextManager[Reader]:
        """Yield a reader at the start of the file. Raises FileNotFoundError, StorageBroken, OutOfResources."""
        return self._storage.open_range(self._key)


class History:
    """Read access to records and files. Every method may raise DatabaseBusy."""

    def __init__(self, parts: Parts, pages: RecordPages) -> None:
        self._parts, self._pages = parts, pages

    async def get(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Return a user's record. Raises JobNotFound."""
        return await self._parts.records.get_own(user_id, job_id)

    async def state(self, user_id: str, job_id: str) -> tuple[DenoiseRecord, Event]:
        """Return a user's record and the current event of its job. Raises JobNotFound."""
        record = await self._parts.records.get_own(user_id, job_id)
        return record, present(record, self._parts.board.latest(job_id), self._parts.standing)

    async def page(self, wanted: RecordFilter, offset: int, limit: int, encode: Encode[Encoded]) -> Encoded:
        """Return what `encode` makes of the rows of a page, newest first; it runs in the thread that read them."""
        return await self._pages.page(wanted, offset, limit, encode)

    def all(self, wanted: RecordFilter, offset: int, limit: int, encode: Encode[Encoded]) -> AsyncIterator[Encoded]:
        """Yield what `encode` makes of bounded batches of rows; the first batch may be empty."""
        return self._pages.all(wanted, offset, limit, encode)

    async def by_secret(self, secret: str) -> DenoiseRecord | None:
        """Return the record with this secret in its download path, or None."""
        return await self._parts.records.get_by_secret(secret)

    async def file(self, key: str) -> StoredFile | None:
        """Return the stored file of a key, or None if it is missing. Raises StorageBroken."""
        try:
            found = await self._parts.storage.stat(key)
        except FileNotFoundError:
            return None
        return StoredFile(found.size_bytes, found.modified_s, self._parts.storage, key)
