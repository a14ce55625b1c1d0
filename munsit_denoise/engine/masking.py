"""Processes one window of a recording in three steps: prepare, find filters, finish.

The middle step takes channels of any windows of equal length, so windows of several recordings can go through the
network together.
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
from munsit_denoise.engine.resample import resample_channels, resample_window
from munsit_denoise.engine.stft import HOP_LENGTH, SAMPLE_RATE_HZ, Stft
from munsit_denoise.engine.stop import never, stop_if
from munsit_denoise.engine.stream import StreamFormat, WindowedDenoiser

MARGIN_FRAMES = LEVEL_FRAMES // 2  # of the context: used only to measure the level
MAX_BATCH_CHANNELS = 2  # in one call of the network: limits memory


@dataclass(frozen=True)
class Prepared:
    """A window as the network takes it: limited in range, at the model's rate, as a spectrogram."""

    sample_rate_hz: int
    window: Tensor  # [channels, samples], near full scale
    exponents: Tensor  # [channels, 1]: powers of two that the channels were divided by
    inside: Tensor  # [channels, samples] at the model's rate
    spectrogram: Tensor  # [channels, frames, bins]


class MaskEnhancer(nn.Module):
    """Network and transforms on one device; takes a window and returns it without noise."""

    def __init__(
        self, network: MaskNetwork, device: torch.device, precision: torch.dtype = torch.float32, name: str = OWN
    ) -> None:
        super().__init__()
        self.network, self.device, self.precision, self._name = network, device, precision, name
        self.stft = Stft().to(device)
        self.batch_channels = MAX_BATCH_CHANNELS
        self.rim_frames = network.size.rim_frames
        self.unheard = MARGIN_FRAMES + self.rim_frames  # frames at each end that get no filter

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The one model that it uses."""
        return (ModelInfo(self._name),)

    def begin(self, stream: StreamFormat, strength: float) -> WindowedDenoiser:
        """Return a denoiser for one recording."""
        return WindowedDenoiser(self, stream, strength)

    @torch.inference_mode()
    def enhance(
        self, window: Tensor, sample_rate_hz: int, strength: float, should_stop: Callable[[], bool] = never
    ) -> Tensor:
        """Return a window [channels, samples], whole seconds, without its noise; its ends are silent.

        `strength` mixes inside the mask domain, 0 leaving the window as it is.
        Raises Stopped before the next channels are shown to the network, and between its other steps, once
        `should_stop` is true.
        """
        channels = len(window)
        at_a_time = channels if channels <= MAX_CHANNELS else 1  # with more, channels are independent
        finished = []
        for part in torch.split(window, at_a_time):
            prepared = self.prepare(part, sample_rate_hz)
            found = self.find_filters(prepared.spectrogram, should_stop)
            finished.append(self.finish(prepared, found, strength, should_stop))
        return finished[0] if len(finished) == 1 else torch.cat(finished)

    @torch.inference_mode()
    def prepare(self, window: Tensor, sample_rate_hz: int) -> Prepared:
        """Return a window [channels, samples], whole seconds, prepared for the other steps."""
        near, exponents = tamed(window)
        near = near.to(self.device)
        seconds = window.shape[-1] // sample_rate_hz
        inside = resample_channels(near, seconds * SAMPLE_RATE_HZ)
        return Prepared(sample_rate_hz, near, exponents, inside, self.stft.analyse(inside))

    @torch.inference_mode()
    def find_filters(self, spectrogram: Tensor, should_stop: Callable[[], bool] = never) -> Filter:
        """Return the filters of [channels, frames, bins] without the `unheard` frames; each channel is independent.

        The channels may belong to several windows. Raises Stopped between two batches once `should_stop` returns true.
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
        out = resample_channels(functional.pad(clean, (silent, silent)), samples)
        if prepared.sample_rate_hz > SAMPLE_RATE_HZ:
            for channel, gain in enumerate(functional.pad(found.gains[..., -1], (unheard, unheard))):
                above = prepared.window[channel] - resample_window(prepared.inside[channel], samples)
                out[channel] += above * functional.interpolate(gain[None, None], size=samples, mode="linear")[0, 0]
        return restored(out.cpu(), prepared.exponents)


def _faded(waveform: Tensor) -> Tensor:
    """Return [channels, samples] faded in and out over one hop, because a hard edge would ring in the resampler."""
    rise = torch.hann_window(2 * HOP_LENGTH, device=waveform.device)[:HOP_LENGTH]
    waveform[:, :HOP_LENGTH] *= rise
    waveform[:, -HOP_LENGTH:] *= rise.flip(0)
    return waveform
