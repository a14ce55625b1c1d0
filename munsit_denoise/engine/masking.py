"""What is done to one window of a recording, in three steps: prepared, shown to the network, finished.

The middle step takes channels of any windows that are equally long, so that windows of several recordings can go
through the network together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from munsit_denoise.engine.catalogue import OWN, ModelInfo
from munsit_denoise.engine.filter import Filter, joined
from munsit_denoise.engine.filter_sharing import MAX_CHANNELS, filter_sharing
from munsit_denoise.engine.model import LEVEL_FRAMES, MaskNetwork
from munsit_denoise.engine.range import restored, tamed
from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import HOP_LENGTH, SAMPLE_RATE_HZ, Stft
from munsit_denoise.engine.stop import never, stop_if
from munsit_denoise.engine.stream import StreamFormat, WindowedDenoiser

MARGIN_FRAMES = LEVEL_FRAMES // 2  # of the context: what is seen for the level alone, not by the network
MAX_BATCH_CHANNELS = 2  # channels through the network or a resampler at a time: bounds memory


@dataclass(frozen=True)
class Prepared:
    """A window that the network can be shown: in range, at the model's rate, as a spectrogram."""

    sample_rate_hz: int
    window: Tensor  # [channels, samples], near full scale
    exponents: Tensor  # [channels, 1], of the powers of two that the channels were divided by
    inside: Tensor  # [channels, samples] at the model's rate
    spectrogram: Tensor  # [channels, frames, bins]


class MaskEnhancer(nn.Module):
    """Network and transforms on one device: a window in, the same window without noise out."""

    def __init__(self, network: MaskNetwork, device: torch.device, precision: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network, self.device, self.precision = network, device, precision
        self.stft = Stft().to(device)
        self.batch_channels = MAX_BATCH_CHANNELS
        self.rim_frames = network.size.rim_frames
        self.unheard = MARGIN_FRAMES + self.rim_frames  # frames at either end that are given no filter

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Which model it is."""
        return (ModelInfo(OWN),)

    def begin(self, stream: StreamFormat, strength: float) -> WindowedDenoiser:
        """Return a denoiser for one recording."""
        return WindowedDenoiser(self, stream, strength)

    @torch.inference_mode()
    def enhance(
        self, window: Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool] = never
    ) -> Tensor:
        """Return a window [channels, samples] of whole seconds without its noise; its ends come out silent.

        `strength` mixes inside the mask domain, 0 leaving the window as it is.
        Raises Stopped before the next channels are shown to the network, and between its other steps, once
        `should_stop` is true.
        """
        channels = len(window)
        at_a_time = channels if channels <= MAX_CHANNELS else 1  # more have nothing to do with each other
        finished = []
        for part in torch.split(window, at_a_time):
            prepared = self.prepare(part, sample_rate_hz)
            found = self.find_filters(prepared.spectrogram, should_stop)
            finished.append(self.finish(prepared, found, strength, should_stop))
        return finished[0] if len(finished) == 1 else torch.cat(finished)

    @torch.inference_mode()
    def prepare(self, window: Tensor, sample_rate_hz: int) -> Prepared:
        """Return what the other steps need of a window [channels, samples] of whole seconds."""
        near, exponents = tamed(window)
        near = near.to(self.device)
        seconds = window.shape[-1] // sample_rate_hz
        inside = _resampled(near, seconds * SAMPLE_RATE_HZ)
        return Prepared(sample_rate_hz, near, exponents, inside, self.stft.analyse(inside))

    @torch.inference_mode()
    def find_filters(self, spectrogram: Tensor, should_stop: Callable[[], bool] = never) -> Filter:
        """Return the filters of [channels, frames, bins] but for the `unheard` frames, each found from its own channel.

        The channels may be those of several windows. Raises Stopped between any two batches once `should_stop` is true.
        """
        found = []
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            for part in torch.split(spectrogram, self.batch_channels):
                stop_if(should_stop)
                found.append(self.network(part, MARGIN_FRAMES, self.rim_frames))
        return joined(found)

    @torch.inference_mode()
    def finish(
        self, prepared: Prepared, found: Filter, strength: float, should_stop: Callable[[], bool] = never
    ) -> Tensor:
        """Return a window [channels, samples] with its filters applied.

        Channels that make one image share one filter, so that it stays; microphones of their own have their own (see
        `filter_sharing`). What lies above the model's band follows the gain of the highest band.
        Raises Stopped between two of its steps once `should_stop` is true.
        """
        unheard, samples = self.unheard, prepared.window.shape[-1]
        spectrogram = prepared.spectrogram[:, unheard:-unheard]
        if len(spectrogram) > 1:
            sharing = filter_sharing(prepared.spectrogram, should_stop)
            found = found.shared(spectrogram, sharing[..., unheard:-unheard])
        stop_if(should_stop)
        found = found.mixed(strength)
        silent = unheard * HOP_LENGTH
        clean = _faded(self.stft.synthesise(found.apply(spectrogram), prepared.inside.shape[-1] - 2 * silent))
        out = _resampled(functional.pad(clean, (silent, silent)), samples)
        if prepared.sample_rate_hz > SAMPLE_RATE_HZ:
            for channel, gain in enumerate(functional.pad(found.gains[..., -1], (unheard, unheard))):
                above = prepared.window[channel] - resample_window(prepared.inside[channel], samples)
                out[channel] += above * functional.interpolate(gain[None, None], size=samples, mode="linear")[0, 0]
        return restored(out.cpu(), prepared.exponents)


def _resampled(waveform: Tensor, samples: int) -> Tensor:
    """Return [channels, samples] that span the same time, a few channels at a time."""
    if waveform.shape[-1] == samples:
        return waveform
    parts = [resample_window(part, samples) for part in torch.split(waveform, MAX_BATCH_CHANNELS)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _faded(waveform: Tensor) -> Tensor:
    """Return [channels, samples] with a hop of rise and one of fall, as an edge would ring far in the resampler."""
    rise = torch.hann_window(2 * HOP_LENGTH, device=waveform.device)[:HOP_LENGTH]
    waveform[:, :HOP_LENGTH] *= rise
    waveform[:, -HOP_LENGTH:] *= rise.flip(0)
    return waveform
