"""Uploads that can be interrupted: bytes that were acknowledged stay, and the last ones make an upload of them."""

import math
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

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
NEVER_US = 2**62  # when an upload goes that never does


@dataclass(frozen=True)
class Body:
    """What a request brings: where it belongs, its size if that was announced, and its bytes as they come."""

    offset_bytes: int
    announced_bytes: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True)
class Standing:
    """An upload, and how much of it is there to stay."""

    upload: PartialUpload
    offset_bytes: int


class ResumableUploads:
    """Takes uploads in parts; every method acts for one user, and raises Unavailable's.

    `hours` is how long an upload may take, 0 for any time.
    """

    def __init__(
        self, parts: Parts, rows: PartialUploads, admission: Admission, examiner: Examiner, hours: float
    ) -> None:
        self._parts, self._rows, self._admission, self._examiner = parts, rows, admission, examiner
        self._hours, self._locks = hours, UploadLocks()

    async def create(self, user_id: str, file_name: str, length_bytes: int, metadata: str) -> PartialUpload:
        """Begin an upload. Raises NotMedia for an empty one, TooManyUploads."""
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
        """Return how much of an upload is there; one that is all there is completed first.

        Raises UploadNotFound, and what completing raises.
        """
        partial = await self._rows.get_own(user_id, upload_id)
        while (holder := self._locks.holder(upload_id)) is not None:
            flushed_bytes = await holder.flush()
            if flushed_bytes is not None:
                return Standing(partial, flushed_bytes)
            await holder.moved()
        async with self._locks.take(upload_id, math.inf):
            partial, there_bytes = await self._look(user_id, upload_id)
            await self._settle(partial, there_bytes)
            return Standing(partial, there_bytes)

    async def append(self, user_id: str, upload_id: str, body: Body) -> Standing:
        """Add a body to an upload; the last one completes it.

        What came in of a body that breaks off stays. Raises UploadNotFound, UploadInUse, WrongOffset, UploadOverrun,
        what reading the body raises, and what completing raises.
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
        """Remove an upload, also one that is coming in; jobs that were made of it keep their files.

        Raises UploadNotFound.
        """
        await self._rows.get_own(user_id, upload_id)
        async with self._locks.take(upload_id, patience_s=0):
            await self._rows.get_own(user_id, upload_id)
            await self._remove(upload_id)

    async def expire_forever(self) -> None:
        """Remove, for ever and again, what was not completed in time."""
        while self._hours:
            for upload_id in await self._rows.expired():
                await self._expire(upload_id)
            await anyio.sleep(min(EXPIRY_INTERVAL_S, max(360 * self._hours, 1)))  # a tenth of the time, in seconds

    async def _expire(self, upload_id: str) -> None:
        try:
            async with self._locks.take(upload_id):
                if upload_id in await self._rows.expired():  # it may have been completed meanwhile
                    await self._remove(upload_id)
        except Unavailable as error:
            log.warning("an upload that has expired cannot be removed yet", upload=upload_id, reason=error.message)
        except UploadInUse:
            pass  # it goes the next time, unless it is complete by then

    async def _look(self, user_id: str, upload_id: str) -> tuple[PartialUpload, int]:
        partial = await self._rows.get_own(user_id, upload_id)
        if partial.complete:
            return partial, partial.length_bytes
        return partial, await self._parts.storage.appended_bytes(partial.storage_key)

    async def _take_in(self, partial: PartialUpload, lock: UploadLock, body: Body) -> int:
        """Write a body to the end of an upload, and return where that ends."""
        there_bytes = body.offset_bytes
        if there_bytes == partial.length_bytes:
            async for chunk in body.chunks:
                if chunk:
                    raise UploadOverrun
            return there_bytes
        async with self._parts.storage.append(partial.storage_key) as file:
            with lock.reading(file):
                async for chunk in body.chunks:
                    there_bytes += len(chunk)
                    if there_bytes > partial.length_bytes:
                        raise UploadOverrun
                    lock.heard()
                    await file.write(chunk)
        return there_bytes

    async def _settle(self, partial: PartialUpload, there_bytes: int) -> None:
        """Write down how much is there, and complete what is all there."""
        if there_bytes == partial.length_bytes and not partial.complete:
            await self._complete(partial)
        elif there_bytes != partial.noted_bytes:
            await self._rows.note(partial.id, there_bytes)

    async def _complete(self, partial: PartialUpload) -> None:
        """Make an upload of what came in. Raises InvalidUpload, and removes it then."""
        self._parts.coming.add(partial.id)  # nobody sweeps what has no row as a whole file yet
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
        except FileNotFoundError:  # it was removed under us
            raise UploadNotFound from None
        finally:
            self._parts.coming.discard(partial.id)

    async def _remove(self, upload_id: str) -> None:
        """Remove an upload: its file first, as one without a row might be a recording that the database lost."""
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
