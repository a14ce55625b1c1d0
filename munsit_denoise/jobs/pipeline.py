"""One file through decoder, model and encoder, block by block."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio
import numpy as np
from anyio import to_thread
from numpy.typing import NDArray

from munsit_denoise.media.decode import decoding
from munsit_denoise.media.encode import Encoder, encoding_to
from munsit_denoise.media.formats import WITH_PICTURE, Encoding, encoding_for, lossless_encoding
from munsit_denoise.media.mux import write_result
from munsit_denoise.media.probe import AudioTrack

Block = NDArray[np.float32]  # [frames, channels]
Report = Callable[[int, str], None]  # percent of the work done, message
LastStep = Callable[[], AbstractAsyncContextManager[object]]  # what is held while a result is put together

EXTRACTING = "Extracting audio"
REDUCING = "Running noise reduction"
SAVING = "Saving the result"
REPORT_INTERVAL_S = 0.25
SOUND_SUFFIX = ".sound"  # of a file beside the target that holds the sound until the last step
EXTRACTED_PERCENT = 5  # while audio comes in and no window is complete yet
REDUCED_PERCENT = 98  # the rest is finishing the file


class Denoiser(Protocol):
    """What the pipeline needs of the engine."""

    def feed(self, block: Block) -> Block:
        """Take frames, return those that are ready."""
        ...

    def flush(self) -> Block:
        """Return the rest."""
        ...


@dataclass(frozen=True)
class Work:
    """From which file to which, as what."""

    source: Path
    target: Path
    track: AudioTrack
    extension: str  # one of FORMATS
    level_lufs: float | None = None

    @property
    def encoding(self) -> Encoding:
        """The encoding of the target."""
        return encoding_for(self.extension, self.track)

    @property
    def picture(self) -> Path | None:
        """The video whose other streams go along, if it is one and the target can hold them."""
        return self.source if self.track.has_picture and self.extension in WITH_PICTURE else None


@dataclass(frozen=True)
class Outcome:
    """What there is to say about a result besides its file."""

    notes: tuple[str, ...] = ()  # sentences for people: what the result does not have or do


class _Progress:
    """Turns frames into true percentages: read while nothing is ready, written afterwards."""

    def __init__(self, track: AudioTrack, report: Report) -> None:
        self._total = max(track.duration_s * track.sample_rate_hz, 1)
        self._report, self._told = report, (0, EXTRACTING)
        self._told_at_s = -1.0
        self.read = self.written = 0

    def tell(self) -> None:
        if self.written == 0:
            self._tell(EXTRACTED_PERCENT * min(self.read / self._total, 1), EXTRACTING)
        else:
            share = min(self.written / self._total, 1)
            self._tell(EXTRACTED_PERCENT + (REDUCED_PERCENT - EXTRACTED_PERCENT) * share, REDUCING)

    def begin_reducing(self) -> None:
        if self.written == 0:
            self._tell(EXTRACTED_PERCENT, REDUCING)

    def saving(self) -> None:
        self._tell(99, SAVING)

    def _tell(self, percent: float, message: str) -> None:
        state, now_s = (int(percent), message), anyio.current_time()
        same_stage = message == self._told[1]
        if state == self._told or (same_stage and now_s - self._told_at_s < REPORT_INTERVAL_S):
            return
        self._told, self._told_at_s = state, now_s
        self._report(*state)


async def enhance_file(work: Work, denoiser: Denoiser, report: Report, last_step: LastStep = nullcontext) -> Outcome:
    """Write the denoised source to the target and return what there is to say about it.

    `last_step` is entered when the model is needed no more and work remains.
    Cancelling ends it within one window of the model. Raises ProcessingFailed, StorageFull.
    """
    progress = _Progress(work.track, report)
    if work.picture is None and work.level_lufs is None:
        await _enhance_sound(work, work.target, work.encoding, denoiser, progress)
        return Outcome()
    sound = anyio.Path(work.target.with_name(work.target.name + SOUND_SUFFIX))
    try:
        await _enhance_sound(work, Path(sound), lossless_encoding(), denoiser, progress)
        async with last_step():
            await write_result(
                Path(sound), work.target, work.track, work.encoding, picture=work.picture, level_lufs=work.level_lufs
            )
    finally:
        with anyio.CancelScope(shield=True), suppress(FileNotFoundError):
            await sound.unlink()
    return Outcome()


async def _enhance_sound(work: Work, target: Path, encoding: Encoding, denoiser: Denoiser, progress: _Progress) -> None:
    progress.tell()
    async with (
        decoding(work.source, work.track) as blocks,
        encoding_to(target, work.track, encoding) as encoder,
    ):
        async for block in blocks:
            progress.read += len(block)
            progress.tell()
            await _write(encoder, await to_thread.run_sync(denoiser.feed, block), progress)
        progress.begin_reducing()
        await _write(encoder, await to_thread.run_sync(denoiser.flush), progress)
        progress.saving()


async def _write(encoder: Encoder, block: Block, progress: _Progress) -> None:
    if len(block):
        await encoder.write(block)
        progress.written += len(block)
        progress.tell()
