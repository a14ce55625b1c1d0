"""The training loss: compressed spectra weighted as the ear is, the SNR, distances after PESQ, ESTOI and in mel bands.

All see only the band that the target speaks for. Compression makes quiet sounds count; the SNR holds the level
of loud ones, which compression alone lets the network lower, that of mel bands the level of fricatives as well; the
third knows what masks what, the fourth what makes a word understood, the fifth what is left in pauses. A sixth term is
the log-spectral distance above 8 kHz, where all is so quiet that the others hardly tell a trace of air from nothing.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from munsit_denoise.engine.model import COMPRESSION
from munsit_denoise.engine.stft import BIN_HZ, N_BINS, SAMPLE_RATE_HZ
from training.estoi_loss import EstoiLoss
from training.mel_loss import MelLoss
from training.pesq_loss import BINS, PesqLoss

COMPLEX_SHARE = 0.3  # weight of the complex term beside the magnitude term (Braun and Tashev, 2020)
SNR_SHARE = 0.004  # what a dB of SNR weighs beside the spectral error, unless told
SNR_CEILING = 1e-3  # noise-to-signal power below which nothing is gained: 30 dB
SNR_BANDS = 12  # mel bands up to 8 kHz
SNR_BAND_FLOOR = 1e-4  # of the target's power: a band with less is judged by what noise is left in it
HIGH_HZ = 8_000  # above, PESQ hears nothing
LOG_FLOOR = 1e-4  # of the target's mean magnitude: 80 dB down, quieter is all the same
FLOOR = 1e-6  # power; keeps gradients of logarithm and root finite where the spectrum is empty


def bin_weights() -> Tensor:
    """Return weights [bins] in proportion to ERBs a hertz (Glasberg and Moore, 1990), of mean one."""
    frequency_hz = torch.arange(N_BINS) * BIN_HZ
    weights = 1 / (24.7 * (4.37e-3 * frequency_hz + 1))
    return weights / weights.mean()


class DenoisingLoss(nn.Module):
    """The mean loss of a batch.

    `pesq_share` is what a point of the PESQ distance weighs, `high_share` a dB of log-spectral distance above 8 kHz,
    `snr_share` a dB of SNR, `estoi_share` the whole of ESTOI, `mel_share` a dB of a mel band's level, `band_snr_share`
    a dB of the mean SNR of mel bands.
    """

    snr_bands: Tensor

    def __init__(
        self,
        pesq_share: float = 0.0,
        high_share: float = 0.0,
        snr_share: float = SNR_SHARE,
        estoi_share: float = 0.0,
        mel_share: float = 0.0,
        band_snr_share: float = 0.0,
    ) -> None:
        super().__init__()
        self.high_share, self.snr_share, self.band_snr_share = high_share, snr_share, band_snr_share
        bands = melscale_fbanks(N_BINS, 0.0, HIGH_HZ, SNR_BANDS, SAMPLE_RATE_HZ)
        self.register_buffer("snr_bands", bands, persistent=False)
        narrow_band = ((pesq_share, PesqLoss()), (estoi_share, EstoiLoss()), (mel_share, MelLoss()))
        self.shares = [share for share, _ in narrow_band if share]
        self.distances = nn.ModuleList(distance for share, distance in narrow_band if share)

    def forward(self, estimate: Tensor, target: Tensor, reference: Tensor, band_hz: Tensor) -> Tensor:
        """Return the mean loss of complex spectrograms [batch, frames, bins].

        `reference` (the noisy input) sets each item's level; bins above `band_hz` [batch] do not count: a
        band-limited target says nothing about them.
        """
        level = _power(reference.real, reference.imag).mean(dim=(1, 2), keepdim=True).sqrt() + 1e-7
        inside = torch.arange(N_BINS, device=band_hz.device) * BIN_HZ <= band_hz[:, None]  # [batch, bins]
        output, wanted = Parts.of(estimate, level), Parts.of(target, level)
        heard = audible(wanted.power)
        loss = spectral_error(output, wanted, inside)
        signal, noise = signal_and_noise(output, wanted, inside)  # [batch, bins]
        ratio = negative_snr_db(signal.sum(dim=1), noise.sum(dim=1))
        loss = loss + self.snr_share * torch.where(heard, ratio, 0)
        if self.band_snr_share:
            ratio = negative_band_snr_db(signal, noise, self.snr_bands)
            loss = loss + self.band_snr_share * torch.where(heard, ratio, 0)
        if self.shares:
            narrow = [part.power[..., :BINS] * inside[:, None, :BINS] for part in (output, wanted)]
            for share, narrow_band_distance in zip(self.shares, self.distances, strict=True):
                loss = loss + share * torch.where(heard, narrow_band_distance(*narrow), 0)
        if self.high_share:
            distance = high_band_distance_db(output.power, wanted.power, inside)
            loss = loss + self.high_share * torch.where(heard, distance, 0)
        return loss.mean()


class Parts(NamedTuple):
    """A spectrogram [batch, frames, bins] in real numbers: autograd is slow at taking parts of complex ones."""

    real: Tensor
    imag: Tensor
    power: Tensor

    @classmethod
    def of(cls, spectrogram: Tensor, level: Tensor) -> "Parts":
        """Take a complex spectrogram apart, `level` times as quiet."""
        real, imag = (part / level for part in torch.view_as_real(spectrogram).unbind(-1))
        return cls(real, imag, _power(real, imag))


def audible(power: Tensor) -> Tensor:
    """Return which items [batch] of levelled power spectrograms hold anything but silence."""
    return power.mean(dim=(1, 2)) > FLOOR


def spectral_error(estimate: Parts, target: Parts, inside: Tensor) -> Tensor:
    """Return the error of the compressed spectra [batch], by magnitude and by real and imaginary part."""
    (compressed, gain), (wanted, wanted_gain) = _compressed(estimate.power), _compressed(target.power)
    difference = _power(
        estimate.real * gain - target.real * wanted_gain, estimate.imag * gain - target.imag * wanted_gain
    )
    error = (1 - COMPLEX_SHARE) * (compressed - wanted).square() + COMPLEX_SHARE * difference
    weights = bin_weights().to(error.device) * inside
    return (error.mean(dim=1) * weights).sum(dim=1) / weights.sum(dim=1)


def signal_and_noise(estimate: Parts, target: Parts, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the power of the target and of what differs from it, over all frames [batch, bins]."""
    difference = _power(estimate.real - target.real, estimate.imag - target.imag)
    return target.power.sum(dim=1) * inside, difference.sum(dim=1) * inside


