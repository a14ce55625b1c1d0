"""What the edge may ask for: submit a recording, watch a job, delete its files."""

import secrets
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.errors import UploadNotFound
from munsit_denoise.events.base import Bell
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.intake import Examiner, Limits, Receive, described, format_of
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.jobs.running import RunningJobs
from munsit_denoise.jobs.watch import present
from munsit_denoise.media.formats import result_extension
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import (
    DenoiseRecord,
    Event,
    Options,
    Origin,
    Queued,
    Upload,
    extension_of,
    source_type_of,
    terminal_event,
)
from munsit_denoise.storage import LocalStorage

SECRET_BYTES = 16  # in a download path: 128 bits cannot be guessed


class DenoiseService:
    """The jobs of all users; every method acts for one."""

    def __init__(self, records: Records, uploads: Uploads, storage: LocalStorage, bell: Bell, limits: Limits) -> None:
        self.records, self.uploads, self.storage, self.bell, self.limits = records, uploads, storage, bell, limits
        self.queue, self.inbox = LocalQueue(), LocalQueue()  # jobs that can run; jobs whose original is on its way
        self.running, self.examiner = RunningJobs(), Examiner(limits)
        self.journal = Journal()
        self.admission = Admission(limits, storage, uploads, (self.queue, self.inbox))

    def stop(self) -> None:
        """Accept nothing new, end every stream."""
        self.admission.stop()
        self.bell.close()

    async def submit(self, user_id: str, origin: Origin, options: Options, receive: Receive) -> DenoiseRecord:
        """Take a recording in: stored, then committed as pending, then queued.

        Whatever goes wrong on the way leaves neither file nor record. Raises what `receive` raises, NotMedia,
        AudioTooLong, InvalidOption, StorageFull, DatabaseBusy.
        """
        blank = _blank_record(user_id, origin, options)
        async with self._all_or_nothing(blank):
            async with self.storage.new_file(blank.original_key) as path:
                received = await receive(path)
                track = await self.examiner.examine(blank.original_key, path)
            record = described(replace(blank, file_name=received.file_name), received, track)
            await self._accept(record)
        return record

    async def upload(self, user_id: str, receive: Receive) -> Upload:
        """Take a file in for a later job. Raises what `submit` raises."""
        upload_id = str(uuid.uuid4())
        key = f"{upload_id}/original"
        try:
            async with self.storage.new_file(key) as path:
                received = await receive(path)
                track = await self.examiner.examine(key, path)
            upload = Upload(
                upload_id,
                user_id,
                received.file_name,
                format_of(received.file_name, track),
                round(track.duration_s, 6),
                received.size_bytes,
                key,
                now_us(),
            )
            await self.uploads.insert(upload)
        except BaseException:
            await self.storage.delete_job(upload_id)
            raise
        return upload

    async def submit_upload(self, user_id: str, upload_id: str, options: Options) -> DenoiseRecord:
        """Make a job of an uploaded file, which other jobs may use as well.

        Raises UploadNotFound, InvalidOption, StorageFull, DatabaseBusy.
        """
        upload = await self.uploads.get_own(user_id, upload_id)
        extension = result_extension(options.extension, upload.audio_format)
        record = replace(
            _blank_record(user_id, Origin.AUDO, replace(options, extension=extension)),
            file_name=upload.file_name,
            audio_format=upload.audio_format,
            source_type=source_type_of(upload.audio_format),
            audio_duration_s=upload.audio_duration_s,
            audio_size_bytes=upload.audio_size_bytes,
            upload_id=upload.id,
        )
        async with self._all_or_nothing(record):
            try:
                await self.storage.share(upload.storage_key, record.original_key)
            except FileNotFoundError:
                raise UploadNotFound from None  # it has expired, or somebody removed it
            self.examiner.share(upload.storage_key, record.original_key)
            await self._accept(record)
        return record

    async def submit_url(self, user_id: str, url: str, file_name: str, options: Options) -> DenoiseRecord:
        """Make a job of what a URL holds, which is fetched in the background.

        Raises InvalidOption, DatabaseBusy.
        """
        if options.extension:
            options = replace(options, extension=result_extension(options.extension, ""))
        extension = extension_of(file_name)
        record = replace(
            _blank_record(user_id, Origin.AUDO, options),
            file_name=file_name or "recording",
            audio_format=extension,
            source_type=source_type_of(extension),
            source_url=url,
        )
        async with self._all_or_nothing(record):
            await self._accept(record)
        return record

    async def get(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Return a user's record. Raises JobNotFound."""
        return await self.records.get_own(user_id, job_id)

    async def delete_files(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Remove a job's original and result at once, stopping the job if it has not ended; the record stays.

        Raises JobNotFound.
        """
        with anyio.CancelScope(shield=True):
            record = await self.records.delete_files(user_id, job_id)
            self.queue.discard(user_id, job_id)
            self.inbox.discard(user_id, job_id)
            await self.running.stop(job_id)
            await self.storage.delete_job(job_id)
            if record.upload_id:
                await self.uploads.delete(record.upload_id)
                await self.storage.delete_job(record.upload_id)
            end = terminal_event(record)
            assert end is not None  # a deleted job has ended
            self.bell.publish(job_id, end)
            self.journal.files_deleted(record)
        return record

    def standing(self, record: DenoiseRecord) -> Queued | None:
        """Return where a job stands in the queue, None when it does not wait there."""
        ahead = self.queue.position(record.user_id, record.id)
        return None if ahead is None else Queued(ahead)

    async def state(self, user_id: str, job_id: str) -> tuple[DenoiseRecord, Event]:
        """Return a user's job and what it does at present. Raises JobNotFound."""
        with self.bell.subscribe(job_id) as subscription:
            record = await self.records.get_own(user_id, job_id)
            return record, present(record, subscription.take(), self.standing)

    async def _accept(self, record: DenoiseRecord) -> None:
        with anyio.CancelScope(shield=True):  # committed and queued, or neither
            await self.records.insert(record)
            self.journal.accepted(record)
            await (self.inbox if record.source_url else self.queue).put(record.user_id, record.id)

    @asynccontextmanager
    async def _all_or_nothing(self, record: DenoiseRecord) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            await self.storage.delete_job(record.id)
            raise


def _blank_record(user_id: str, origin: Origin, options: Options) -> DenoiseRecord:
    """Return the record of a job whose original is not known yet."""
    job_id, created_at_us = str(uuid.uuid4()), now_us()
    return DenoiseRecord(
        id=job_id,
        user_id=user_id,
        origin=origin,
        secret=secrets.token_hex(SECRET_BYTES),
        file_name="",
        audio_format="",
        source_type=source_type_of(""),
        audio_duration_s=0.0,
        audio_size_bytes=0,
        original_key=f"{job_id}/original",
        created_at_us=created_at_us,
        updated_at_us=created_at_us,
        options=options,
    )
