"""The output of the network: below 4 kHz, a filter over each bin and its neighbours; above, gains.

Frames overlap, and so do the main lobes of bins, so neighbours in time and frequency hold part of what is in a bin.
With a tap on each neighbour, the network can separate harmonics closer than a main lobe and sounds shorter than a frame
(Mack and Habets, "Deep filtering: signal extraction and reconstruction using complex time-frequency filters", 2020).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.bands import LOW_BINS, NEIGHBOURS


class Filter(NamedTuple):
    """A complex `mask` [batch, frames, low bins], `taps` [batch, frames, low bins, neighbours] and real `gains` above.

    The gains are [batch, frames, high bins]; no value exceeds sqrt(2).
    """

    mask: Tensor
    taps: Tensor
    gains: Tensor

    def apply(self, spectrogram: Tensor) -> Tensor:
        """Return the filtered complex spectrogram [batch, frames, bins]."""
        padded = functional.pad(spectrogram[..., : LOW_BINS + 1], (1, 0, 1, 1))
        frames = spectrogram.shape[1]
        low = spectrogram[..., :LOW_BINS] * self.mask
        for tap, (frame, bin_) in enumerate(NEIGHBOURS):
            low = low + padded[:, 1 + frame :, 1 + bin_ :][:, :frames, :LOW_BINS] * self.taps[..., tap]
        return torch.cat([low, spectrogram[..., LOW_BINS:] * self.gains], dim=-1)

    def mixed(self, strength: float) -> "Filter":
        """Return the filter mixed with the input: 1 is the filter itself, 0 passes the input unchanged."""
        if strength == 1:
            return self
        return Filter(1 + strength * (self.mask - 1), strength * self.taps, 1 + strength * (self.gains - 1))

    def shared(self, spectrogram: Tensor, sharing: Tensor) -> "Filter":
        """Return each channel's filter moved towards the filters it shares with, as an energy-weighted mean.

        The spectrogram is [channels, frames, bins]; the sharing is [channels, channels, frames], from 0 (own filter) to
        1 (one filter for both).
        """
        power = spectrogram.real.square() + spectrogram.imag.square() + 1e-20
        parts = [_shared(power, sharing, channel, self) for channel in range(len(power))]
        return Filter(*(torch.stack(part) for part in zip(*parts, strict=True)))


def shares(power: Tensor, filter_sharing: Tensor, channel: int) -> Tensor:
    """Return the weight of each channel's filter in one channel's filter [channels, frames, bins]; they add up to 1.

    `power` is [channels, frames, bins], `filter_sharing` is [channels, channels, frames].
    """
    others = filter_sharing[channel].clone()  # [channels, frames]
    others[channel] = 0
    moved = others.amax(0)  # [frames]
    others[channel] = moved
    energy = power * (others / moved.clamp_min(1e-6))[..., None]
    share = energy / energy.sum(0).clamp_min(1e-30)
    share = moved[:, None] * share
    share[channel] += (1 - moved)[:, None]
    return share


def _shared(power: Tensor, sharing: Tensor, channel: int, filters: Filter) -> Filter:
    """Return the shared filter of one channel, without a batch axis."""
    share = shares(power, sharing, channel)
    low, high = share[..., :LOW_BINS], share[..., LOW_BINS:]
    return Filter((low * filters.mask).sum(0), (low[..., None] * filters.taps).sum(0), (high * filters.gains).sum(0))


def joined(filters: list[Filter]) -> Filter:
    """Return the filters of several batches as one."""
    if len(filters) == 1:
        return filters[0]
    return Filter(*(torch.cat(parts) for parts in zip(*filters, strict=True)))
