"""Turns a network that processes channels at one rate into an enhancer for any rate and number of channels.

The network gets each group of channels as one continuous stream, as recurrent networks need. Everything around it is
the same for all networks: resampling, extreme sample values, the stereo image, the band above the network's rate,
strength.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from munsit_denoise.engine.catalogue import ModelInfo
from munsit_denoise.engine.filter_sharing import MAX_CHANNELS
from munsit_denoise.engine.image import with_shared_filters
from munsit_denoise.engine.range import restored, tamed
from munsit_denoise.engine.resample import resample_channels
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from munsit_denoise.engine.stop import stop_if
from munsit_denoise.engine.stream import CONTEXT_S, StreamFormat, WindowedDenoiser
from munsit_denoise.engine.top import above_the_band

Channels = NDArray[np.float32]  # [channels, samples], full scale is 1
PIECE_S = 2  # fed to the network at a time; a recording can be stopped between two pieces
AHEAD_S = 1  # of the context: fed beyond the end of a window's core, and before the beginning of the recording
LAG_S = 0.5  # the longest delay that a network may have
RIM_S = 0.5  # of the context: the part of the result that is known on each side of the core
FADE_S = 0.016  # the fade at the ends of that part
GROUP = 2  # channels that are fed together: limits memory


class Listener(Protocol):
    """One stream of a few channels of a recording."""

    def feed(self, samples: Channels) -> Channels:
        """Take [channels, samples], whole seconds; return the samples that are ready, delayed by at most LAG_S."""
        ...


class ChannelNetwork(Protocol):
    """A network that processes each channel independently."""

    @property
    def model(self) -> ModelInfo:
        """Name, version and weights of the network."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """The sample rate of the network."""
        ...

    def listen(self, channels: int) -> Listener:
        """Start a stream of at most GROUP channels of a recording."""
        ...


class ChannelEnhancer:
    """An enhancer built on a ChannelNetwork."""

    def __init__(self, network: ChannelNetwork) -> None:
        self._network = network

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The one model that it uses."""
        return (self._network.model,)

    def begin(self, stream: StreamFormat, strength: float) -> WindowedDenoiser:
        """Return a denoiser for one recording."""
        return WindowedDenoiser(_ChannelWindows(self._network, stream), stream, strength)


class _ChannelWindows:
    """The overlapping windows of one recording; the network gets each second once."""

    def __init__(self, network: ChannelNetwork, stream: StreamFormat) -> None:
        self._network, self._rate_hz, self._stream = network, network.sample_rate_hz, stream
        self._begin(torch.zeros(stream.channels, 1, dtype=torch.int32))

    def _begin(self, exponents: Tensor) -> None:
        """Let the network hear the next window as the beginning of a recording, divided by powers of two."""
        channels = self._stream.channels
        groups = [min(GROUP, channels - first) for first in range(0, channels, GROUP)]
        self._exponents = exponents
        self._listeners = [self._network.listen(channels) for channels in groups]
        self._heard_s = CONTEXT_S - AHEAD_S  # of the next window, what has been heard or is not to be
        self._results: list[Tensor] = [torch.zeros(channels, 0) for channels in groups]  # from `heard_s` or before
        self._from_s = float(self._heard_s)  # where in the next window the results begin

    @torch.inference_mode()
    def enhance(self, window: Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool]) -> Tensor:
        """Return the next window [channels, samples] of whole seconds without its noise; its ends come out silent.

        Raises Stopped between two of its steps once `should_stop` is true.
        """
        near, exponents = tamed(window, self._exponents)
        if not torch.equal(exponents, self._exponents):
            self._begin(exponents)  # what it remembers is of another size
        samples, seconds = window.shape[-1], window.shape[-1] // sample_rate_hz
        own = resample_channels(near, seconds * self._rate_hz)
        clean = self._clean(own, seconds, should_stop)
        if 1 < len(window) <= MAX_CHANNELS:
            wide = seconds * SAMPLE_RATE_HZ
            clean = with_shared_filters(resample_channels(clean, wide), resample_channels(near, wide), should_stop)
        stop_if(should_stop)
        out = resample_channels(clean, samples)
        if sample_rate_hz > self._rate_hz:
            out += above_the_band(near, own, resample_channels(clean, own.shape[-1]), self._rate_hz)
        return restored(near + strength * (out - near), exponents)

    def _clean(self, own: Tensor, seconds: int, should_stop: Callable[[], bool]) -> Tensor:
        """Return the network's result for a window at the network's rate, silent where there is none."""
        rate_hz, rim = self._rate_hz, round((CONTEXT_S - RIM_S) * self._rate_hz)
        first = 0
        for number, listener in enumerate(self._listeners):
            kept = self._results[number]
            group = own[first : first + len(kept)]
            pieces = self._pieces(
                listener, group[:, self._heard_s * rate_hz : (seconds - AHEAD_S) * rate_hz], should_stop
            )
            self._results[number] = torch.cat([kept, *pieces], dim=1)
            first += len(group)
        joined = torch.cat(self._results)
        skipped = rim - round(self._from_s * rate_hz)  # samples of the results that precede the window
        wanted = seconds * rate_hz - 2 * rim
        if joined.shape[1] < skipped + wanted:
            raise RuntimeError(f"{self._network.model.name} is more than {LAG_S:g} s behind what it is fed")
        clean = torch.zeros_like(own)
        clean[:, rim : rim + wanted] = _faded(joined[:, skipped : skipped + wanted], round(FADE_S * rate_hz))
        self._move_on(seconds)
        return clean

    def _pieces(self, listener: Listener, samples: Tensor, should_stop: Callable[[], bool]) -> list[Tensor]:
        found = []
        for piece in torch.split(samples, PIECE_S * self._rate_hz, dim=1):
            stop_if(should_stop)
            found.append(torch.from_numpy(listener.feed(np.ascontiguousarray(piece.numpy()))))
        return found

    def _move_on(self, seconds: int) -> None:
        """Count from the beginning of the next window, and forget what is not needed of the results."""
        self._heard_s = seconds - AHEAD_S - self._stream.core_s
        next_from_s = CONTEXT_S - RIM_S
        done = round((self._stream.core_s + next_from_s - self._from_s) * self._rate_hz)
        self._results = [result[:, done:].clone() for result in self._results]
        self._from_s = next_from_s


def _faded(waveform: Tensor, length: int) -> Tensor:
    """Return [channels, samples] faded in and out, because a hard edge would ring in the resampler."""
    rise = torch.hann_window(2 * length)[:length]
    waveform = waveform.clone()
    waveform[:, :length] *= rise
    waveform[:, -length:] *= rise.flip(0)
    return waveform
