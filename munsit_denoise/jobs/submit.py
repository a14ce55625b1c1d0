"""Takes recordings in: stores them, commits their jobs and queues them. An error leaves neither file nor record."""

import secrets
import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio
from anyio import to_thread

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.records import Beside
from munsit_denoise.errors import (
    DatabaseBusy,
    Interrupted,
    OutcomeUnknown,
    ShuttingDown,
    StorageBroken,
    Unavailable,
    UploadNotFound,
)
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.idempotency import content_digest
from munsit_denoise.jobs.intake import Examiner, Receive, UploadLimits, described, format_of, track_json, track_of
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.qualities import Qualities
from munsit_denoise.jobs.report import digest_of
from munsit_denoise.jobs.result_size import needed_bytes
from munsit_denoise.logs import get_logger
from munsit_denoise.media.formats import result_extension
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.names import extension_of
from munsit_denoise.records import DenoiseRecord, Options, Origin, Upload, source_type_of
from munsit_denoise.remote.transfer import name_in
from munsit_denoise.storage.base import UNANSWERED

log = get_logger()
SECRET_BYTES = 16  # in a download path; 128 bits cannot be guessed


class Submission:
    """Takes recordings in; every method acts for one user and may raise Unavailable."""

    def __init__(
        self,
        parts: Parts,
        admission: Admission,
        examiner: Examiner,
        limits: UploadLimits,
        qualities: Qualities = Qualities(),  # noqa: B008 - a value that never changes
    ) -> None:
        self._parts, self._admission, self._examiner = parts, admission, examiner
        self.limits, self.qualities = limits, qualities

    async def submit(
        self, user_id: str, origin: Origin, options: Options, receive: Receive, beside: Sequence[Beside] = ()
    ) -> DenoiseRecord:
        """Create a job from a recording that arrives, possibly with its options.

        `beside` runs in the transaction that accepts the job. Raises what `receive` and `beside` raise, NotMedia,
        AudioTooLong, InvalidOption, ResultTooLarge, TooMuchWaiting.
        """
        blank = blank_record(user_id, origin, options)
        async with self._all_or_nothing(blank.id):
            async with self._parts.storage.new_file(blank.original_key) as path:
                received = await receive(path)
                blank = replace(blank, options=self.qualities.settled(received.options or options))
                track = await self._examined(user_id, path, blank.options.audio_track)
            return await self._accept_sized(described(blank, received, track), beside)

    async def upload(self, user_id: str, receive: Receive) -> Upload:
        """Store a file for a later job. Raises what `submit` raises."""
        upload_id = str(uuid.uuid4())
        key = f"{upload_id}/original"
        async with self._all_or_nothing(upload_id):
            async with self._parts.storage.new_file(key) as path:
                received = await receive(path)
                track = await self._examined(user_id, path)
            upload = Upload(
                id=upload_id,
                user_id=user_id,
                file_name=received.file_name,
                audio_format=format_of(received.file_name, track),
                audio_duration_s=round(track.duration_s, 6),
                audio_size_bytes=received.size_bytes,
                storage_key=key,
                created_at_us=now_us(),
                track=track_json(track),
            )
            await self._parts.uploads.insert(upload)
        return upload

    async def upload_digest(self, user_id: str, upload_id: str) -> str:
        """Return a digest of an uploaded file's bytes, which a thread reads for it. Raises UploadNotFound."""
        upload = await self._parts.uploads.get_own(user_id, upload_id)
        try:
            async with self._parts.storage.local_file(upload.storage_key) as path:
                digest = await to_thread.run_sync(digest_of, path, content_digest)
        except FileNotFoundError:
            raise UploadNotFound from None  # it has expired, or was removed
        if digest is None:
            raise StorageBroken
        return digest

    async def submit_upload(
        self,
        user_id: str,
        upload_id: str,
        options: Options,
        origin: Origin = Origin.AUDO,
        beside: Sequence[Beside] = (),
    ) -> DenoiseRecord:
        """Create a job from an uploaded file, which other jobs may use as well.

        Raises UploadNotFound, NotMedia, AudioTooLong, InvalidOption, ResultTooLarge, TooMuchWaiting, and what `beside`
        raises.
        """
        upload = await self._parts.uploads.get_own(user_id, upload_id)
        known = track_of(upload.track)
        has_picture = known is None or known.has_picture
        extension = result_extension(options.extension, upload.audio_format, has_picture=has_picture)
        record = replace(
            blank_record(user_id, origin, self.qualities.settled(replace(options, extension=extension))),
            file_name=upload.file_name,
            audio_format=upload.audio_format,
            source_type=source_type_of(extension_of(upload.file_name)),
            audio_size_bytes=upload.audio_size_bytes,
            upload_id=upload.id,
        )
        async with self._all_or_nothing(record.id):
            try:
                await self._parts.storage.share(upload.storage_key, record.original_key)
            except FileNotFoundError:
                raise UploadNotFound from None  # it has expired, or was removed
            track = known if options.audio_track == 0 else None
            if track is None:
                async with self._parts.storage.local_file(record.original_key) as path:
                    track = await self._examined(user_id, path, options.audio_track)
            found = replace(
                record,
                audio_duration_s=round(track.duration_s, 6),
                track=track_json(track),
                result_bytes=needed_bytes(track, record.options, upload.audio_size_bytes),
            )
            return await self._accept_sized(found, beside)

    async def submit_url(
        self, user_id: str, url: str, options: Options, origin: Origin = Origin.AUDO, beside: Sequence[Beside] = ()
    ) -> DenoiseRecord:
        """Create a job from a URL, which is downloaded in the background.

        Raises InvalidOption, and what `beside` raises.
        """
        if options.extension:
            options = replace(options, extension=result_extension(options.extension, ""))
        file_name = name_in(url)
        extension = extension_of(file_name)
        record = replace(
            blank_record(user_id, origin, self.qualities.settled(options)),
            file_name=file_name or "recording",
            audio_format=extension,
            source_type=source_type_of(extension),
            source_url=url,
        )
        return await self._accept(record, beside)

    async def _examined(self, user_id: str, path: Path, index: int = 0) -> AudioTrack:
        """Return one audio track of a file; an interrupted probe says nothing about the file."""
        try:
            return await self._examiner.examine(user_id, path, index)
        except Interrupted as error:
            raise (ShuttingDown() if self._admission.stopping else Unavailable(error.message)) from error

    async def _accept_sized(self, record: DenoiseRecord, beside: Sequence[Beside]) -> DenoiseRecord:
        async with self._admission.result(record.user_id, record.result_bytes):
            return await self._accept(record, beside)

    async def _accept(self, record: DenoiseRecord, beside: Sequence[Beside]) -> DenoiseRecord:
        with anyio.CancelScope(shield=True):  # committed and queued, or neither
            record = await self._inserted(record, beside)
            self._parts.journal.accepted(record)
            await self._parts.put(record.user_id, record.id, record.source_url)
        return record

    async def _inserted(self, record: DenoiseRecord, beside: Sequence[Beside]) -> DenoiseRecord:
        """Commit a record; if the answer is lost, read whether it was committed. Raises OutcomeUnknown."""
        try:
            return await self._parts.records.insert(record, beside)
        except OutcomeUnknown:
            with suppress(DatabaseBusy):
                found = await self._parts.records.get(record.id)
                if found is not None:
                    return found
            raise

    @asynccontextmanager
    async def _all_or_nothing(self, job_id: str) -> AsyncIterator[None]:
        """Remove the files of a job unless its record is committed at the end of the block.

        Until then the job's folder carries a mark, so that a later start knows it may be removed. If it is unknown
        whether the record was committed, the folder is left to the sweep, because the job may be complete.
        """
        storage, mark = self._parts.storage, f"{job_id}/{UNANSWERED}"
        self._parts.coming.add(job_id)
        try:
            await storage.mark(mark)
            yield
        except OutcomeUnknown:
            raise
        except BaseException:
            await self._remove(storage.delete_job(job_id))
            raise
        else:
            await self._remove(storage.delete(mark))
        finally:
            self._parts.coming.discard(job_id)

    async def _remove(self, removal: Awaitable[None]) -> None:
        try:
            await removal
        except Unavailable as error:  # the sweep removes it later; the client gets the first error
            log.warning("the files of a refused upload could not be removed", reason=error.message)


def blank_record(user_id: str, origin: Origin, options: Options) -> DenoiseRecord:
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
