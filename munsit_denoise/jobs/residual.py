"""The residual of a job, original minus result; computed on request and never stored."""

import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from munsit_denoise.errors import Gone, InvalidOption, JobNotFound, NotMedia, NotSubtractable, ProcessingFailed
from munsit_denoise.jobs.fair import FairLimiter
from munsit_denoise.jobs.intake import looked_at, track_of
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.subtract import SAMPLE_BYTES, Sound, count_frames, header, subtracting
from munsit_denoise.records import DenoiseRecord, Status

AT_ONCE = 4  # residuals at the same time; at most half of them for one user
KEPT = 256  # jobs whose lengths are cached
EXACT = ("wav", "w64", "flac", "aiff", "caf", "au")  # containers whose header has the exact number of samples


@dataclass(frozen=True)
class _Tracks:
    original: AudioTrack
    result: AudioTrack
    frames: int


@dataclass(frozen=True)
class Residual:
    """A WAV file that is computed while it is read."""

    record: DenoiseRecord
    head: bytes
    size_bytes: int
    tag: str  # an entity tag: the bytes are always the same
    _residuals: "Residuals"
    _known: _Tracks

    @asynccontextmanager
    async def read(self, start: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield an iterator over the bytes from a position on; earlier bytes are computed and dropped.

        Waits for a place. Raises Gone, ProcessingFailed, Interrupted.
        """
        async with (
            self._residuals.places.place(self.record.user_id),
            self._residuals.sounds(self.record, self._known) as (original, result),
            subtracting(original, result, self._known.frames) as blocks,
        ):
            yield _from(start, self.head, blocks)


async def _from(start: int, head: bytes, blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    left = start
    if left < len(head):
        yield head[left:]
    left = max(left - len(head), 0)
    async for block in blocks:
        if left < len(block):
            yield block[left:]
        left = max(left - len(block), 0)


class Residuals:
    """The residuals of users' jobs."""

    def __init__(self, parts: Parts) -> None:
        self._parts, self._places = parts, FairLimiter(AT_ONCE)
        self._known: OrderedDict[str, _Tracks] = OrderedDict()  # by job id

    @property
    def places(self) -> FairLimiter:
        """The limiter for computations."""
        return self._places

    async def residual(self, user_id: str, job_id: str) -> Residual:
        """Return the residual of a user's job. Raises JobNotFound before its success, Gone, NotSubtractable."""
        record = await self._parts.records.get_own(user_id, job_id)
        if record.status is not Status.SUCCESS:
            raise JobNotFound
        if record.one_sound_went:
            raise Gone
        if record.options.level_lufs is not None:
            raise NotSubtractable
        known = self._known.get(job_id) or await self._look(record)
        head = header(known.original, known.frames)
        size_bytes = len(head) + known.frames * known.original.channels * SAMPLE_BYTES
        tag = hashlib.sha256(f"{record.original_key} {record.result_key}".encode()).hexdigest()[:32]
        async with self.sounds(record, known):
            pass  # both files exist
        return Residual(record, head, size_bytes, f'"{tag}"', self, known)

    @asynccontextmanager
    async def sounds(self, record: DenoiseRecord, known: _Tracks) -> AsyncIterator[tuple[Sound, Sound]]:
        """Yield original and result of a job as readable files. Raises Gone."""
        storage = self._parts.storage
        try:
            async with (
                storage.local_file(record.original_key) as original,
                storage.local_file(record.result_key or "") as result,
            ):
                yield Sound(original, known.original), Sound(result, known.result)
        except FileNotFoundError:
            raise Gone from None

    async def _look(self, record: DenoiseRecord) -> _Tracks:
        """Return the tracks of both files, probed once for each job. Raises Gone, NotSubtractable."""
        storage, index = self._parts.storage, record.options.audio_track
        async with self._places.place(record.user_id):
            try:
                async with (
                    storage.local_file(record.original_key) as original,
                    storage.local_file(record.result_key or "") as result,
                ):
                    source = track_of(record.track) or await looked_at(original, index)
                    try:
                        made = await looked_at(result, index)
                    except InvalidOption:
                        made = await looked_at(result, 0)  # a result has only this track
                    known = _Tracks(source, made, await _frames(Sound(original, source), Sound(result, made)))
            except FileNotFoundError:
                raise Gone from None
            except (NotMedia, ProcessingFailed):
                raise NotSubtractable from None
        self._known[record.id] = known
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return known


async def _frames(original: Sound, result: Sound) -> int:
    """Return the number of frames of both files. Raises NotSubtractable if they differ."""
    one, other = original.track, result.track
    if (one.sample_rate_hz, one.channels) != (other.sample_rate_hz, other.channels):
        raise NotSubtractable
    if other.container in EXACT:
        return round(other.duration_s * other.sample_rate_hz)  # the length of the decoded original
    frames = await count_frames(result)
    if frames != await count_frames(original):
        raise NotSubtractable
    return frames
