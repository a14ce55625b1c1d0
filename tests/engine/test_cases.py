"""Recordings that came out wrong, with the right values; made of the shared development recordings where they are."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.engine.test_stream import load_enhancer, run

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
Waveform = NDArray[np.float64]
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared recordings are not beside this checkout")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    sys.path.insert(0, str(CASES))
    try:
        import make  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(CASES))
    return make  # type: ignore[no-any-return]


def si_sdr_db(clean: Waveform, estimate: Waveform) -> float:
    clean, estimate = clean - clean.mean(), estimate - estimate.mean()
    target = (clean @ estimate) / (clean @ clean) * clean
    return float(10 * np.log10((target @ target) / np.sum((estimate - target) ** 2)))


def level_db(samples: Waveform) -> float:
    return float(10 * np.log10(np.mean(samples**2)))


def enhanced(samples: Waveform, rate_hz: int) -> Waveform:
    x = samples.reshape(len(samples), -1).astype(np.float32)
    y = run(load_enhancer(), x, rate_hz).astype(np.float64)
    assert y.shape == x.shape
    assert np.isfinite(y).all()
    return y


def test_a_sample_of_3e38(make: ModuleType) -> None:
    clean, rate_hz = make.recording(5, "clean")
    y = enhanced(*make.spike_3e38())[:, 0]
    assert si_sdr_db(clean[4 * rate_hz :], y[4 * rate_hz :]) >= 9.0


def test_a_recording_times_1e18(make: ModuleType) -> None:
    usual = enhanced(*make.recording(5, "noisy"))[:, 0]
    y = enhanced(*make.scaled_1e18())[:, 0] / 1e18
    assert np.corrcoef(usual, y)[0, 1] >= 0.99
    assert level_db(y) == pytest.approx(level_db(usual), abs=0.2)


def test_a_near_microphone_and_a_far_one(make: ModuleType) -> None:
    clean, rate_hz = make.recording(5, "clean")
    y = enhanced(*make.lav_and_camera())
    assert si_sdr_db(clean, y[:, 0]) >= 22.0
    assert si_sdr_db(np.roll(clean, rate_hz // 100), y[:, 1]) >= 4.7


def test_a_quiet_speaker_between_louder_ones(make: ModuleType) -> None:
    samples, rate_hz = make.quiet_speaker()
    quiet, y = samples[322_495:658_494], enhanced(samples, rate_hz)[322_495:658_494, 0]
    assert si_sdr_db(quiet, y) >= 20
    for start in range(0, len(quiet) - rate_hz + 1, rate_hz):
        second = slice(start, start + rate_hz)
        assert level_db(y[second]) > level_db(quiet[second]) - 1.5
