"""Resumable uploads: acknowledged bytes are kept, and the last ones complete the upload."""

import math
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.partial import PartialUploads
from munsit_denoise.errors import (
    Interrupted,
    InvalidUpload,
    NotMedia,
    ShuttingDown,
    Unavailable,
    UploadInUse,
    UploadNotFound,
    UploadOverrun,
    WrongOffset,
)
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.intake import Examiner, format_of, track_json
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.upload_locks import SILENT_S, UploadLock, UploadLocks
from munsit_denoise.logs import get_logger
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.records import PartialUpload, Upload

log = get_logger()
EXPIRY_INTERVAL_S = 600.0
NEVER_US = 2**62  # expiry time of an upload that does not expire


@dataclass(frozen=True)
class Body:
    """The body of a request: its offset, its size if announced, and its bytes as they arrive."""

    offset_bytes: int
    announced_bytes: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True)
class Standing:
    """An upload, and the number of its bytes that are durable."""

    upload: PartialUpload
    offset_bytes: int


@dataclass(frozen=True)
class Ledger:
    """The rows of uploads, and the locks on them."""

    rows: PartialUploads
    locks: UploadLocks = field(default_factory=UploadLocks)


class ResumableUploads:
    """Accepts uploads in parts; every method acts for one user and may raise Unavailable.

    `hours` is the time limit of an upload, 0 for none.
    """

    def __init__(self, parts: Parts, ledger: Ledger, admission: Admission, examiner: Examiner, hours: float) -> None:
        self._parts, self._rows, self._admission, self._examiner = parts, ledger.rows, admission, examiner
        self._hours, self._locks = hours, ledger.locks

    async def create(self, user_id: str, file_name: str, length_bytes: int, metadata: str) -> PartialUpload:
        """Start an upload. Raises NotMedia for an empty one, TooManyUploads."""
        if length_bytes == 0:
            raise NotMedia
        upload_id, created_at_us = str(uuid.uuid4()), now_us()
        partial = PartialUpload(
            id=upload_id,
            user_id=user_id,
            file_name=file_name,
            upload_metadata=metadata,
            length_bytes=length_bytes,
            storage_key=f"{upload_id}/original",
            created_at_us=created_at_us,
            expires_at_us=created_at_us + int(self._hours * 3.6e9) if self._hours else NEVER_US,
        )
        async with self._admission.upload(user_id, length_bytes):
            await self._rows.insert(partial)
        return partial

    async def standing(self, user_id: str, upload_id: str) -> Standing:
        """Return how much of an upload is there; completes it first if that is all.

        Raises UploadNotFound, and what completing raises.
        """
        partial = await self._rows.get_own(user_id, upload_id)
        while True:
            while (holder := self._locks.holder(upload_id)) is not None:
                flushed_bytes = await holder.flush()
                if flushed_bytes is not None:
                    return Standing(partial, flushed_bytes)
                await holder.moved()
            try:
                async with self._locks.take(upload_id, math.inf):
                    partial, there_bytes = await self._look(user_id, upload_id)
                    await self._settle(partial, there_bytes)
                    return Standing(partial, there_bytes)
            except UploadInUse:  # another server has it, and may be about to complete it
                partial, there_bytes = await self._look(user_id, upload_id)
                if partial.complete or there_bytes < partial.length_bytes:
                    return Standing(partial, there_bytes)

    async def append(self, user_id: str, upload_id: str, body: Body) -> Standing:
        """Append a body to an upload; the last one completes it.

        If a body breaks off, the bytes received so far are kept. Raises UploadNotFound, UploadInUse, WrongOffset,
        UploadOverrun, what reading the body raises, and what completing raises.
        """
        await self._rows.get_own(user_id, upload_id)
        async with self._locks.take(upload_id, SILENT_S) as lock:
            partial, there_bytes = await self._look(user_id, upload_id)
            lacking_bytes = partial.length_bytes - there_bytes
            if body.offset_bytes != there_bytes:
                raise WrongOffset(there_bytes)
            if (body.announced_bytes or 0) > lacking_bytes:
                raise UploadOverrun
            expected_bytes = lacking_bytes if body.announced_bytes is None else body.announced_bytes
            with self._admission.part(user_id, expected_bytes):
                there_bytes = await self._take_in(partial, lock, body)
            await self._settle(partial, there_bytes)
            return Standing(partial, there_bytes)

    async def terminate(self, user_id: str, upload_id: str) -> None:
        """Remove an upload, even one in progress; jobs made from it keep their files.

        Raises UploadNotFound.
        """
        await self._rows.get_own(user_id, upload_id)
        async with self._locks.take(upload_id, patience_s=0):
            await self._rows.get_own(user_id, upload_id)
            await self._remove(upload_id)

    async def expire_forever(self) -> None:
        """Remove uploads that were not completed in time, at regular intervals."""
        while self._hours:
            for upload_id in await self._rows.expired():
                await self._expire(upload_id)
            await anyio.sleep(min(EXPIRY_INTERVAL_S, max(360 * self._hours, 1)))  # a tenth of the limit, in seconds

    async def _expire(self, upload_id: str) -> None:
        try:
            async with self._locks.take(upload_id):
                if upload_id in await self._rows.expired():  # it may have been completed meanwhile
                    await self._remove(upload_id)
        except Unavailable as error:
            log.warning("an upload that has expired cannot be removed yet", upload=upload_id, reason=error.message)
        except UploadInUse:
            pass  # the next round removes it, unless it is complete by then

    async def _look(self, user_id: str, upload_id: str) -> tuple[PartialUpload, int]:
        partial = await self._rows.get_own(user_id, upload_id)
        if partial.complete:
            return partial, partial.length_bytes
        return partial, await self._parts.storage.appended_bytes(partial.storage_key)

    async def _take_in(self, partial: PartialUpload, lock: UploadLock, body: Body) -> int:
        """Append a body to an upload and return the new size."""
        there_bytes = body.offset_bytes
        if there_bytes == partial.length_bytes:
            async for chunk in body.chunks:
                if chunk:
                    raise UploadOverrun
            return there_bytes
        async with self._parts.storage.append(partial.storage_key) as file:
            if await file.flush() != there_bytes:  # another server was faster
                raise UploadInUse
            with lock.reading(file):
                async for chunk in body.chunks:
                    there_bytes += len(chunk)
                    if there_bytes > partial.length_bytes:
                        raise UploadOverrun
                    lock.heard()
                    await file.write(chunk)
        return there_bytes

    async def _settle(self, partial: PartialUpload, there_bytes: int) -> None:
        """Write the size into the row, and complete the upload if nothing is missing."""
        if there_bytes == partial.length_bytes and not partial.complete:
            await self._complete(partial)
        elif there_bytes != partial.noted_bytes:
            await self._rows.note(partial.id, there_bytes)

    async def _complete(self, partial: PartialUpload) -> None:
        """Turn the received file into an upload. Raises InvalidUpload, and removes it then."""
        self._parts.coming.add(partial.id)  # keeps the sweep away while the complete file has no row
        try:
            await self._parts.storage.publish(partial.storage_key)
            async with self._parts.storage.local_file(partial.storage_key) as path:
                track = await self._examiner.examine(partial.user_id, path)
            await self._rows.complete(_upload(partial, track))
        except InvalidUpload:
            await self._remove(partial.id)
            raise
        except Interrupted as error:
            raise (ShuttingDown() if self._admission.stopping else Unavailable(error.message)) from error
        except FileNotFoundError:  # it was removed meanwhile
            raise UploadNotFound from None
        finally:
            self._parts.coming.discard(partial.id)

    async def _remove(self, upload_id: str) -> None:
        """Remove an upload: the file first, because the sweep keeps files without a row as lost recordings."""
        with anyio.CancelScope(shield=True):
            await self._parts.storage.delete_job(upload_id)
            await self._rows.delete(upload_id)


def _upload(partial: PartialUpload, track: AudioTrack) -> Upload:
    return Upload(
        id=partial.id,
        user_id=partial.user_id,
        file_name=partial.file_name,
        audio_format=format_of(partial.file_name, track),
        audio_duration_s=round(track.duration_s, 6),
        audio_size_bytes=partial.length_bytes,
        storage_key=partial.storage_key,
        created_at_us=now_us(),
        track=track_json(track),
    )
