"""Keeps finite samples of any size within the range that the network can square in single precision."""

import torch
from torch import Tensor

ORDINARY = 2.0**20  # full scale is 1; channels below this stay as they are
LOUD_SHARE = 0.999  # of a channel's samples are at most as large as the scale
HEADROOM = 2.0**10  # above the scale: larger samples are outliers and are clipped
MOST_EXPONENT = 120  # of the scale, so that its inverse is a normal number too


def tamed(window: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return a window [channels, samples] near full scale, and the powers of two [channels, 1] that it was divided by.

    A channel whose squares stay finite is returned as it is, to the bit. One that was divided by a power `before` and
    is still near full scale by it is divided by the same.
    """
    exponents = torch.stack([_exponent(channel) for channel in window])[:, None]
    if before is not None and before.any():
        peak = torch.ldexp(window.abs().amax(1, keepdim=True), -before)
        stays = (before != 0) & (peak >= 1 / HEADROOM) & (peak <= HEADROOM)
        exponents = torch.where(stays, before, exponents)
    return scaled(window, exponents), exponents


def scaled(window: Tensor, exponents: Tensor) -> Tensor:
    """Return a window [channels, samples] divided by powers of two [channels, 1], what is far above full scale cut."""
    if not exponents.any():
        return window
    return torch.where(exponents != 0, torch.ldexp(window, -exponents).clamp(-HEADROOM, HEADROOM), window)


def restored(window: Tensor, exponents: Tensor) -> Tensor:
    """Return a window scaled back, with finite samples."""
    if not exponents.any():
        return window
    largest = torch.finfo(window.dtype).max
    return torch.ldexp(window, exponents).clamp(-largest, largest)


def _exponent(samples: Tensor) -> Tensor:
    magnitudes = samples.abs()
    peak = magnitudes.amax()
    if peak <= ORDINARY:
        return torch.zeros((), dtype=torch.int32)
    level = magnitudes.kthvalue(max(1, int(LOUD_SHARE * len(samples)))).values
    level = level if level > 0 else peak
    exponent: Tensor = level.frexp().exponent.clamp(1 - MOST_EXPONENT, MOST_EXPONENT)
    return torch.where(exponent == 0, 1, exponent)  # 0 marks a channel that is not scaled
