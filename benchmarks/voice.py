"""Computed voices: harmonics through the formants of a vocal tract; and real voices, stretched or shouted.

All are [samples] at the model's rate. The formants of vowels are those of Peterson and Barney, "Control methods used in
a study of the vowels" (1952); sounds are stretched by a phase vocoder (Flanagan and Golden, 1966).
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform

Rng = np.random.Generator
Curve = NDArray[np.float64]
VOWELS_HZ = {
    "a": (730, 1090, 2440, 3400),
    "i": (270, 2290, 3010, 3600),
    "u": (300, 870, 2240, 3300),
    "e": (530, 1840, 2480, 3500),
    "o": (570, 840, 2410, 3400),
}
BACK_HZ = (1_050, 1_700, 2_700, 3_600)  # resonances of pharyngeal friction
BANDWIDTH = 0.09  # of a resonance, relative to its frequency
TOP_HZ = 11_000.0
CONTROL = 240  # samples, 5 ms: interval of the harmonics' gains
BREATH = 0.004  # relative to the voice
EDGE_S = 0.03
N_FFT, HOP = 2_048, 512  # of the phase vocoder


def vowel(rng: Rng, name: str, pitch_hz: Curve) -> Waveform:
    """Return a vowel with a pitch [samples] that may vary."""
    phase = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    places = np.arange(0, len(pitch_hz) + CONTROL, CONTROL)
    at_places = np.interp(places, np.arange(len(pitch_hz)), pitch_hz)
    out = np.zeros(len(pitch_hz))
    for order in range(1, int(TOP_HZ / pitch_hz.min()) + 1):
        gains = resonance(order * at_places, VOWELS_HZ[name]) / order * (order * at_places < TOP_HZ)
        tone = np.sin(2 * np.pi * ((order * phase) % 1 + rng.random()))
        out += tone * np.interp(np.arange(len(out)), places, gains)
    out += BREATH * out.std() * rng.standard_normal(len(out))
    return faded(np.asarray(out / np.abs(out).max(), np.float32))


def friction(rng: Rng, seconds: float) -> Waveform:
    """Return a pharyngeal fricative, as in Arabic."""
    samples = int(seconds * SAMPLE_RATE_HZ)
    frequency_hz = scipy.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    wander = np.exp(rng.normal(0, 0.06))  # a different vocal tract each time
    gain = resonance(frequency_hz, tuple(wander * f for f in BACK_HZ)) * (frequency_hz > 300)
    out = scipy.fft.irfft(scipy.fft.rfft(rng.standard_normal(samples)) * gain, samples)
    return faded(np.asarray(out / np.abs(out).max(), np.float32))


def burst(rng: Rng) -> Waveform:
    """Return the burst of a p, t or k, and the aspiration after it."""
    t = np.arange(int(0.05 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    envelope = np.exp(-t / 0.003) + 0.08 * np.exp(-t / 0.03)
    centre_hz = rng.choice([900.0, 1_900.0, 3_800.0])
    frequency_hz = scipy.fft.rfftfreq(len(t), 1 / SAMPLE_RATE_HZ)
    spectrum = scipy.fft.rfft(rng.standard_normal(len(t)) * envelope)
    out = scipy.fft.irfft(spectrum / (1 + ((frequency_hz - centre_hz) / centre_hz) ** 2), len(t))
    return np.asarray(out / np.abs(out).max(), np.float32)


def resonance(frequency_hz: Curve, formants_hz: tuple[float, ...]) -> Curve:
    """Return the gain of a vocal tract at each frequency."""
    gain = np.ones_like(frequency_hz)
    for formant_hz in formants_hz:
        ratio = frequency_hz / formant_hz
        gain = gain / np.hypot(1 - ratio**2, BANDWIDTH * ratio)
    return gain


def sung_hz(rng: Rng, pitch_hz: float, seconds: float) -> Curve:
    """Return the pitch of a sung note: approached from below, with a growing vibrato."""
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    vibrato = 0.012 * np.minimum(t / 0.4, 1) * np.sin(2 * np.pi * rng.uniform(5, 6.5) * t)
    return np.asarray(pitch_hz * (1 + vibrato - 0.06 * np.exp(-t / 0.05)))


def drawn_out(x: Waveform, times: float) -> Waveform:
    """Return x stretched by this factor, at the same pitch."""
    window = np.hanning(N_FFT)
    padded = np.pad(x, (N_FFT, N_FFT))
    spectra = scipy.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP] * window)
    places = np.arange(0, len(spectra) - 1, 1 / times)
    before = places.astype(np.int64)
    share = (places - before)[:, None]
    magnitude = (1 - share) * np.abs(spectra[before]) + share * np.abs(spectra[before + 1])
    expected = 2 * np.pi * HOP / N_FFT * np.arange(N_FFT // 2 + 1)
    turned = np.angle(spectra[before + 1]) - np.angle(spectra[before]) - expected
    steps = expected + turned - 2 * np.pi * np.round(turned / (2 * np.pi))
    phase = np.angle(spectra[0]) + np.concatenate([np.zeros((1, len(expected))), np.cumsum(steps[:-1], axis=0)])
    frames = scipy.fft.irfft(magnitude * np.exp(1j * phase), N_FFT) * window
    out = np.zeros(len(frames) * HOP + N_FFT)
    for number, frame in enumerate(frames):
        out[number * HOP : number * HOP + N_FFT] += frame
    start = int(N_FFT * times)
    out = out[start : start + int(len(x) * times)]
    return np.asarray(out / 1.5, np.float32)  # squared windows add up to 1.5 at this hop


def shouted(x: Waveform) -> Waveform:
    """Return x as if it was shouted: brighter, and limited."""
    frequency_hz = scipy.fft.rfftfreq(len(x), 1 / SAMPLE_RATE_HZ)
    tilt = np.clip(frequency_hz / 500, 0.5, 4)
    bright = scipy.fft.irfft(scipy.fft.rfft(x) * tilt, len(x))
    return np.asarray(np.tanh(2 * bright / np.abs(bright).max()), np.float32)


def faded(x: Waveform) -> Waveform:
    """Return x faded in and out."""
    ramp = np.minimum(1, np.arange(len(x)) / (EDGE_S * SAMPLE_RATE_HZ))
    return np.asarray(x * ramp * ramp[::-1], np.float32)
