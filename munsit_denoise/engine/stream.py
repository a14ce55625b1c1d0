"""A recording of any length through the network, window by window.

Windows of whole seconds overlap by their context; each yields its core. The grid depends on the total length
alone, never on how the samples came in, so any chunking gives the same output.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from munsit_denoise.engine.filter import joined
from munsit_denoise.engine.kinship import kinship
from munsit_denoise.engine.model import LEVEL_FRAMES, MaskNetwork
from munsit_denoise.engine.range import restored, tamed
from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import HOP_LENGTH, SAMPLE_RATE_HZ, Stft

Block = NDArray[np.float32]  # [frames, channels], full scale is 1
CORE_S = 28  # what a window yields
CONTEXT_S = 2  # what it sees before and after
MARGIN_FRAMES = LEVEL_FRAMES // 2  # of the context: what is seen for the level alone, not by the network
MAX_BATCH_CHANNELS = 2  # channels through the network at a time: bounds memory


class Enhancer(nn.Module):
    """Network and transforms on one device: a window in, the same window without noise out."""

    def __init__(self, network: MaskNetwork, device: torch.device, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network, self.device, self.precision = network, device, precision
        self.stft = Stft().to(device)
        self.rim_frames = network.size.rim_frames

    @torch.inference_mode()
    def enhance(self, window: Tensor, sample_rate_hz: int, strength: float) -> Tensor:
        """Return a window [channels, samples] of whole seconds without its noise; its ends come out silent.

        `strength` mixes inside the mask domain, 0 leaving the window as it is. Channels that make one image share
        one filter, so that it stays; microphones of their own have their own (see `kinship`). What lies above the
        model's band follows the gain of the highest band.
        """
        seconds = window.shape[-1] // sample_rate_hz
        window, exponents = tamed(window)
        inside = resample_window(window.to(self.device), seconds * SAMPLE_RATE_HZ)
        spectrogram = self.stft.analyse(inside)  # [channels, frames, bins]
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            parts = torch.split(spectrogram, MAX_BATCH_CHANNELS)
            found = joined([self.network(part, MARGIN_FRAMES, self.rim_frames) for part in parts])
        unheard = MARGIN_FRAMES + self.rim_frames  # of the context: what is given no filter, and comes out silent
        whole, spectrogram = spectrogram, spectrogram[:, unheard:-unheard]
        if len(spectrogram) > 1:
            found = found.shared(spectrogram, kinship(whole)[..., unheard:-unheard])
        found = found.mixed(strength)
        silent = unheard * HOP_LENGTH
        clean = _faded(self.stft.synthesise(found.apply(spectrogram), inside.shape[-1] - 2 * silent))
        out = resample_window(functional.pad(clean, (silent, silent)), window.shape[-1])
        if sample_rate_hz > SAMPLE_RATE_HZ:
            above = window.to(self.device) - resample_window(inside, window.shape[-1])
            gain = functional.pad(found.gains[:, None, :, -1], (unheard, unheard))
            out = out + above * functional.interpolate(gain, size=window.shape[-1], mode="linear")[:, 0]
        return restored(out.cpu(), exponents)


def _faded(waveform: Tensor) -> Tensor:
    """Return [channels, samples] with a hop of rise and one of fall, as an edge would ring far in the resampler."""
    rise = torch.hann_window(2 * HOP_LENGTH, device=waveform.device)[:HOP_LENGTH]
    waveform[:, :HOP_LENGTH] *= rise
    waveform[:, -HOP_LENGTH:] *= rise.flip(0)
    return waveform


@dataclass(frozen=True)
class StreamFormat:
    """What a stream of blocks is: rate in hertz and number of channels."""

    sample_rate_hz: int
    channels: int


class Windows(Protocol):
    """What a denoiser needs of an enhancer."""

    def enhance(self, window: Tensor, sample_rate_hz: int, strength: float) -> Tensor:
        """Return a window [channels, samples] of whole seconds without its noise."""
        ...


class Denoiser:
    """One recording's worth of state: `feed` blocks, then `flush`; the outputs together have the input's length."""

    def __init__(self, enhancer: Windows, stream: StreamFormat, strength: float = 1.0) -> None:
        self._enhancer, self._stream, self._strength = enhancer, stream, strength
        self._core = CORE_S * stream.sample_rate_hz
        self._context = CONTEXT_S * stream.sample_rate_hz
        self._pending: list[Block] = []  # fed but not yet in the buffer
        self._fed = 0  # frames of the recording seen so far
        self._done = 0  # frames of the recording returned so far
        self._buffer: Block = np.zeros((0, stream.channels), np.float32)
        self._buffer_start = 0  # position of the buffer in the recording, frames

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that are ready, often none."""
        self._pending.append(block)
        self._fed += len(block)
        ready = []
        while self._fed >= self._done + self._core + self._context:
            ready.append(self._window(self._done + self._core))
        return self._joined(ready)

    def flush(self) -> Block:
        """Return the rest; the recording ends here."""
        ready = []
        while self._done < self._fed:
            ready.append(self._window(min(self._done + self._core, self._fed)))
        return self._joined(ready)

    def _joined(self, blocks: list[Block]) -> Block:
        return np.concatenate(blocks) if blocks else np.zeros((0, self._stream.channels), np.float32)

    def _window(self, stop: int) -> Block:
        """Return the frames from what was done so far to `stop`."""
        start, self._done = self._done, stop
        window = self._excerpt(start - self._context, self._whole_seconds(start, stop))
        tensor = torch.from_numpy(np.ascontiguousarray(window.T))
        if self._strength == 0:
            out = tensor
        else:
            out = self._enhancer.enhance(tensor, self._stream.sample_rate_hz, self._strength)
        return out[:, self._context : self._context + stop - start].T.contiguous().numpy()

    def _whole_seconds(self, start: int, stop: int) -> int:
        rate_hz = self._stream.sample_rate_hz
        return -(-(stop - start + 2 * self._context) // rate_hz) * rate_hz

    def _excerpt(self, start: int, frames: int) -> Block:
        """Return [frames, channels] from `start` on; beyond the recording's ends it is mirrored."""
        if self._pending:
            self._buffer = np.concatenate([self._buffer, *self._pending])
            self._pending = []
        keep = max(start, 0)  # windows only move on: nothing before is needed again
        self._buffer = self._buffer[keep - self._buffer_start :]
        self._buffer_start = keep
        inside = self._buffer[: start + frames - keep]
        before, after = max(-start, 0), frames - max(-start, 0) - len(inside)
        return np.pad(inside, ((before, after), (0, 0)), mode="symmetric")
