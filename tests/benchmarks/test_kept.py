"""The measure of speech kept: what is gone counts, what was only added does not."""

import numpy as np
import pytest

from benchmarks.kept import Samples, pauses_db, speech_kept
from tests.audio import hiss, voice

RATE_HZ = 16_000
SECOND = slice(RATE_HZ, 2 * RATE_HZ)


@pytest.fixture(scope="module")
def speech() -> Samples:
    return voice(4, RATE_HZ).astype(np.float64)


def test_what_is_untouched_is_kept(speech: Samples) -> None:
    kept = speech_kept(speech, speech, RATE_HZ)
    assert (kept.lost_percent, kept.worst_db) == (0, pytest.approx(0, abs=1e-6))


def test_noise_that_stays_is_no_loss(speech: Samples) -> None:
    noise = hiss(len(speech), rms=0.3 * float(np.std(speech)))
    assert speech_kept(speech, speech + noise, RATE_HZ).lost_percent < 3


def test_noise_in_place_of_speech_is_no_speech(speech: Samples) -> None:
    noise = hiss(len(speech), rms=float(np.std(speech)))
    assert speech_kept(speech, noise, RATE_HZ).lost_percent > 90


@pytest.mark.parametrize(("gain", "lost"), [(0.51, 0), (0.49, 100)])
def test_half_the_amplitude_is_the_line(speech: Samples, gain: float, lost: float) -> None:
    kept = speech_kept(speech, gain * speech, RATE_HZ)
    assert (kept.lost_percent, kept.worst_db) == (lost, pytest.approx(20 * np.log10(gain), abs=1e-6))


def test_a_word_that_is_gone_is_found(speech: Samples) -> None:
    enhanced = speech.copy()
    enhanced[SECOND] = 0
    kept = speech_kept(speech, enhanced, RATE_HZ)
    assert kept.lost_percent == pytest.approx(25, abs=10)
    assert kept.worst_db == -60


def test_rumble_below_the_voice_is_no_speech(speech: Samples) -> None:
    rumble = 10 * np.std(speech) * np.sin(2 * np.pi * 30 * np.arange(len(speech)) / RATE_HZ)
    assert speech_kept(speech + rumble, speech, RATE_HZ).lost_percent == 0


def test_pauses_are_measured_where_nothing_is_said(speech: Samples) -> None:
    wanted = speech.copy()
    wanted[SECOND] = 0
    noise = hiss(len(wanted), rms=0.003)
    assert pauses_db(wanted, wanted + noise, wanted + 0.1 * noise, RATE_HZ) == pytest.approx(-20, abs=2)
    assert np.isnan(pauses_db(wanted, wanted, wanted, RATE_HZ))
