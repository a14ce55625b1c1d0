"""Processes a recording of any length in overlapping windows.

Windows consist of whole seconds and overlap by their context; each contributes its core to the result. Their positions
depend only on the format and the length of the recording, so any division into blocks gives the same output.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from munsit_denoise.engine.filter_sharing import MAX_CHANNELS
from munsit_denoise.engine.stop import Stopped

Block = NDArray[np.float32]  # [frames, channels], full scale is 1
CORE_S = 28  # of a window: the part that goes into the result
CONTEXT_S = 2  # of a window: before and after the core
WHOLE_FRAMES_S = 2  # cores are multiples of it: a whole number of the model's frames
LEAST_CORE_S = 2 * WHOLE_FRAMES_S
WINDOW_CHANNEL_S = 128  # duration times channels of a window, if its channels are processed together
WINDOW_SAMPLES = 64 * 192_000  # of all channels; with WINDOW_CHANNEL_S, limits the memory of a window


@dataclass(frozen=True)
class StreamFormat:
    """Sample rate in hertz and number of channels of a stream of blocks."""

    sample_rate_hz: int
    channels: int

    @property
    def core_s(self) -> int:
        """Duration of a window's core: CORE_S, or less with many channels."""
        most_s = WINDOW_SAMPLES // (self.sample_rate_hz * self.channels)
        if self.channels <= MAX_CHANNELS:
            most_s = min(most_s, WINDOW_CHANNEL_S // self.channels)
        most_s -= 2 * CONTEXT_S
        return min(max(most_s // WHOLE_FRAMES_S * WHOLE_FRAMES_S, LEAST_CORE_S), CORE_S)


class Windows(Protocol):
    """Denoises the windows of one recording, in order."""

    def enhance(self, window: Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool]) -> Tensor:
        """Return a window [channels, samples], whole seconds, without its noise. Raises Stopped."""
        ...


class WindowedDenoiser:
    """One recording in progress: `feed` blocks, then `flush`; the outputs together are as long as the input."""

    def __init__(self, windows: Windows, stream: StreamFormat, strength: float = 1.0) -> None:
        self._windows, self._stream, self._strength = windows, stream, strength
        self._core = stream.core_s * stream.sample_rate_hz
        self._context = CONTEXT_S * stream.sample_rate_hz
        self._pending: list[Block] = []  # fed, but not yet in the buffer
        self._fed = 0  # frames of the recording seen so far
        self._done = 0  # frames of the recording returned so far
        self._buffer: Block = np.zeros((0, stream.channels), np.float32)
        self._buffer_start = 0  # position of the buffer in the recording, in frames
        self._stopped, self._working = Event(), Lock()

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that are ready, often none. Raises Stopped."""
        with self._working:
            self._pending.append(block)
            self._fed += len(block)
            ready = []
            while self._fed >= self._done + self._core + self._context:
                ready.append(self._window(self._done + self._core))
            return self._joined(ready)

    def flush(self) -> Block:
        """Return the remaining frames and end the recording. Raises Stopped."""
        with self._working:
            ready = []
            while self._done < self._fed:
                ready.append(self._window(min(self._done + self._core, self._fed)))
            return self._joined(ready)

    def stop(self) -> None:
        """Make `feed` and `flush` raise Stopped; return once a call in another thread has ended."""
        self._stopped.set()
        with self._working:
            pass

    def _joined(self, blocks: list[Block]) -> Block:
        if len(blocks) == 1:
            return blocks[0]
        return np.concatenate(blocks) if blocks else np.zeros((0, self._stream.channels), np.float32)

    def _window(self, stop: int) -> Block:
        """Return the frames from the end of the last window up to `stop`."""
        if self._stopped.is_set():
            raise Stopped
        start, self._done = self._done, stop
        window = self._excerpt(start - self._context, self._whole_seconds(start, stop))
        tensor = torch.from_numpy(np.ascontiguousarray(window.T))
        if self._strength == 0:
            out = tensor.clone()  # the caller owns the result
        else:
            out = self._windows.enhance(tensor, self._stream.sample_rate_hz, self._strength, self._stopped.is_set)
        return out[:, self._context : self._context + stop - start].T.contiguous().numpy()

    def _whole_seconds(self, start: int, stop: int) -> int:
        rate_hz = self._stream.sample_rate_hz
        return -(-(stop - start + 2 * self._context) // rate_hz) * rate_hz

    def _excerpt(self, start: int, frames: int) -> Block:
        """Return [frames, channels] from `start` on, mirrored beyond the ends of the recording."""
        if self._pending:
            self._buffer = np.concatenate([self._buffer, *self._pending])
            self._pending = []
        keep = max(start, 0)  # windows only move forward: earlier frames are not needed again
        self._buffer = self._buffer[keep - self._buffer_start :]
        self._buffer_start = keep
        inside = self._buffer[: start + frames - keep]
        before, after = max(-start, 0), frames - max(-start, 0) - len(inside)
        if not before and not after:
            return inside
        return np.pad(inside, ((before, after), (0, 0)), mode="symmetric")
