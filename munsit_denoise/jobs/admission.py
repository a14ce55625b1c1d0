"""Limits on what comes in; waiting jobs and unfinished uploads count together."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.errors import (
    QueueFull,
    ResultTooLarge,
    ShuttingDown,
    StorageFull,
    TooManyJobs,
    TooManyUploads,
    TooMuchWaiting,
)
from munsit_denoise.jobs.intake import UploadLimits
from munsit_denoise.queue.base import JobQueue
from munsit_denoise.storage.base import Storage


class InFlight:
    """Requests whose body is arriving, by user, and the bytes that they may bring."""

    def __init__(self) -> None:
        self._held: dict[str, list[int]] = {}  # for each user, the bytes of each request

    @contextmanager
    def reserve(self, user_id: str, size_bytes: int) -> Iterator[None]:
        """Count a request inside the block."""
        held = self._held.setdefault(user_id, [])
        held.append(size_bytes)
        try:
            yield
        finally:
            held.remove(size_bytes)
            if not held:
                del self._held[user_id]

    def count(self, user_id: str | None = None) -> int:
        """Return the number of requests of one user, or of all."""
        return len(self._held.get(user_id, ())) if user_id else sum(map(len, self._held.values()))

    def size_bytes(self, user_id: str | None = None) -> int:
        """Return the bytes that the requests of one user, or of all, may bring."""
        return sum(self._held.get(user_id, ())) if user_id else sum(map(sum, self._held.values()))


class Admission:
    """Refuses requests before anything is read, and reserves room for accepted ones until they are stored."""

    def __init__(
        self, limits: UploadLimits, storage: Storage, uploads: Uploads, records: Records, queues: Sequence[JobQueue]
    ) -> None:
        self._limits, self._storage, self._queues = limits, storage, queues
        self._uploads, self._records = uploads, records
        self._jobs_coming, self._uploads_coming, self._results_coming = InFlight(), InFlight(), InFlight()
        self._parts_coming = InFlight()
        self.stopping = False

    def stop(self) -> None:
        """Refuse everything from now on."""
        self.stopping = True

    def check_room(self, expected_bytes: int = 0) -> None:
        """Refuse a request of this size if there is no room. Raises ShuttingDown, StorageFull."""
        if self.stopping:
            raise ShuttingDown
        coming = (self._jobs_coming, self._uploads_coming, self._parts_coming)
        room = 2 * (expected_bytes + sum(requests.size_bytes() for requests in coming))
        if self._storage.free_bytes() < max(room, self._limits.disk_reserve_mb * 2**20):
            raise StorageFull

    @contextmanager
    def job(self, user_id: str, expected_bytes: int = 0) -> Iterator[None]:
        """Admit a job; at the end of the block it must be queued or refused.

        Raises ShuttingDown, QueueFull, TooManyJobs, StorageFull.
        """
        limits, coming = self._limits, self._jobs_coming
        if self.stopping:
            raise ShuttingDown
        if limits.pending_jobs and sum(map(len, self._queues)) + coming.count() >= limits.pending_jobs:
            raise QueueFull
        own = sum(queue.waiting(user_id) for queue in self._queues) + coming.count(user_id)
        if limits.pending_jobs_per_user and own >= limits.pending_jobs_per_user:
            raise TooManyJobs
        self.check_room(expected_bytes)
        with coming.reserve(user_id, expected_bytes):
            yield

    @asynccontextmanager
    async def upload(self, user_id: str, expected_bytes: int) -> AsyncIterator[None]:
        """Admit a file for a later job; at the end of the block it must be stored or refused.

        Raises ShuttingDown, StorageFull, TooManyUploads, DatabaseBusy.
        """
        self.check_room(expected_bytes)
        with self._uploads_coming.reserve(user_id, expected_bytes):  # before other requests are counted
            if await self._too_many(user_id, unused=False) and await self._too_many(user_id, unused=True):
                raise TooManyUploads
            yield

    @contextmanager
    def part(self, user_id: str, size_bytes: int) -> Iterator[None]:
        """Admit the rest of an upload that was admitted before. Raises ShuttingDown, StorageFull."""
        self.check_room(size_bytes)
        with self._parts_coming.reserve(user_id, size_bytes):
            yield

    @asynccontextmanager
    async def result(self, user_id: str, size_bytes: int) -> AsyncIterator[None]:
        """Admit a job whose result needs this size; at the end of the block it must be committed or refused.

        Raises ResultTooLarge, TooMuchWaiting, StorageFull, DatabaseBusy.
        """
        most_mb = self._limits.result_mb_per_user
        most_bytes, coming = most_mb * 2**20, self._results_coming
        if 0 < most_bytes < size_bytes:
            raise ResultTooLarge(most_mb, size_bytes)
        with coming.reserve(user_id, size_bytes):  # before other requests are counted
            reckoned = await self._records.reckoned_bytes()
            if 0 < most_bytes < reckoned.get(user_id, 0) + coming.size_bytes(user_id):
                raise TooMuchWaiting
            needed = sum(reckoned.values()) + coming.size_bytes()
            if self._storage.free_bytes() < needed + self._limits.disk_reserve_mb * 2**20:
                raise StorageFull
            yield

    async def _too_many(self, user_id: str, *, unused: bool) -> bool:
        """Return whether a user's stored and arriving files are too many or too large.

        `unused` leaves out files that a job uses.
        """
        count, size_bytes = await self._uploads.waiting(user_id, unused=unused)
        most, most_bytes = self._limits.uploads_per_user, self._limits.uploads_mb_per_user * 2**20
        coming = self._uploads_coming
        return 0 < most < count + coming.count(user_id) or 0 < most_bytes < size_bytes + coming.size_bytes(user_id)
