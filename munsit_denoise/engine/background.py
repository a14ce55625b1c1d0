"""The steady background of a recording, and how far each moment rises above it.

The background's power in a bin is the least that its power comes down to within two seconds before and after, brought
to the mean that noise of this least has (R. Martin, "Noise power spectral density estimation based on optimal
smoothing and minimum statistics", 2001). Looking as far ahead as back, and no further, it depends on nothing outside
a window's context. A sound that is held for longer than that is background too.
"""

import torch
from torch import Tensor
from torch.nn import functional

CALM_FRAMES = 8  # either way: what the power is averaged over before its least is looked for
REACH_FRAMES = 104  # either way: how far the least is looked for
NEAR_FRAMES, NEAR_BINS = 2, 1  # either way: what a gain is found from
WIDE_FRAMES, WIDE_BINS = 6, 3  # and what must rise as well, as a peak of noise stands alone
LEAST_OF_MEAN = 0.64  # how far below its mean the least of steady noise lies
ABOVE = 1.2  # times the background: what is no louder passes as background
SURE, SURE_BY = 1.3, 0.7  # times the background over the wide neighbourhood: where a gain begins, and is whole
SILENCE = 1e-12  # of full scale squared: digital silence says nothing of the background


def foreground(spectrogram: Tensor) -> Tensor:
    """Return the gain [batch, frames, bins] from 0 to 1 that leaves what rises above the steady background.

    Takes a complex spectrogram [batch, frames, bins]. A frame's gain depends on CALM_FRAMES + REACH_FRAMES either way.
    """
    power = spectrogram.real.square() + spectrogram.imag.square()
    calm = averaged(power, CALM_FRAMES, 1)
    floor = least(torch.where(calm > SILENCE, calm, torch.inf), REACH_FRAMES) / LEAST_OF_MEAN
    floor = torch.where(floor.isfinite(), floor, 0)
    near = averaged(power, NEAR_FRAMES, NEAR_BINS)
    gain = 1 - ABOVE * floor / near.clamp_min(SILENCE)
    sure = (averaged(power, WIDE_FRAMES, WIDE_BINS) / averaged(floor, 0, WIDE_BINS).clamp_min(SILENCE) - SURE) / SURE_BY
    return gain.clamp(0, 1) * sure.clamp(0, 1)


def averaged(power: Tensor, frames: int, bins: int) -> Tensor:
    """Return the mean over so many frames and bins on either side, fewer at the edges."""
    kernel = (2 * frames + 1, 2 * bins + 1)
    return functional.avg_pool2d(power[:, None], kernel, 1, (frames, bins), count_include_pad=False)[:, 0]


def least(power: Tensor, frames: int) -> Tensor:
    """Return the least over so many frames on either side."""
    padded = functional.pad(power, (0, 0, frames, frames), value=torch.inf)
    width, reach = 2 * frames + 1, 1
    while 2 * reach <= width:  # the least over twice as many frames is that of two leasts
        padded = torch.minimum(padded[:, :-reach], padded[:, reach:])
        reach *= 2
    return torch.minimum(padded[:, : power.shape[1]], padded[:, width - reach :][:, : power.shape[1]])
