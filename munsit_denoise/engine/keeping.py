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
from munsit_denoise.engine.range import restored, tamed
from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ, Stft
from munsit_denoise.engine.stop import Stopped
from munsit_denoise.engine.stream import Block, StreamFormat, WindowedDenoiser


class KeepingDenoiser:
    """One recording through another denoiser, with what rises above the steady background put back."""

    def __init__(self, inner: Denoiser, stream: StreamFormat, strength: float) -> None:
        self._inner, self._channels = inner, stream.channels
        pairs = StreamFormat(stream.sample_rate_hz, 2 * stream.channels)
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


class Together:
    """Windows whose first half of channels is a recording, and whose second half is a denoiser's result."""

    def __init__(self, channels: int) -> None:
        self._channels, self._stft = channels, Stft()

    @torch.inference_mode()
    def enhance(self, window: Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool]) -> Tensor:
        """Return the denoised channels of a window [2 * channels, samples] with the foreground put back."""
        if should_stop():
            raise Stopped
        before, after = window[: self._channels], window[self._channels :]
        at_a_time = self._channels if self._channels <= MAX_CHANNELS else 1
        parts = zip(torch.split(before, at_a_time), torch.split(after, at_a_time), strict=True)
        return torch.cat([self._put_back(x, y, sample_rate_hz, strength) for x, y in parts])

    def _put_back(self, before: Tensor, after: Tensor, sample_rate_hz: int, strength: float) -> Tensor:
        near, exponents = tamed(before)
        samples, inside = near.shape[-1], near.shape[-1] // sample_rate_hz * SAMPLE_RATE_HZ
        noisy, clean = (self._stft.analyse(resample_window(x, inside)) for x in (near, torch.ldexp(after, -exponents)))
        least = 1 - strength * (1 - shared(foreground(noisy), noisy))
        back = self._stft.synthesise(noisy * lacking(noisy, clean, least), inside)
        return after + restored(resample_window(back, samples), exponents)


def lacking(noisy: Tensor, clean: Tensor, least: Tensor | float) -> Tensor:
    """Return the gain with which to add the noisy spectrum, so that each bin passes with at least `least`."""
    passed = clean.abs() / noisy.abs().clamp_min(1e-12)
    return (least - passed).clamp_min(0)


def shared(gains: Tensor, spectrogram: Tensor) -> Tensor:
    """Return gains [channels, frames, bins] in which channels of one image share the highest."""
    if len(gains) == 1:
        return gains
    sharing = filter_sharing(spectrogram)
    return torch.stack([(of[..., None] * gains).amax(0) for of in sharing])
