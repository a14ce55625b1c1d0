"""A differentiable distance modelled on ESTOI, computed on the network's own spectrogram.

Jensen and Taal, "An algorithm for predicting the intelligibility of speech masked by modulated noise maskers" (2016):
the correlation of third-octave envelopes over 384 ms. Frames have 32 ms and a hop of 16 ms instead of 25.6 and 12.8.
"""

import torch
from torch import Tensor, nn

from munsit_denoise.engine.stft import BIN_HZ

BANDS = 15  # third octaves
LOWEST_HZ = 150.0  # centre frequency of the first band
BINS = 138  # up to the upper edge of the last band, 4.3 kHz
SEGMENT_FRAMES, SEGMENT_HOP = 24, 3  # 384 ms; ESTOI has a segment for each frame, but a third of them is enough
DYNAMIC_RANGE_DB = 40.0  # below the loudest frame: quieter frames are pauses and do not count
TINY = 1e-6  # power; keeps the gradient finite where a band is silent


class EstoiLoss(nn.Module):
    """One minus the correlation of envelopes of power spectrograms [batch, frames, bins] of the model's transform."""

    bands: Tensor

    def __init__(self) -> None:
        super().__init__()
        centre_hz = LOWEST_HZ * 2 ** (torch.arange(BANDS) / 3)
        first, end = ((centre_hz * 2 ** (side / 6) / BIN_HZ).round()[None] for side in (-1, 1))
        bins = torch.arange(BINS)[:, None]
        self.register_buffer("bands", ((bins >= first) & (bins < end)).float(), persistent=False)

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Return the distance [batch]: 0 for equal envelopes, 1 for uncorrelated ones."""
        loudness = target.sum(dim=-1)  # [batch, frames]
        active = loudness > loudness.amax(dim=1, keepdim=True) * 10 ** (-DYNAMIC_RANGE_DB / 10)
        first_active = (~active).int().argsort(dim=1, stable=True)  # pauses come last
        found, wanted = (self._segments(power, first_active) for power in (estimate, target))
        correlation = (found * wanted).sum(dim=(2, 3)) / SEGMENT_FRAMES  # [batch, segments]
        last = torch.arange(correlation.shape[1], device=active.device) * SEGMENT_HOP + SEGMENT_FRAMES
        counted = last <= active.sum(dim=1, keepdim=True)
        return ((1 - correlation) * counted).sum(dim=1) / counted.sum(dim=1).clamp_min(1)

    def _segments(self, power: Tensor, order: Tensor) -> Tensor:
        """Return normalised envelopes [batch, segments, bands, frames] of the frames in this order."""
        envelopes = (power[..., :BINS] @ self.bands + TINY).sqrt()
        envelopes = envelopes.gather(1, order[..., None].expand_as(envelopes))
        return _normalised(_normalised(envelopes.unfold(1, SEGMENT_FRAMES, SEGMENT_HOP), dim=-1), dim=-2)


def _normalised(x: Tensor, dim: int) -> Tensor:
    """Return deviations from the mean along a dimension, scaled to unit length."""
    x = x - x.mean(dim=dim, keepdim=True)
    return x / (x.square().sum(dim=dim, keepdim=True) + TINY).sqrt()
