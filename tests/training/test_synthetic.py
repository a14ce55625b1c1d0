"""Noises made by rule."""

from collections.abc import Callable

import numpy as np
import pytest

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from tests.audio import voice
from training.data.corpus import Waveform
from training.mix.signals import active_rms, rms, unit
from training.mix.synthetic import (
    DRIFT_DB,
    calls,
    crackle,
    drift,
    events,
    hiss_and_hum,
    impacts,
    low_noise,
    mains_hum,
    notes,
)

SAMPLES = 2 * SAMPLE_RATE_HZ
Maker = Callable[[np.random.Generator, int], Waveform]


@pytest.mark.parametrize("make", [impacts, crackle, calls, notes, hiss_and_hum])
@pytest.mark.parametrize("seed", range(8))
def test_a_made_noise_has_its_length_and_no_holes(make: Maker, seed: int) -> None:
    made = make(np.random.default_rng(seed), SAMPLES)
    assert made.shape == (SAMPLES,)
    assert np.isfinite(made).all()
    assert rms(made) > 0


def test_the_same_seed_makes_the_same_event_and_another_one_another() -> None:
    first, again, other = (events(np.random.default_rng(seed), SAMPLES) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
    assert rms(first) == pytest.approx(1, rel=1e-3)


def test_impacts_stand_out_of_silence_and_hiss_does_not() -> None:
    struck = [crest(impacts(np.random.default_rng(seed), SAMPLES)) for seed in range(12)]
    steady = [crest(hiss_and_hum(np.random.default_rng(seed), SAMPLES)) for seed in range(12)]
    assert np.median(struck) > 2 * max(steady)


def test_crackle_is_denser_than_impacts_and_less_even_than_hiss() -> None:
    popping, struck, steady = (
        np.median([crest(make(np.random.default_rng(seed), SAMPLES)) for seed in range(12)])
        for make in (crackle, impacts, hiss_and_hum)
    )
    assert 2 * steady < popping < struck


def test_calls_and_notes_are_tones_and_hiss_is_not() -> None:
    flatness_of = {
        make: np.median([flatness(make(np.random.default_rng(seed), SAMPLES)) for seed in range(12)])
        for make in (calls, notes, hiss_and_hum)
    }
    assert max(flatness_of[calls], flatness_of[notes]) < flatness_of[hiss_and_hum] / 2


@pytest.mark.parametrize("seed", range(8))
def test_a_drift_lies_below_hearing_and_under_the_voice(seed: int) -> None:
    speech = voice(2.0, SAMPLE_RATE_HZ)
    made = drift(np.random.default_rng(seed), speech)
    power = np.abs(np.fft.rfft(made * np.hanning(len(made)))) ** 2
    assert made.shape == speech.shape
    assert DRIFT_DB[0] <= 20 * np.log10(rms(made) / active_rms(speech)) <= DRIFT_DB[1]
    assert power[np.fft.rfftfreq(len(made), 1 / SAMPLE_RATE_HZ) > 60].sum() < 1e-3 * power.sum()


def crest(x: Waveform) -> float:
    return float(np.abs(x).max()) / rms(x)


def flatness(x: Waveform) -> float:
    """Return the median over 40 ms frames of the geometric by the arithmetic mean of the power below 12 kHz."""
    frames = unit(x)[: len(x) // 1920 * 1920].reshape(-1, 1920) * np.hanning(1920)
    power = np.abs(np.fft.rfft(frames[(frames**2).sum(axis=1) > 1])[:, :480]) ** 2 + 1e-6
    return float(np.median(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)))


@pytest.mark.parametrize("seed", range(6))
def test_low_noise_lies_below_speech_and_hum_on_its_harmonics(seed: int) -> None:
    beside = voice(2.0, SAMPLE_RATE_HZ)
    frequency_hz = np.fft.rfftfreq(len(beside), 1 / SAMPLE_RATE_HZ)
    low = np.abs(np.fft.rfft(low_noise(np.random.default_rng(seed), beside))) ** 2
    assert low[frequency_hz < 200].sum() > 0.95 * low.sum()
    hum = np.abs(np.fft.rfft(mains_hum(np.random.default_rng(seed), beside) * np.hanning(len(beside)))) ** 2
    mains_hz = 50 if hum[(frequency_hz > 49) & (frequency_hz < 51)].max() > 0.01 * hum.max() else 60
    off = np.abs(frequency_hz / mains_hz - np.round(frequency_hz / mains_hz))
    assert hum[off * mains_hz > 8 * (1 + frequency_hz / 1_000)].sum() < 0.05 * hum.sum()


def test_events_without_calls_and_notes_are_never_tones() -> None:
    tonal = [flatness(events(np.random.default_rng(seed), SAMPLES, 1.0)) for seed in range(12)]
    struck = [flatness(events(np.random.default_rng(seed), SAMPLES, 0.0)) for seed in range(12)]
    assert np.median(tonal) < np.median(struck)