def negative_snr_db(signal: Tensor, noise: Tensor) -> Tensor:
    """Return minus the SNR [...] of powers [...] in dB, which stops to grow at 30 dB."""
    return 10 * (noise / signal.clamp_min(FLOOR) + SNR_CEILING).log10()


def negative_band_snr_db(signal: Tensor, noise: Tensor, bands: Tensor) -> Tensor:
    """Return minus the mean SNR [batch] in dB of `bands` [bins, bands], where each counts as much as the others.

    The SNR of the whole is that of its loudest band: fricatives, 20 dB softer than vowels, have hardly a part in it.
    """
    signal = signal @ bands
    floor = SNR_BAND_FLOOR * signal.sum(dim=1, keepdim=True)
    return negative_snr_db(signal + floor, noise @ bands).mean(dim=1)


def high_band_distance_db(power: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Return the log-spectral distance [batch] above 8 kHz in dB, the mean over frames; 0 where the band ends below."""
    first = round(HIGH_HZ / BIN_HZ)
    counted = inside[:, first:]
    floor = (LOG_FLOOR * target.mean(dim=(1, 2), keepdim=True).sqrt() + FLOOR).square()
    difference_db = 10 * ((power[..., first:] + floor).log10() - (target[..., first:] + floor).log10())
    squared = difference_db.square() * counted[:, None]
    distance = (squared.sum(dim=2) / counted.sum(dim=1, keepdim=True).clamp_min(1) + FLOOR).sqrt().mean(dim=1)
    return torch.where(counted.any(dim=1), distance, 0)


def _compressed(power: Tensor) -> tuple[Tensor, Tensor]:
    """Return the compressed magnitude and the gain that compresses; one logarithm is faster than two powers."""
    log_power = (power + FLOOR).log()
    return (log_power * (COMPRESSION / 2)).exp(), (log_power * (COMPRESSION / 2 - 0.5)).exp()


def _power(real: Tensor, imag: Tensor) -> Tensor:
    return real.square() + imag.square()
