"""Computed noises, no two alike: hiss and hum, impacts, crackle, calls, notes, drift.

All are [samples] with an RMS of one, except drift, whose level depends on another sound. A few recordings represent
steady noises well, because these are much alike. Events are not: from recordings of thirty dogs, a network learns those
thirty. So the properties that such sounds share are varied over a wider range than occurs in reality. Struck objects
are a few damped modes and a burst (van den Doel and Pai, "The sounds of physical shapes", 1998); voices of animals and
machines are a pulse train of varying pitch through a few resonances.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform
from training.mix.signals import active_rms, unit

Rng = np.random.Generator
Curve = NDArray[np.float64]
TABLE = 4_096  # samples in a period
TOP_HZ = 20_000.0
DRIFT_HZ = (1.0, 25.0)  # cut-off frequency of drift
DRIFT_DB = (-35.0, -5.0)  # relative to the active speech
RUMBLE_DB = (-25.0, 5.0)  # relative to the noise
LOW_HZ = (40.0, 150.0)  # cut-off frequency of wind and rumble
LOW_DB = (-10.0, 15.0)  # relative to the noise
HUM_DB = (-15.0, 10.0)  # relative to the noise
OFFSETS = 0.3  # of the drifts: those with a constant offset
CALL_HZ = (450.0, 5_000.0)  # pitch of calls: with lower ones, the network took single words of clean speech for noise


def events(rng: Rng, samples: int, tonal: float = 0.4) -> Waveform:
    """Return impacts, crackle, calls or notes; `tonal` is the share of calls and notes."""
    if rng.random() < tonal:
        return unit((calls, notes)[rng.integers(2)](rng, samples))
    return unit((impacts, impacts, crackle)[rng.integers(3)](rng, samples))


def low_noise(rng: Rng, beside: Waveform) -> Waveform:
    """Return wind or the rumble of traffic, below 40 to 150 Hz, at a random level relative to a sound."""
    frequency_hz = scipy.fft.rfftfreq(len(beside), 1 / SAMPLE_RATE_HZ)
    top_hz = _log_uniform(rng, *LOW_HZ)
    slope = np.maximum(frequency_hz, 8.0) ** -rng.uniform(0, 1.2) / (1 + (frequency_hz / top_hz) ** rng.uniform(4, 12))
    noise = scipy.fft.irfft(scipy.fft.rfft(rng.standard_normal(len(beside))) * slope, len(beside))
    if rng.random() < 0.5:  # gusts
        noise = noise * np.exp(0.7 * _smooth(rng.standard_normal(rng.integers(4, 12)), len(beside)))
    level = max(active_rms(beside), 1e-5) * 10 ** (rng.uniform(*LOW_DB) / 20)
    return np.asarray(level * unit(np.asarray(noise)), np.float32)


def mains_hum(rng: Rng, beside: Waveform) -> Waveform:
    """Return mains hum with up to 40 harmonics, at a random level relative to a sound."""
    t = np.arange(len(beside)) / SAMPLE_RATE_HZ
    mains_hz = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
    orders = np.arange(1, rng.integers(2, 41))
    weights = rng.uniform(0.2, 1, len(orders)) * orders ** -rng.uniform(0.2, 1.5)
    if rng.random() < 0.3:
        weights[::2] *= 0.2  # after a rectifier, which doubles the frequency
    table = np.zeros(TABLE)
    phase = 2 * np.pi * np.arange(TABLE) / TABLE
    for order, weight in zip(orders, weights, strict=True):
        table += weight * np.sin(order * phase + rng.uniform(0, 2 * np.pi))
    level = max(active_rms(beside), 1e-5) * 10 ** (rng.uniform(*HUM_DB) / 20)
    hum = table[(mains_hz * t % 1 * TABLE).astype(np.int64) % TABLE]
    return np.asarray(level * unit(hum), np.float32)


def hiss_and_hum(rng: Rng, samples: int) -> Waveform:
    """Return hiss with a random spectral slope and, half of the time, mains hum with its harmonics."""
    spectrum = scipy.fft.rfft(rng.standard_normal(samples, np.float32))
    frequency_hz = scipy.fft.rfftfreq(samples, 1 / SAMPLE_RATE_HZ)
    out = unit(scipy.fft.irfft(spectrum * np.maximum(frequency_hz, 40) ** -rng.uniform(0, 1.2), samples))
    if rng.random() < 0.5:
        t = np.arange(samples) / SAMPLE_RATE_HZ
        mains_hz = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
        orders = rng.choice(np.arange(1, 16), size=6, replace=False)
        hum = [rng.uniform(0.1, 1) / k**0.5 * np.sin(2 * np.pi * k * mains_hz * t + k) for k in orders]
        out = out + unit(np.sum(hum, axis=0)) * 10 ** (rng.uniform(-6, 10) / 20)
    return unit(out)


def drift(rng: Rng, beside: Waveform, level_db: tuple[float, float] = DRIFT_DB) -> Waveform:
    """Return inaudible drift, as recorders add: noise below a cut-off of 1 to 25 Hz, sometimes with an offset.

    Its level is `level_db` relative to the active part of `beside`.
    """
    size = 4 * len(beside)  # a part of a longer drift, so that its end does not match its beginning
    frequency_hz = scipy.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    top_hz = _log_uniform(rng, *DRIFT_HZ)
    low = np.flatnonzero(frequency_hz < 4 * top_hz)[1:]
    spectrum = np.zeros(len(frequency_hz), np.complex64)
    spectrum[low] = frequency_hz[low] ** -rng.uniform(0, 1.5) / (1 + (frequency_hz[low] / top_hz) ** 8)
    spectrum[low] *= rng.standard_normal(len(low)) + 1j * rng.standard_normal(len(low))
    out = unit(scipy.fft.irfft(spectrum, size)[: len(beside)])
    if rng.random() < OFFSETS:
        out = unit(out + rng.normal())
    return np.asarray(out * active_rms(beside) * 10 ** (rng.uniform(*level_db) / 20), np.float32)


def impacts(rng: Rng, samples: int) -> Waveform:
    """Return ticks, knocks or clatter: one object struck regularly, occasionally or continuously."""
    stroke = _stroke(rng)
    out = np.zeros(samples + len(stroke), np.float32)
    for start in _moments(rng, samples):
        loudness = float(rng.lognormal(0, 0.6))
        speed = rng.uniform(0.9, 1.1)  # the same object, struck at another place
        again = np.interp(np.arange(0, len(stroke) - 1, speed), np.arange(len(stroke)), stroke)
        out[start : start + len(again)] += np.asarray(loudness * again, np.float32)[: len(out) - start]
    return out[:samples]


def crackle(rng: Rng, samples: int) -> Waveform:
    """Return fire, frying, hail or a worn record: hundreds of pops of a few kinds, most faint and some loud."""
    spectrum = np.zeros(samples // 2 + 1, np.complex64)
    for _ in range(rng.integers(3, 9)):
        pops = np.zeros(samples, np.float32)
        count = rng.poisson(_log_uniform(rng, 3, 300) * samples / SAMPLE_RATE_HZ)
        np.add.at(pops, rng.integers(0, samples, count), rng.lognormal(0, rng.uniform(0.3, 1.0), count))
        spectrum += scipy.fft.rfft(pops) * scipy.fft.rfft(_stroke(rng, longest_s=0.05)[:samples], samples)
    return np.asarray(scipy.fft.irfft(spectrum, samples), np.float32)  # the end wraps to the beginning


def _moments(rng: Rng, samples: int) -> list[int]:
    """Return the times of events: regular, or random at a rate of one in two seconds to forty a second."""
    if rng.random() < 0.4:
        period = _log_uniform(rng, 0.08, 1.5) * SAMPLE_RATE_HZ
        places = np.arange(rng.uniform(0, period), samples, period) + rng.normal(0, 0.01 * period)
    else:
        rate_hz = _log_uniform(rng, 0.5, 40)
        places = rng.uniform(0, samples, rng.poisson(rate_hz * samples / SAMPLE_RATE_HZ) + 1)
    return [int(place) for place in places if 0 <= place < samples]


def _stroke(rng: Rng, longest_s: float = 0.6) -> Waveform:
    seconds = _log_uniform(rng, 0.01, longest_s)
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    out = rng.standard_normal(len(t)) * np.exp(-t / _log_uniform(rng, 3e-4, 0.02)) * rng.uniform(0, 1.5)
    for _ in range(rng.integers(0, 9)):
        mode = np.sin(2 * np.pi * _log_uniform(rng, 120, 14_000) * t + rng.uniform(0, 6.28))
        out += rng.uniform(0.1, 1) * mode * np.exp(-t / _log_uniform(rng, 0.002, seconds / 4))
    return np.asarray(out * np.linspace(1, 0, len(t)), np.float32)


def calls(rng: Rng, samples: int) -> Waveform:
    """Return barks, cries, crowing, birds or sirens: one voice that calls again and again."""
    pitch_hz, seconds = _log_uniform(rng, *CALL_HZ), _log_uniform(rng, 0.06, 1.6)
    table = _pulse(rng, TOP_HZ / (1.6 * pitch_hz))
    bend, breath = rng.normal(0, 0.35, 4), rng.uniform(0, 0.7) ** 2
    out = np.zeros(samples, np.float32)
    place = int(rng.uniform(0, 0.5) * SAMPLE_RATE_HZ)
    while place < samples:
        length = int(seconds * rng.uniform(0.7, 1.3) * SAMPLE_RATE_HZ)
        curve = pitch_hz * 2 ** np.clip(_smooth(bend + rng.normal(0, 0.08, 4), length), -0.6, 0.6)
        curve *= 1 + rng.uniform(0, 0.04) * np.sin(2 * np.pi * rng.uniform(4, 40) * np.arange(length) / SAMPLE_RATE_HZ)
        sound = _played(table, curve) + breath * rng.standard_normal(length)
        sound = sound * _swell(rng, length) * rng.uniform(0.5, 1)
        out[place : place + length] += np.asarray(sound, np.float32)[: samples - place]
        place += length + int(_log_uniform(rng, 0.03, 1.2) * SAMPLE_RATE_HZ)
    return _resonant(rng, out)


def notes(rng: Rng, samples: int) -> Waveform:
    """Return a tune, chords or beeps: steady tones of one timbre on a scale, up to three at a time."""
    base_hz, step_s = _log_uniform(rng, 60, 900), _log_uniform(rng, 0.08, 0.8)
    table = _pulse(rng, min(TOP_HZ / (4 * base_hz), 40))
    held = rng.uniform(0.4, 3)  # of a step: how long a tone lasts
    out = np.zeros(samples, np.float32)
    for place in range(0, samples, int(step_s * SAMPLE_RATE_HZ)):
        for _ in range(rng.integers(0, 4)):
            length = min(int(held * step_s * SAMPLE_RATE_HZ), samples - place)
            pitch_hz = base_hz * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19, 24]) / 12)
            tone = _played(table, np.full(length, pitch_hz)) * np.exp(-np.linspace(0, rng.uniform(0, 5), length))
            ramp = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / 240)
            out[place : place + length] += np.asarray(tone * ramp, np.float32)
    return out


def _pulse(rng: Rng, highest: float) -> Curve:
    """Return one period of a tone with harmonics up to the given order, falling by 0 to 12 dB per octave."""
    order = np.arange(1, max(int(highest), 1) + 1)[: TABLE // 4]
    spectrum = np.zeros(TABLE // 2 + 1, np.complex128)
    spectrum[order] = order ** -rng.uniform(0, 2) * np.exp(2j * np.pi * rng.random(len(order)))
    period: Curve = scipy.fft.irfft(spectrum, TABLE)
    period /= np.sqrt(np.mean(period**2))
    return period


def _played(table: Curve, pitch_hz: Curve) -> Curve:
    phase = np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    tone: Curve = table[(phase % 1 * TABLE).astype(np.int64) % TABLE]
    return tone


def _smooth(knots: Curve, length: int) -> Curve:
    """Return a smooth curve through a few points."""
    place = np.linspace(0, len(knots) - 1, length)
    whole = np.minimum(place.astype(np.int64), len(knots) - 2)
    share = 0.5 - 0.5 * np.cos(np.pi * (place - whole))
    curve: Curve = knots[whole] * (1 - share) + knots[whole + 1] * share
    return curve


def _swell(rng: Rng, length: int) -> Curve:
    """Return an envelope with one rise and one fall."""
    peak = int(length * rng.uniform(0.02, 0.6)) + 1
    rise, fall = np.linspace(0, 1, peak), np.linspace(1, 0, max(length - peak, 0)) ** rng.uniform(0.5, 2)
    return np.concatenate([rise, fall])[:length]


def _resonant(rng: Rng, x: Waveform) -> Waveform:
    """Return x through one to four resonances, as of a throat or a horn."""
    frequency_hz = scipy.fft.rfftfreq(len(x), 1 / SAMPLE_RATE_HZ)
    gain = np.full(len(frequency_hz), 0.05)
    for _ in range(rng.integers(1, 5)):
        centre_hz = _log_uniform(rng, 250, 9_000)
        gain += rng.uniform(0.3, 1) / (1 + ((frequency_hz - centre_hz) / (centre_hz * rng.uniform(0.05, 0.4))) ** 2)
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(x) * gain.astype(np.float32), len(x)), np.float32)


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
