"""What the edge may ask for: submit a recording, list the history, watch a job."""

import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.records import Records
from munsit_denoise.errors import AudioTooLong, FileTooLarge, QueueFull, ShuttingDown, StorageFull, TooManyJobs
from munsit_denoise.events.base import Bell
from munsit_denoise.jobs.watch import Patience, watch
from munsit_denoise.media.probe import AudioTrack, probe
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import DenoiseRecord, Event, Origin, extension_of, source_type_of
from munsit_denoise.storage import LocalStorage

log = logging.getLogger(__name__)
SECRET_BYTES = 16  # in a download path: 128 bits cannot be guessed
PROBES_AT_ONCE = 4  # uploads that are looked at beside each other; the others wait their turn


@dataclass(frozen=True)
class Limits:
    """What an upload may be; 0 is any."""

    upload_mb: int
    duration_minutes: float
    pending_jobs: int
    pending_jobs_per_user: int
    disk_reserve_mb: int


@dataclass(frozen=True)
class Received:
    """A file that was written to disk, and the name that the client gave it."""

    file_name: str
    size_bytes: int


Receive = Callable[[Path], Awaitable[Received]]  # writes an upload to a path


class DenoiseService:
    """The jobs of all users; every method acts for one."""

    def __init__(self, records: Records, storage: LocalStorage, queue: LocalQueue, bell: Bell, limits: Limits) -> None:
        self.records, self.storage, self.queue, self.bell, self.limits = records, storage, queue, bell, limits
        self._stopping = False
        self._probing = anyio.CapacityLimiter(PROBES_AT_ONCE)

    def stop(self) -> None:
        """Accept nothing new, end every stream."""
        self._stopping = True
        self.bell.close()

    @property
    def max_upload_bytes(self) -> int | None:
        """The largest file that is accepted, None for any."""
        return self.limits.upload_mb * 2**20 or None

    def admit(self, user_id: str, announced_bytes: int | None) -> None:
        """Refuse a request before its body is read, by what it announces.

        Raises ShuttingDown, QueueFull, TooManyJobs, StorageFull.
        """
        if self._stopping:
            raise ShuttingDown
        if self.limits.pending_jobs and len(self.queue) >= self.limits.pending_jobs:
            raise QueueFull
        if self.limits.pending_jobs_per_user and self.queue.waiting(user_id) >= self.limits.pending_jobs_per_user:
            raise TooManyJobs
        reserve = max(
            2 * min(announced_bytes or 0, self.max_upload_bytes or 2**62), self.limits.disk_reserve_mb * 2**20
        )
        if self.storage.free_bytes() < reserve:
            raise StorageFull

    def too_large(self, size_bytes: int) -> FileTooLarge:
        """Return the error for a file of this size."""
        return FileTooLarge(self.limits.upload_mb, size_bytes)

    async def submit(self, user_id: str, origin: Origin, receive: Receive) -> DenoiseRecord:
        """Take a recording in: stored, then committed as pending, then queued.

        Whatever goes wrong on the way leaves neither file nor record. Raises what `receive` raises, NotMedia,
        AudioTooLong, StorageFull, DatabaseBusy.
        """
        job_id = str(uuid.uuid4())
        original_key = f"{job_id}/original"
        try:
            async with self.storage.new_file(original_key) as path:
                received = await receive(path)
                track = await self._examine(path)
            record = _new_record(job_id, user_id, origin, received, track)
            with anyio.CancelScope(shield=True):  # committed and queued, or neither
                await self.records.insert(record)
                await self.queue.put(user_id, job_id)
        except BaseException:
            await self.storage.delete_job(job_id)
            raise
        log.info("job %s: accepted, %.1f s, %d bytes", job_id, record.audio_duration_s, record.audio_size_bytes)
        return record

    async def _examine(self, path: Path) -> AudioTrack:
        async with self._probing:
            track = await probe(path)
        if self.limits.duration_minutes and track.duration_s > 60 * self.limits.duration_minutes:
            raise AudioTooLong(self.limits.duration_minutes, track.duration_s)
        return track

    async def get(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Return a user's record. Raises JobNotFound."""
        return await self.records.get_own(user_id, job_id)

    def watch(
        self, user_id: str, job_id: str, authorise: Callable[[], Awaitable[None]], patience: Patience
    ) -> AsyncIterator[Event]:
        """Yield a job's events from its latest state to its end.

        `authorise` is asked again whenever the record is read. Raises what it raises, and JobNotFound.
        """

        async def read() -> DenoiseRecord:
            await authorise()
            return await self.records.get_own(user_id, job_id)

        return watch(job_id, read, self.bell, patience)


def _new_record(job_id: str, user_id: str, origin: Origin, received: Received, track: AudioTrack) -> DenoiseRecord:
    created_at_us = now_us()
    extension = extension_of(received.file_name)
    return DenoiseRecord(
        id=job_id,
        user_id=user_id,
        origin=origin,
        secret=secrets.token_hex(SECRET_BYTES),
        file_name=received.file_name,
        audio_format=extension or track.container,
        source_type=source_type_of(extension),
        audio_duration_s=round(track.duration_s, 6),
        audio_size_bytes=received.size_bytes,
        original_key=f"{job_id}/original",
        created_at_us=created_at_us,
        updated_at_us=created_at_us,
    )
