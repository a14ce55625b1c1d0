"""The training loss: compressed complex and magnitude spectra, weighted as the ear is, only where the target speaks."""

import torch
from torch import Tensor

from munsit_denoise.engine.model import COMPRESSION
from munsit_denoise.engine.stft import BIN_HZ, N_BINS

COMPLEX_SHARE = 0.3  # weight of the complex term beside the magnitude term (Braun and Tashev, 2020)
FLOOR = 1e-6  # power; keeps the gradient of the root finite where the spectrum is empty


def bin_weights() -> Tensor:
    """Return weights [bins] in proportion to ERBs a hertz (Glasberg and Moore, 1990), of mean one."""
    frequency_hz = torch.arange(N_BINS) * BIN_HZ
    weights = 1 / (24.7 * (4.37e-3 * frequency_hz + 1))
    return weights / weights.mean()


def spectral_loss(estimate: Tensor, target: Tensor, reference: Tensor, band_hz: Tensor) -> Tensor:
    """Return the mean loss of a batch of complex spectrograms [batch, frames, bins].

    `reference` (the noisy input) sets each item's level; bins above `band_hz` [batch] do not count: a
    band-limited target says nothing about them.
    """
    level = reference.abs().square().mean(dim=(1, 2), keepdim=True).sqrt() + 1e-7
    estimate, target = estimate / level, target / level
    magnitude, wanted = _magnitude(estimate), _magnitude(target)
    compressed, compressed_wanted = magnitude**COMPRESSION, wanted**COMPRESSION
    error = (compressed - compressed_wanted).square() * (1 - COMPLEX_SHARE)
    difference = estimate * (compressed / magnitude) - target * (compressed_wanted / wanted)
    error = error + COMPLEX_SHARE * (difference.real.square() + difference.imag.square())
    inside = torch.arange(N_BINS, device=error.device) * BIN_HZ <= band_hz[:, None]
    weights = bin_weights().to(error.device) * inside  # [batch, bins]
    per_item = (error.mean(dim=1) * weights).sum(dim=1) / weights.sum(dim=1)
    return per_item.mean()


def _magnitude(spectrogram: Tensor) -> Tensor:
    return (spectrogram.real.square() + spectrogram.imag.square() + FLOOR).sqrt()
