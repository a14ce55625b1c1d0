"""The training loss: compressed spectra, SNR, and distances modelled on PESQ, ESTOI and mel bands.

All terms use only the band that the target was recorded in. Compression makes quiet sounds count, but alone it lets the
network lower the level of loud ones; the SNR prevents that, and its mean over mel bands does the same for fricatives.
The PESQ distance covers masking, the ESTOI distance intelligibility, the mel distance what remains in pauses. Further
terms are the error in longer and shorter windows, and the log-spectral distance above 8 kHz, where levels are so low
that the other terms hardly distinguish air from silence.
"""

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from munsit_denoise.engine.stft import BIN_HZ, N_BINS, SAMPLE_RATE_HZ
from training.losses.estoi import EstoiLoss
from training.losses.mel import MelLoss
from training.losses.pesq import BINS, PesqLoss
from training.losses.resolution import ResolutionLoss
from training.losses.spectra import FLOOR, Parts, bin_weights, inside_band, power_of, spectral_error

SNR_CEILING = 1e-3  # noise-to-signal power ratio below which the term stops improving: 30 dB
SNR_BANDS = 12  # mel bands up to 8 kHz
SNR_BAND_FLOOR = 1e-4  # times the target's power, added to each band: an empty band is judged by its noise
HIGH_HZ = 8_000  # PESQ ignores what is above
LOG_FLOOR = 1e-4  # times the target's mean magnitude, 80 dB down: lower levels count as equal


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class LossShares:
    """Weight of each term relative to the error of the compressed spectra."""

    snr_share: float = 0.004  # per dB of SNR
    band_snr_share: float = 0.0  # per dB of the mean SNR of mel bands
    pesq_share: float = 0.0  # per point of the PESQ distance
    estoi_share: float = 0.0  # for the whole range of ESTOI
    mel_share: float = 0.0  # per dB of a mel band's level
    resolution_share: float = 0.0  # of the error of compressed spectra in longer and shorter windows
    high_share: float = 0.0  # per dB of log-spectral distance above 8 kHz


class DenoisingLoss(nn.Module):
    """The mean loss of a batch."""

    snr_bands: Tensor
    weights: Tensor

    def __init__(self, shares: LossShares) -> None:
        super().__init__()
        self.shares = shares
        bands = melscale_fbanks(N_BINS, 0.0, HIGH_HZ, SNR_BANDS, SAMPLE_RATE_HZ)
        self.register_buffer("snr_bands", bands, persistent=False)
        self.register_buffer("weights", bin_weights(BIN_HZ, N_BINS), persistent=False)
        narrow_band = ((shares.pesq_share, PesqLoss), (shares.estoi_share, EstoiLoss), (shares.mel_share, MelLoss))
        self.narrow_shares = [share for share, _ in narrow_band if share]
        self.narrow = nn.ModuleList(distance() for share, distance in narrow_band if share)
        self.resolution = ResolutionLoss() if shares.resolution_share else None

    def forward(
        self, estimate: Tensor, target: Tensor, reference: Tensor, band_hz: Tensor, distances: bool = True
    ) -> Tensor:
        """Return the mean loss of complex spectrograms [batch, frames, bins].

        `reference` (the noisy input) sets the level of each item. Bins above `band_hz` [batch] do not count, because a
        band-limited target says nothing about them. Without `distances`, the PESQ, ESTOI and mel terms are left out.
        """
        shares = self.shares
        level = power_of(reference.real, reference.imag).mean(dim=(1, 2), keepdim=True).sqrt() + 1e-7
        inside = inside_band(BIN_HZ, N_BINS, band_hz)
        output, wanted = Parts.of(estimate, level), Parts.of(target, level)
        heard = audible(wanted.power)
        loss = spectral_error(output, wanted, self.weights * inside)
        signal, noise = signal_and_noise(output, wanted, inside)  # [batch, bins]
        ratio = negative_snr_db(signal.sum(dim=1), noise.sum(dim=1))
        loss = loss + shares.snr_share * torch.where(heard, ratio, 0)
        if shares.band_snr_share:
            ratio = negative_band_snr_db(signal, noise, self.snr_bands)
            loss = loss + shares.band_snr_share * torch.where(heard, ratio, 0)
        if self.narrow_shares and distances:
            narrow = [part.power[..., :BINS] * inside[:, None, :BINS] for part in (output, wanted)]
            for share, distance in zip(self.narrow_shares, self.narrow, strict=True):
                loss = loss + share * torch.where(heard, distance(*narrow), 0)
        if self.resolution:
            loss = loss + shares.resolution_share * self.resolution(estimate / level, target / level, band_hz)
        if shares.high_share:
            high = high_band_distance_db(output.power, wanted.power, inside)
            loss = loss + shares.high_share * torch.where(heard, high, 0)
        return loss.mean()


def audible(power: Tensor) -> Tensor:
    """Return which items [batch] of normalised power spectrograms are not silent."""
    return power.mean(dim=(1, 2)) > FLOOR


def signal_and_noise(estimate: Parts, target: Parts, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the power of the target and of its difference to the estimate, summed over frames [batch, bins]."""
    difference = power_of(estimate.real - target.real, estimate.imag - target.imag)
    return target.power.sum(dim=1) * inside, difference.sum(dim=1) * inside


def negative_snr_db(signal: Tensor, noise: Tensor) -> Tensor:
    """Return minus the SNR in dB of powers of any shape, limited to 30 dB."""
    return 10 * (noise / signal.clamp_min(FLOOR) + SNR_CEILING).log10()


def negative_band_snr_db(signal: Tensor, noise: Tensor, bands: Tensor) -> Tensor:
    """Return minus the mean SNR [batch] in dB over `bands` [bins, bands], each with equal weight.

    The loudest band determines the SNR of the whole; fricatives, 20 dB below vowels, hardly contribute to it.
    """
    signal = signal @ bands
    floor = SNR_BAND_FLOOR * signal.sum(dim=1, keepdim=True)
    return negative_snr_db(signal + floor, noise @ bands).mean(dim=1)


def high_band_distance_db(power: Tensor, target: Tensor, inside: Tensor) -> Tensor:
    """Return the log-spectral distance [batch] above 8 kHz in dB, as mean over frames; 0 if the band ends below."""
    first = round(HIGH_HZ / BIN_HZ)
    counted = inside[:, first:]
    floor = (LOG_FLOOR * target.mean(dim=(1, 2), keepdim=True).sqrt() + FLOOR).square()
    difference_db = 10 * ((power[..., first:] + floor).log10() - (target[..., first:] + floor).log10())
    squared = difference_db.square() * counted[:, None]
    distance = (squared.sum(dim=2) / counted.sum(dim=1, keepdim=True).clamp_min(1) + FLOOR).sqrt().mean(dim=1)
    return torch.where(counted.any(dim=1), distance, 0)
