"""Puts back what a denoiser removed where it rises above the steady background: music, calls, applause.

It compares the output of any denoiser with its input, and needs neither training nor a model. Input and output pass
through the windows together, as twice the number of channels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from munsit_denoise.engine.background import foreground
from munsit_denoise.engine.enhancer import Denoiser
from munsit_denoise.engine.filter_sharing import MAX_CHANNELS, filter_sharing
from munsit_denoise.engine.range import restored, scaled, tamed
from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ, Stft
from munsit_denoise.engine.stop import never, stop_if
from munsit_denoise.engine.stream import Block, StreamFormat, WindowedDenoiser


class KeepingDenoiser:
    """One recording through another denoiser, with what rises above the steady background put back."""

    def __init__(self, inner: Denoiser, stream: StreamFormat, strength: float) -> None:
        self._inner, self._channels = inner, stream.channels
        pairs = Pairs(stream.sample_rate_hz, 2 * stream.channels)
        self._outer = WindowedDenoiser(Together(stream.channels), pairs, strength)
        self._before: Block = np.zeros((0, stream.channels), np.float32)  # fed, and not yet returned by the inner one

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that are ready, often none. Raises Stopped."""
        self._before = np.concatenate([self._before, block])
        return self._paired(self._inner.feed(block), self._outer.feed)

    def flush(self) -> Block:
        """Return the remaining frames and end the recording. Raises Stopped."""
        last = self._paired(self._inner.flush(), self._outer.feed)
        return np.concatenate([last, self._outer.flush()[:, -self._channels :]])

    def stop(self) -> None:
        """Make `feed` and `flush` raise Stopped; return once a call in another thread has ended."""
        self._inner.stop()
        self._outer.stop()

    def _paired(self, after: Block, feed: Callable[[Block], Block]) -> Block:
        before, self._before = self._before[: len(after)], self._before[len(after) :]
        return feed(np.concatenate([before, after], axis=1))[:, -self._channels :]


class Pairs(StreamFormat):
    """A recording's channels beside what a denoiser made of them, in windows no longer than the recording's own."""

    @property
    def core_s(self) -> int:
        """What a window yields."""
        return min(super().core_s, StreamFormat(self.sample_rate_hz, self.channels // 2).core_s)


class Together:
    """Windows whose first half of channels is a recording, and whose second half is a denoiser's result."""

    def __init__(self, channels: int) -> None:
        self._channels, self._stft = channels, Stft()

    @torch.inference_mode()
    def enhance(self, window: Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool]) -> Tensor:
        """Return the denoised channels of a window [2 * channels, samples] with the foreground put back.

        Raises Stopped before the next channel once `should_stop` is true.
        """
        at_a_time = self._channels if self._channels <= MAX_CHANNELS else 1
        parts = (torch.split(half, at_a_time) for half in torch.split(window, self._channels))
        together = zip(*parts, strict=True)
        return torch.cat([self._put_back(x, y, sample_rate_hz, strength, should_stop) for x, y in together])

    def _put_back(
        self, before: Tensor, after: Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool]
    ) -> Tensor:
        near, exponents = tamed(before)
        samples, inside = near.shape[-1], near.shape[-1] // sample_rate_hz * SAMPLE_RATE_HZ

        def analysed(waveform: Tensor) -> Tensor:
            return self._stft.analyse(resample_window(waveform, inside))

        def with_foreground(clean: Tensor, noisy: Tensor, gain: Tensor) -> Tensor:
            least = 1 - strength * (1 - gain)
            back = self._stft.synthesise(noisy * lacking(noisy, analysed(clean), least), inside)
            return clean + resample_window(back, samples)

        noisy = by_channel(should_stop, analysed, near)
        gains = shared(by_channel(should_stop, foreground, noisy), noisy, should_stop)
        return restored(by_channel(should_stop, with_foreground, scaled(after, exponents), noisy, gains), exponents)


def by_channel(should_stop: Callable[[], bool], work: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return what some work makes of tensors [channels, ...], a channel at a time. Raises Stopped before each one."""
    found = []
    for channel in zip(*(torch.split(tensor, 1) for tensor in tensors), strict=True):
        stop_if(should_stop)
        found.append(work(*channel))
    return torch.cat(found)


def lacking(noisy: Tensor, clean: Tensor, least: Tensor | float) -> Tensor:
    """Return the gain with which to add the noisy spectrum, so that each bin passes with at least `least`."""
    passed = clean.abs() / noisy.abs().clamp_min(1e-12)
    return (least - passed).clamp_min(0)


def shared(gains: Tensor, spectrogram: Tensor, should_stop: Callable[[], bool] = never) -> Tensor:
    """Return gains [channels, frames, bins] that channels of one image share: the highest. Raises Stopped."""
    if len(gains) == 1:
        return gains
    sharing = filter_sharing(spectrogram, should_stop)
    return torch.stack([(of[..., None] * gains).amax(0) for of in sharing])
