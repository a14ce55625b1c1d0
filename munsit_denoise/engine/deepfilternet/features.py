"""Input and output of DeepFilterNet3: short-time spectra at 48 kHz, levels of ERB bands, filters over time."""

import numpy as np
import torch
from torch import Tensor, nn

SAMPLE_RATE_HZ = 48_000
N_FFT, HOP = 960, 480  # samples
N_BINS = N_FFT // 2 + 1
BIN_HZ = SAMPLE_RATE_HZ / N_FFT
ERB_BANDS = 32
LEAST_BINS = 2  # in an ERB band
FILTER_BINS = 96  # bins below 4.8 kHz, which get filters over time
TAPS = 5  # in a filter
LOOKAHEAD = 2  # frames
FORGETTING = 0.99  # of the running levels, per frame: a time constant of 1 s
ERB_RANGE_DB = 40.0
LEAST_POWER = 1e-10  # added to the power of a band before its level in dB
LEAST_MAGNITUDE = 1e-12  # the smallest magnitude that a bin is divided by


def erb_widths() -> list[int]:
    """Return the number of bins of each band: equal steps on the ERB scale (Glasberg and Moore), at least two bins."""
    scale_hz, per_nat = 24.7 * 9.265, 9.265
    step = per_nat * np.log1p(SAMPLE_RATE_HZ / 2 / scale_hz) / ERB_BANDS
    widths, last, owed = list[int](), 0, 0
    for band in range(1, ERB_BANDS + 1):
        edge = round(float(scale_hz * np.expm1(band * step / per_nat) / BIN_HZ))
        width = edge - last - owed
        owed = max(LEAST_BINS - width, 0)
        widths.append(width + owed)
        last = edge
    widths[-1] += N_BINS - sum(widths)
    return widths


def vorbis_window() -> Tensor:
    """Return the power-complementary Vorbis window [N_FFT]."""
    sine = torch.sin(torch.pi * (torch.arange(N_FFT) + 0.5) / N_FFT)
    return torch.sin(torch.pi / 2 * sine.square())


class Spectra(nn.Module):
    """The transforms between sound and the network."""

    window: Tensor
    to_bands: Tensor
    band_of_bin: Tensor

    def __init__(self) -> None:
        super().__init__()
        widths = torch.tensor(erb_widths())
        band_of_bin = torch.repeat_interleave(torch.arange(ERB_BANDS), widths)
        to_bands = torch.zeros(N_BINS, ERB_BANDS)
        to_bands[torch.arange(N_BINS), band_of_bin] = 1 / widths.float()[band_of_bin]
        self.register_buffer("window", vorbis_window())
        self.register_buffer("band_of_bin", band_of_bin)
        self.register_buffer("to_bands", to_bands)

    def analyse(self, samples: Tensor) -> Tensor:
        """Return the spectra [batch, frames, bins] of samples [batch, (frames + 1) * HOP]."""
        spectra: Tensor = torch.fft.rfft(samples.unfold(1, N_FFT, HOP) * self.window)
        return spectra

    def synthesise(self, spectra: Tensor) -> Tensor:
        """Return the samples [batch, (frames - 1) * HOP] between the centres of the first and the last frame."""
        frames: Tensor = torch.fft.irfft(spectra, N_FFT) * self.window
        return (frames[:, :-1, HOP:] + frames[:, 1:, :HOP]).flatten(1)

    def levels(self, spectra: Tensor) -> tuple[Tensor, Tensor]:
        """Return band levels in dB [batch, frames, ERB_BANDS] and the scaled low bins [batch, frames, FILTER_BINS]."""
        spectra = spectra / N_FFT
        power = spectra.real.square() + spectra.imag.square()
        return 10 * (power @ self.to_bands + LEAST_POWER).log10(), spectra[..., :FILTER_BINS]

    def filtered(self, spectra: Tensor, gains: Tensor, taps: Tensor) -> Tensor:
        """Return spectra with gains [batch, frames, ERB_BANDS] and taps [batch, frames, FILTER_BINS, 2 * TAPS] applied.

        The spectra have LOOKAHEAD more frames at each end than the gains.
        """
        frames = gains.shape[1]
        result = spectra[:, LOOKAHEAD : LOOKAHEAD + frames] * gains[..., self.band_of_bin]
        weights = torch.view_as_complex(taps.reshape(*taps.shape[:-1], TAPS, 2))
        result[..., :FILTER_BINS] = (spectra[..., :FILTER_BINS].unfold(1, TAPS, 1) * weights).sum(dim=-1)
        return result


def tracked(x: Tensor, before: Tensor | None) -> Tensor:
    """Return the running exponential mean of [batch, frames, bands]; `before` [batch, bands] is its last value.

    At the beginning of a stream, the mean starts at that of the first piece. It is computed as one product with the
    weights of all frames, because a recursion would take one step for each frame.
    """
    before = x.mean(dim=1) if before is None else before
    frame = torch.arange(x.shape[1], device=x.device, dtype=torch.float64)
    age = frame[:, None] - frame
    weights = torch.where(age >= 0, (1 - FORGETTING) * FORGETTING ** age.clamp_min(0), 0)
    start = FORGETTING ** (frame + 1)
    return weights.to(x.dtype) @ x + start.to(x.dtype)[:, None] * before[:, None]


def parts(low: Tensor) -> Tensor:
    """Return complex [batch, frames, bins] as [batch, 2, frames, bins]."""
    return torch.stack([low.real, low.imag], dim=1)
