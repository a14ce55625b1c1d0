"""One file through decoder, model and encoder, block by block."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio
import numpy as np
from anyio import to_thread
from numpy.typing import NDArray

from munsit_denoise.media.decode import decoding
from munsit_denoise.media.encode import Encoder, Encoding, encoding_to
from munsit_denoise.media.probe import AudioTrack

Block = NDArray[np.float32]  # [frames, channels]
Report = Callable[[int, str], None]  # percent of the work done, message

EXTRACTING = "Extracting audio"
REDUCING = "Running noise reduction"
SAVING = "Saving the result"
REPORT_INTERVAL_S = 0.25
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
    encoding: Encoding


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


async def enhance_file(work: Work, denoiser: Denoiser, report: Report) -> None:
    """Write the denoised source to the target.

    Cancelling ends it within one window of the model. Raises ProcessingFailed, StorageFull.
    """
    progress = _Progress(work.track, report)
    progress.tell()
    async with (
        decoding(work.source, work.track) as blocks,
        encoding_to(work.target, work.track, work.encoding) as encoder,
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
