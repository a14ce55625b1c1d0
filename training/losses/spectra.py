"""Shared by the losses: spectrograms as real numbers, and the perceptually weighted error of compressed spectra."""

from typing import NamedTuple

import torch
from torch import Tensor

from munsit_denoise.engine.model import COMPRESSION

COMPLEX_SHARE = 0.3  # weight of the complex term relative to the magnitude term (Braun and Tashev, 2020)
FLOOR = 1e-6  # power; keeps gradients of logarithm and root finite where the spectrum is empty


class Parts(NamedTuple):
    """A spectrogram [batch, frames, bins] as real numbers; autograd is slow at splitting complex ones."""

    real: Tensor
    imag: Tensor
    power: Tensor

    @classmethod
    def of(cls, spectrogram: Tensor, level: Tensor | float = 1.0) -> "Parts":
        """Split a complex spectrogram, divided by `level`."""
        real, imag = (part / level for part in torch.view_as_real(spectrogram).unbind(-1))
        return cls(real, imag, power_of(real, imag))


def power_of(real: Tensor, imag: Tensor) -> Tensor:
    """Return the squared magnitude of complex numbers."""
    return real.square() + imag.square()


def bin_weights(bin_hz: float, bins: int) -> Tensor:
    """Return weights [bins] in proportion to ERBs per hertz (Glasberg and Moore, 1990), with a mean of one."""
    weights = 1 / (24.7 * (4.37e-3 * torch.arange(bins) * bin_hz + 1))
    return weights / weights.mean()


def inside_band(bin_hz: float, bins: int, band_hz: Tensor) -> Tensor:
    """Return which bins [batch, bins] are below `band_hz` [batch]."""
    return torch.arange(bins, device=band_hz.device) * bin_hz <= band_hz[:, None]


def spectral_error(estimate: Parts, target: Parts, weights: Tensor) -> Tensor:
    """Return the error of the compressed spectra [batch], by magnitude and by real and imaginary part.

    `weights` [batch, bins] are the weights of the bins.
    """
    (compressed, gain), (wanted, wanted_gain) = _compressed(estimate.power), _compressed(target.power)
    difference = power_of(
        estimate.real * gain - target.real * wanted_gain, estimate.imag * gain - target.imag * wanted_gain
    )
    error = (1 - COMPLEX_SHARE) * (compressed - wanted).square() + COMPLEX_SHARE * difference
    return (error.mean(dim=1) * weights).sum(dim=1) / weights.sum(dim=1)


def _compressed(power: Tensor) -> tuple[Tensor, Tensor]:
    """Return the compressed magnitude and the compressing gain; one logarithm is faster than two powers."""
    log_power = (power + FLOOR).log()
    return (log_power * (COMPRESSION / 2)).exp(), (log_power * (COMPRESSION / 2 - 0.5)).exp()
