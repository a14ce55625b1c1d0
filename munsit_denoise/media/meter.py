"""Measures a sound while its blocks pass: loudness, true peak, noise floor, and spectra for pictures.

Gated loudness and true peak follow ITU-R BS.1770-5 and EBU R 128. The K-weighting is applied to the spectrum of each
frame. Every sample is in one frame, so the sums equal those of the filtered sound, except for filter tails across frame
edges. The signal-to-noise ratio comes from a histogram of frame levels, with noise at the low end and speech at the
high end, as in NIST's STNR (Speech Quality Assurance Package 2.3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log10

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from munsit_denoise.media.kweighting import channel_weights, frequency_weights
from munsit_denoise.media.peaks import TruePeak
from munsit_denoise.media.probe import AudioTrack

Floats = NDArray[np.float32]
FRAMES_A_SECOND = 20
CHUNK_SAMPLES = 2**16  # of all channels, processed together so that they stay in the processor's cache
LEAST_AT_A_TIME = 4  # frames
GATE_FRAMES, GATE_STEP = 8, 2  # 400 ms, of which a quarter is new
ABSOLUTE_GATE_LUFS, RELATIVE_GATE_LU, OFFSET_LU = -70.0, -10.0, -0.691
NOISE_PERCENTILE, SPEECH_PERCENTILE = 10, 95
LEAST_FRAMES = 10  # for a noise floor
LEAST_SPREAD_DB = 6.0  # between noise and speech; with less, they cannot be distinguished
SILENT = 1e-15  # power, -150 dB: anything below is rounding error

Spectra = Callable[[NDArray[np.complex64], Floats], None]  # takes [channels, frames, bins] and [channels, samples]


@dataclass(frozen=True)
class Reading:
    """The figures of a sound; None if a figure cannot be determined."""

    loudness_lufs: float | None
    true_peak_dbtp: float | None
    noise_floor_db: float | None
    snr_db: float | None
    clipped_samples: int


class Meter:
    """Measures a sound in blocks of any size; `spectra` is called once for each frame."""

    def __init__(self, track: AudioTrack, spectra: Spectra | None = None) -> None:
        rate_hz, self._channels = track.sample_rate_hz, track.channels
        self.size = max(round(rate_hz / FRAMES_A_SECOND), 2)  # samples in a frame
        self._weights = _weights(self.size, rate_hz)
        self._of_channels = channel_weights(track.layout, track.channels)
        self._full = 1 - 2.0 ** (1 - track.bits) if track.bits and not track.is_float else 1 - 2.0**-15
        self._peaks = [TruePeak(rate_hz) for _ in range(track.channels)]
        self._most = max(CHUNK_SAMPLES // (self.size * track.channels), LEAST_AT_A_TIME)  # frames at a time
        self._waiting: list[Floats] = []
        self._samples = 0  # samples per channel in those
        self._loud: list[Floats] = []
        self._power: list[Floats] = []
        self._clipped = 0
        self._spectra = spectra

    def feed(self, block: Floats) -> None:
        """Take [samples, channels]."""
        self._waiting.append(block)
        self._samples += len(block)
        if self._samples >= self._most * self.size:
            self._take(rest=False)

    def end(self) -> None:
        """Process the rest; an incomplete last frame counts only for the picture and the peaks."""
        if self._samples:
            self._take(rest=True)

    @property
    def power(self) -> Floats:
        """The mean square of each frame over all channels, without the constant component."""
        return np.concatenate(self._power) if self._power else np.zeros(0, np.float32)

    def reading(self) -> Reading:
        """Return the figures after the end of the sound."""
        power = self.power
        peak = max(each.peak for each in self._peaks)
        return Reading(
            _integrated(np.concatenate(self._loud) if self._loud else power[:0]),
            _decibels(peak**2),
            _decibels(noise_power(power)),
            signal_to_noise_db(power),
            self._clipped,
        )

    def _take(self, *, rest: bool) -> None:
        samples = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        whole = len(samples) // self.size
        for start in range(0, whole - (0 if rest else whole % self._most), self._most):
            self._look(samples[start * self.size : min(start + self._most, whole) * self.size])
        done = (whole if rest else whole - whole % self._most) * self.size
        if rest and done < len(samples):
            self._look_at_last(samples[done:])
        self._waiting = [] if rest or done == len(samples) else [samples[done:].copy()]
        self._samples = 0 if rest else len(samples) - done

    def _look(self, samples: Floats) -> None:
        spectrum = self._look_at(samples.T)
        parts = spectrum.view(np.float32)  # [channels, frames, 2 bins], real and imaginary parts interleaved
        powers = (parts * parts) @ self._weights  # [channels, frames, 2]: with K-weighting, and without
        self._loud.append(np.asarray(self._of_channels @ powers[..., 0], np.float32))
        self._power.append(np.asarray(powers[..., 1].mean(axis=0), np.float32))

    def _look_at_last(self, samples: Floats) -> None:
        self._look_at(np.pad(samples, ((0, self.size - len(samples)), (0, 0))).T)

    def _look_at(self, channels: Floats) -> NDArray[np.complex64]:
        """Process whole frames [channels, samples]; return their spectra [channels, frames, bins]."""
        channels = np.ascontiguousarray(channels)
        highest = 0.0
        for peak, channel in zip(self._peaks, channels, strict=True):
            highest = max(highest, peak.feed(channel))
        if highest >= self._full:
            self._clipped += int(np.count_nonzero(np.abs(channels) >= self._full))
        spectrum: NDArray[np.complex64] = fft.rfft(channels.reshape(self._channels, -1, self.size), axis=2)
        if self._spectra is not None:
            self._spectra(spectrum, channels)
        return spectrum


def _weights(size: int, rate_hz: int) -> Floats:
    """Return the weights [2 bins, 2] of a spectrum's parts, for loudness and for power without the constant."""
    flat = frequency_weights(size, rate_hz)
    plain = np.ones(len(flat))
    plain[0] = 0
    if size % 2 == 0:
        plain[-1] = 0.5
    return np.repeat(np.stack([flat, plain], axis=1) * 2 / size**2, 2, axis=0).astype(np.float32)


