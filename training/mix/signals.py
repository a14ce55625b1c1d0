"""Operations on waveforms for mixing, and measurements; all are [samples] at the model's rate."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform

PHRASE_S = (0.4, 1.6)  # between the ranges in which a phrase begins and ends
SOFT_WITHIN = 14_400  # samples, 0.3 s: a range of speech with a quiet moment
FRAME = 960  # samples, 20 ms
FADE = 240  # samples, 5 ms
ACTIVE = 10**-3.5  # times the power of the loudest frame: quieter frames are pauses
MU = 255  # of mu-law companding in telephony (ITU-T G.711)


def clipped(x: Waveform, share: float) -> Waveform:
    """Return x clipped at a share of its peak."""
    limit = float(np.abs(x).max()) * share
    return np.clip(x, -limit, limit)


def companded(x: Waveform) -> Waveform:
    """Return x after 8-bit mu-law coding."""
    peak = max(float(np.abs(x).max()), 1e-5)
    level = np.sign(x) * np.log1p(MU * np.abs(x) / peak) / np.log1p(MU)
    rounded = np.round(level * 127) / 127
    return np.asarray(np.sign(rounded) * np.expm1(np.abs(rounded) * np.log1p(MU)) / MU * peak, np.float32)


def with_gaps(x: Waveform, rng: np.random.Generator, gap_s: tuple[float, float]) -> Waveform:
    """Return x with up to five gaps, as lost packets leave."""
    x = x.copy()
    for _ in range(rng.integers(1, 6)):
        start = int(rng.integers(0, len(x)))
        x[start : start + int(rng.uniform(*gap_s) * SAMPLE_RATE_HZ)] = 0
    return x


def phrase(voice: Waveform, rng: np.random.Generator, length_s: tuple[float, float] = PHRASE_S) -> Waveform:
    """Return a stretch of a voice that begins and ends at quiet moments; a short voice is returned whole.

    The stretch is as long as `length_s` says, and up to 0.6 s longer.
    """
    stop = SOFT_WITHIN + int(rng.uniform(*length_s) * SAMPLE_RATE_HZ)
    if len(voice) < stop + SOFT_WITHIN:
        return voice
    first, last = _softest(voice[:SOFT_WITHIN]), stop + _softest(voice[stop : stop + SOFT_WITHIN])
    out = voice[first:last].copy()
    ramp = np.linspace(0, 1, FADE, dtype=np.float32)
    out[:FADE] *= ramp
    out[-FADE:] *= ramp[::-1]
    return out


def _softest(x: Waveform) -> int:
    """Return the start of the quietest frame."""
    return FRAME * int(np.square(x[: len(x) // FRAME * FRAME].reshape(-1, FRAME)).sum(axis=1).argmin())


def low_pass(x: Waveform, limit_hz: float, edge: float = 0.05) -> Waveform:
    """Return x without frequencies above a limit; the raised-cosine transition is `edge` times the limit wide."""
    frequency_hz = scipy.fft.rfftfreq(len(x), 1 / SAMPLE_RATE_HZ)
    ramp = np.clip((limit_hz - frequency_hz) / max(edge * limit_hz, 1e-3), 0, 1)
    gain = (0.5 - 0.5 * np.cos(np.pi * ramp)).astype(np.float32)
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(x) * gain, len(x)), np.float32)


def stretched(x: Waveform, samples: int) -> Waveform:
    """Return x with this many samples, as `engine.resample.resample_window` does; SciPy's FFT is faster here."""
    spectrum = scipy.fft.rfft(x)
    shorter = min(samples, len(x))
    out = np.zeros(samples // 2 + 1, spectrum.dtype)
    out[: shorter // 2 + 1] = spectrum[: shorter // 2 + 1] * np.float32(samples / len(x))
    if shorter % 2 == 0 and samples != len(x):
        out[shorter // 2] *= 2.0 if samples < len(x) else 0.5
    return np.asarray(scipy.fft.irfft(out, samples), np.float32)


def convolved(x: Waveform, response: Waveform) -> Waveform:
    """Return x through a filter with this impulse response [samples], as long as x."""
    size = scipy.fft.next_fast_len(len(x) + len(response) - 1, real=True)
    out = scipy.fft.irfft(scipy.fft.rfft(x, size) * scipy.fft.rfft(response, size), size)
    return np.asarray(out[: len(x)], np.float32)


def rms(x: Waveform) -> float:
    """Return the root mean square of a waveform."""
    return float(np.sqrt(np.mean(np.square(x), dtype=np.float64)))


def unit(x: Waveform) -> Waveform:
    """Return the waveform scaled to an RMS of one; silence stays silence."""
    level = rms(x)
    return x / level if level > 1e-7 else x


def active_rms(x: Waveform) -> float:
    """Return the RMS over the 20 ms frames within 35 dB of the loudest, so without pauses."""
    frames = x[: len(x) // FRAME * FRAME].reshape(-1, FRAME)
    power: NDArray[np.float64] = np.square(frames, dtype=np.float64).mean(axis=1) if len(frames) else np.zeros(1)
    active = power[power > power.max() * ACTIVE]
    return float(np.sqrt(active.mean())) if len(active) else 0.0
