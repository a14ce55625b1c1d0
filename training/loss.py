"""The training loss: compressed spectra weighted as the ear is, the SNR of the output, and a distance after PESQ.

All see only the band that the target speaks for. Compression makes quiet sounds count; the SNR holds the level
of loud ones, which compression alone lets the network lower; the third knows what masks what. A fourth term is the
log-spectral distance above 8 kHz, where all is so quiet that the others hardly tell a trace of air from nothing.
"""

import torch
from torch import Tensor, nn

from munsit_denoise.engine.model import COMPRESSION
from munsit_denoise.engine.stft import BIN_HZ, N_BINS
from training.pesq_loss import BINS, PesqLoss

COMPLEX_SHARE = 0.3  # weight of the complex term beside the magnitude term (Braun and Tashev, 2020)
SNR_SHARE = 0.004  # what a dB of SNR weighs beside the spectral error, unless told
SNR_CEILING = 1e-3  # noise-to-signal power below which nothing is gained: 30 dB
HIGH_HZ = 8_000  # above, PESQ hears nothing
LOG_FLOOR = 1e-4  # of the target's mean magnitude: 80 dB down, quieter is all the same
FLOOR = 1e-6  # power; keeps the gradient of the root finite where the spectrum is empty


def bin_weights() -> Tensor:
    """Return weights [bins] in proportion to ERBs a hertz (Glasberg and Moore, 1990), of mean one."""
    frequency_hz = torch.arange(N_BINS) * BIN_HZ
    weights = 1 / (24.7 * (4.37e-3 * frequency_hz + 1))
    return weights / weights.mean()


class DenoisingLoss(nn.Module):
    """The mean loss of a batch.

    `pesq_share` is what a point of the PESQ distance weighs, `high_share` a dB of log-spectral distance above 8 kHz,
    `snr_share` a dB of SNR.
    """

    def __init__(self, pesq_share: float = 0.0, high_share: float = 0.0, snr_share: float = SNR_SHARE) -> None:
        super().__init__()
        self.pesq_share, self.high_share, self.snr_share = pesq_share, high_share, snr_share
        self.pesq = PesqLoss()

    def forward(self, estimate: Tensor, target: Tensor, reference: Tensor, band_hz: Tensor) -> Tensor:
        """Return the mean loss of complex spectrograms [batch, frames, bins].

        `reference` (the noisy input) sets each item's level; bins above `band_hz` [batch] do not count: a
        band-limited target says nothing about them.
        """
        level = power(reference).mean(dim=(1, 2), keepdim=True).sqrt() + 1e-7
        inside = torch.arange(N_BINS, device=band_hz.device) * BIN_HZ <= band_hz[:, None]  # [batch, bins]
        estimate, target = estimate / level, target / level
        loss = spectral_error(estimate, target, inside) + self.snr_share * negative_snr_db(estimate, target, inside)
        if self.pesq_share:
            heard = inside[:, None, :BINS]
            distance: Tensor = self.pesq(estimate[..., :BINS] * heard, target[..., :BINS] * heard)
            loss = loss + self.pesq_share * torch.where(audible(target), distance, torch.zeros_like(distance))
        if self.high_share:
            loss = loss + self.high_share * high_band_distance_db(estimate, target, inside)
        return loss.mean()


def power(spectrogram: Tensor) -> Tensor:
    """Return the squared magnitude; abs() would take the root first, slowly."""
    return spectrogram.real.square() + spectrogram.imag.square()


def audible(target: Tensor) -> Tensor:
    """Return which items [batch] of levelled spectrograms hold anything but silence."""
    return power(target).mean(dim=(1, 2)) > FLOOR


def spectral_error(estimate: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Return the error of the compressed spectra [batch], by magnitude and by real and imaginary part."""
    magnitude, wanted = _magnitude(estimate), _magnitude(target)
    compressed, compressed_wanted = magnitude**COMPRESSION, wanted**COMPRESSION
    error = (compressed - compressed_wanted).square() * (1 - COMPLEX_SHARE)
    difference = estimate * (compressed / magnitude) - target * (compressed_wanted / wanted)
    error = error + COMPLEX_SHARE * power(difference)
    weights = bin_weights().to(error.device) * inside
    return (error.mean(dim=1) * weights).sum(dim=1) / weights.sum(dim=1)


def negative_snr_db(estimate: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Return minus the SNR [batch] in dB, which stops to grow at 30 dB; 0 for a silent target."""
    signal = (power(target) * inside[:, None]).sum(dim=(1, 2))
    noise = (power(estimate - target) * inside[:, None]).sum(dim=(1, 2))
    heard = audible(target)
    ratio = torch.where(heard, noise / signal.clamp_min(FLOOR), torch.ones_like(noise)) + SNR_CEILING
    return torch.where(heard, 10 * ratio.log10(), torch.zeros_like(ratio))


def high_band_distance_db(estimate: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Return the log-spectral distance [batch] above 8 kHz in dB, the mean over frames; 0 where the band ends below."""
    counted = inside & (torch.arange(N_BINS, device=inside.device) * BIN_HZ >= HIGH_HZ)  # [batch, bins]
    first = round(HIGH_HZ / BIN_HZ)
    wanted_power = power(target)
    floor = LOG_FLOOR * wanted_power.mean(dim=(1, 2), keepdim=True).sqrt() + FLOOR
    magnitude = (power(estimate[:, :, first:]) + floor.square()).sqrt()
    wanted = (wanted_power[:, :, first:] + floor.square()).sqrt()
    squared = (20 * (magnitude / wanted).log10()).square() * counted[:, None, first:]
    distance = (squared.sum(dim=2) / counted.sum(dim=1, keepdim=True).clamp_min(1) + FLOOR).sqrt().mean(dim=1)
    return torch.where(audible(target) & counted.any(dim=1), distance, torch.zeros_like(distance))


def _magnitude(spectrogram: Tensor) -> Tensor:
    return (power(spectrogram) + FLOOR).sqrt()
