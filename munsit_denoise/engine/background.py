"""The steady background of a recording, and how far each moment rises above it.

The background of a bin is the minimum of its power within two seconds before and after, corrected for the bias of a
minimum (R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum statistics", 2001).
The search stays within a window's context, so the result does not depend on where windows begin. A sound that is held
for longer than the search counts as background too.
"""

import torch
from torch import Tensor
from torch.nn import functional

CALM_FRAMES = 8  # each way: the power is averaged over these before the minimum is taken
REACH_FRAMES = 104  # each way: the range of the minimum
NEAR_FRAMES, NEAR_BINS = 2, 1  # each way: the average that gives the gain
WIDE_FRAMES, WIDE_BINS = 6, 3  # each way: this average must rise too, because a random peak of noise is isolated
LEAST_OF_MEAN = 0.64  # the minimum of steady noise, relative to its mean
ABOVE = 1.2  # times the background: the gain is 0 up to here
SURE, SURE_BY = 1.3, 0.7  # times the background in the wide average: where the gain starts, and how far on it is 1
SILENCE = 1e-12  # relative to full scale squared: digital silence is not background


def foreground(spectrogram: Tensor) -> Tensor:
    """Return the gain [batch, frames, bins] from 0 to 1 that keeps what rises above the steady background.

    Takes a complex spectrogram [batch, frames, bins]. The gain of a frame depends on CALM_FRAMES + REACH_FRAMES frames
    each way.
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
    """Return the mean over this many frames and bins each way, fewer at the edges."""
    kernel = (2 * frames + 1, 2 * bins + 1)
    return functional.avg_pool2d(power[:, None], kernel, 1, (frames, bins), count_include_pad=False)[:, 0]


def least(power: Tensor, frames: int) -> Tensor:
    """Return the minimum over this many frames each way."""
    padded = functional.pad(power, (0, 0, frames, frames), value=torch.inf)
    width, reach = 2 * frames + 1, 1
    while 2 * reach <= width:  # the minimum over twice the range is the smaller of two minima
        padded = torch.minimum(padded[:, :-reach], padded[:, reach:])
        reach *= 2
    return torch.minimum(padded[:, : power.shape[1]], padded[:, width - reach :][:, : power.shape[1]])
