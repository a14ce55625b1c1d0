"""What the network makes of a spectrogram: a complex mask and, below 4 kHz, a filter over the neighbours of each bin.

Frames overlap and so do the bins' main lobes, so that a bin's neighbours in time and frequency know of what is in it.
With a tap on each of them, as in Mack and Habets, "Deep filtering: signal extraction and reconstruction using
complex time-frequency filters" (2020), harmonics closer than a main lobe and sounds shorter than a frame can come
apart.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from munsit_denoise.engine.bands import LOW_BINS, NEIGHBOURS


class Filter(NamedTuple):
    """A complex `mask` [batch, frames, bins] and `taps` [batch, frames, low bins, neighbours]; none beyond sqrt(2)."""

    mask: Tensor
    taps: Tensor

    def apply(self, spectrogram: Tensor) -> Tensor:
        """Return a filtered complex spectrogram [batch, frames, bins]."""
        padded = functional.pad(spectrogram[..., : LOW_BINS + 1], (1, 0, 1, 1))
        frames = spectrogram.shape[1]
        neighbours = torch.stack(
            [padded[:, 1 + frame :, 1 + bin_ :][:, :frames, :LOW_BINS] for frame, bin_ in NEIGHBOURS], dim=-1
        )
        out = spectrogram * self.mask
        out[..., :LOW_BINS] += (neighbours * self.taps).sum(dim=-1)
        return out

    def mixed(self, strength: float) -> "Filter":
        """Return the filter with a part of the input left in: 1 is the filter itself, 0 lets all pass."""
        return self if strength == 1 else Filter(1 + strength * (self.mask - 1), strength * self.taps)

    def shared(self, spectrogram: Tensor) -> "Filter":
        """Return one filter for all channels [channels, frames, bins], their mean weighted by energy."""
        power = spectrogram.real.square() + spectrogram.imag.square() + 1e-20
        share = power / power.sum(dim=0, keepdim=True)
        mask = (share * self.mask).sum(dim=0, keepdim=True)
        taps = (share[..., :LOW_BINS, None] * self.taps).sum(dim=0, keepdim=True)
        return Filter(mask.expand_as(self.mask), taps.expand_as(self.taps))


def joined(filters: list[Filter]) -> Filter:
    """Return the filters of all batches as one."""
    return Filter(*(torch.cat(parts) for parts in zip(*filters, strict=True)))