def _integrated(loud: Floats) -> float | None:
    """Return the gated loudness from weighted powers of frames; None if the sound is too short or too quiet."""
    sums = np.concatenate([[0.0], np.cumsum(loud, dtype=np.float64)])
    starts = np.arange(0, max(len(loud) - GATE_FRAMES + 1, 0), GATE_STEP)
    blocks = (sums[starts + GATE_FRAMES] - sums[starts]) / GATE_FRAMES
    blocks = blocks[blocks > _power_of(ABSOLUTE_GATE_LUFS)]
    if len(blocks):
        blocks = blocks[blocks > blocks.mean() * 10 ** (RELATIVE_GATE_LU / 10)]
    return OFFSET_LU + 10 * log10(blocks.mean()) if len(blocks) else None


def _power_of(loudness_lufs: float) -> float:
    return float(10 ** ((loudness_lufs - OFFSET_LU) / 10))


def noise_power(power: Floats) -> float:
    """Return the 10th percentile of the frames' mean squares; 0 if it cannot be determined."""
    return float(np.percentile(power, NOISE_PERCENTILE)) if len(power) >= LEAST_FRAMES else 0.0


def speech_frames(power: Floats) -> NDArray[np.bool_]:
    """Return which frames hold speech: those closer, in dB, to the loud ones than to noise; none without contrast."""
    noise = noise_power(power)
    loud = float(np.percentile(power, SPEECH_PERCENTILE)) if len(power) >= LEAST_FRAMES else 0.0
    if loud <= SILENT or loud < max(noise, SILENT) * 10 ** (LEAST_SPREAD_DB / 10):
        return np.zeros(len(power), np.bool_)
    return np.asarray(power > np.sqrt(max(noise, SILENT) * loud))


def signal_to_noise_db(power: Floats) -> float | None:
    """Return the level of speech above noise; None without noise or contrast."""
    noise, speech = noise_power(power), speech_frames(power)
    if noise <= SILENT or not speech.any():
        return None
    return _decibels(max(float(power[speech].mean()) - noise, 0.0) / noise)


def _decibels(power: float) -> float | None:
    return 10 * log10(power) if power > SILENT else None
