"""A denoiser that measures its blocks and ends at once when the command stops."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np

from munsit_denoise.batch.order import Levels
from munsit_denoise.jobs.pipeline import Denoiser
from munsit_denoise.media.decode import Block

LOOK_S = 0.1  # how often a running window checks whether the command stops


class CommandStopped(Exception):
    """The command stops; a window of the model may still be running in its thread."""


class LevelMeter:
    """RMS and peak of blocks [frames, channels], over all channels."""

    def __init__(self) -> None:
        self._energy, self._samples, self._peak = 0.0, 0, 0.0

    def add(self, block: Block) -> None:
        """Add a block."""
        if block.size:
            self._energy += float(np.sum(np.square(block, dtype=np.float64)))
            self._samples += block.size
            self._peak = max(self._peak, float(np.max(np.abs(block))))

    @property
    def rms_dbfs(self) -> float | None:
        """The level; None for digital silence."""
        return _decibels(np.sqrt(self._energy / max(self._samples, 1)))

    @property
    def peak_dbfs(self) -> float | None:
        """The highest sample; None for digital silence."""
        return _decibels(self._peak)


def _decibels(amplitude: float) -> float | None:
    return round(20 * float(np.log10(amplitude)), 1) if amplitude > 0 else None


class MeteredDenoiser:
    """A denoiser with a meter on each side; `stop` ends a call within `LOOK_S`."""

    def __init__(self, inner: Denoiser, stop: threading.Event) -> None:
        self._inner, self._stop = inner, stop
        self._before, self._after = LevelMeter(), LevelMeter()
        self._thread = ThreadPoolExecutor(1, "denoiser")

    def feed(self, block: Block) -> Block:
        """Take frames and return those that are ready. Raises CommandStopped."""
        self._before.add(block)
        return self._measured(self._thread.submit(self._inner.feed, block))

    def flush(self) -> Block:
        """Return the remaining frames. Raises CommandStopped."""
        return self._measured(self._thread.submit(self._inner.flush))

    def levels(self) -> Levels:
        """Return the levels measured so far."""
        before, after = self._before, self._after
        return Levels(before.rms_dbfs, before.peak_dbfs, after.rms_dbfs, after.peak_dbfs)

    def close(self) -> None:
        """Release the thread without waiting for it."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _measured(self, future: Future[Block]) -> Block:
        while not wait([future], LOOK_S).done:
            if self._stop.is_set():
                raise CommandStopped
        block = future.result()
        self._after.add(block)
        return block
