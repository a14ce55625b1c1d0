"""A user's records, pages of them, and the files of one."""

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
    values["deleted_at"] = values["deleted_at"] or values["result_gone_at"]  # neither is offered
    return [values[name] for name in HISTORY_COLUMNS]


LINK_S = 900.0  # how long whoever is sent to the store may fetch a file there


@dataclass(frozen=True)
class StoredFile:
    """A file that can be fetched; no path of it is told."""

    size_bytes: int
    modified_s: float  # since 1970
    _storage: Storage
    _key: str

    async def link(self) -> str | None:
        """Return a URL of the store under which the file can be fetched for a while, None for a store without any."""
        storage = self._storage
        return await storage.presign(self._key, LINK_S) if isinstance(storage, Presigning) else None

    def open(self) -> AbstractAsyncContextManager[Reader]:
        """Yield a reader that stands at the beginning. Raises FileNotFoundError, StorageBroken, OutOfResources."""
        return self._storage.open_range(self._key)


class History:
    """Records and files, read alone. Every method may raise DatabaseBusy."""

    def __init__(self, parts: Parts, pages: RecordPages) -> None:
        self._parts, self._pages = parts, pages

    async def get(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Return a user's record. Raises JobNotFound."""
        return await self._parts.records.get_own(user_id, job_id)

    async def state(self, user_id: str, job_id: str) -> tuple[DenoiseRecord, Event]:
        """Return a user's job and what it does at present. Raises JobNotFound."""
        record = await self._parts.records.get_own(user_id, job_id)
        return record, present(record, self._parts.board.latest(job_id), self._parts.standing)

    async def page(self, wanted: RecordFilter, offset: int, limit: int, encode: Encode[Encoded]) -> Encoded:
        """Return what `encode` makes of a page's rows, newest first, in the thread that read them."""
        return await self._pages.page(wanted, offset, limit, encode)

    def all(self, wanted: RecordFilter, offset: int, limit: int, encode: Encode[Encoded]) -> AsyncIterator[Encoded]:
        """Yield what `encode` makes of batches of bounded size; the first may be of no row."""
        return self._pages.all(wanted, offset, limit, encode)

    async def by_secret(self, secret: str) -> DenoiseRecord | None:
        """Return the record that a download path names."""
        return await self._parts.records.get_by_secret(secret)

    async def file(self, key: str) -> StoredFile | None:
        """Return the file of a record under a key, None when it is not there. Raises StorageBroken."""
        try:
            found = await self._parts.storage.stat(key)
        except FileNotFoundError:
            return None
        return StoredFile(found.size_bytes, found.modified_s, self._parts.storage, key)
