"""Samples of any finite size come out finite, and what is ordinary is not touched."""

import numpy as np
import pytest
import torch

from munsit_denoise.engine.range import ORDINARY, restored, tamed
from tests.audio import hiss, voice
from tests.engine.test_stream import load_enhancer, run

RATE_HZ = 16_000
LARGEST = float(np.finfo(np.float32).max)


def recording() -> np.ndarray:
    clean = voice(3, RATE_HZ)
    return (clean + hiss(len(clean)))[:, None]


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 48_000, 96_000])
@pytest.mark.parametrize("value", [3e38, -LARGEST, 1e30])
def test_one_sample_does_not_take_its_neighbours_with_it(value: float, rate_hz: int) -> None:
    x = recording()
    usual = run(load_enhancer(), x, rate_hz)
    spiked = x.copy()
    spiked[100] = value
    y = run(load_enhancer(), spiked, rate_hz)
    assert np.isfinite(y).all()
    if rate_hz == RATE_HZ:  # beyond what the network sees of the spike
        assert np.allclose(y[2 * RATE_HZ + 8_000 :], usual[2 * RATE_HZ + 8_000 :], atol=2e-3)


@pytest.mark.parametrize("scale", [1e18, 1e37, 1e9])
def test_a_scaled_recording_is_the_recording_scaled(scale: float) -> None:
    x = recording()
    y = run(load_enhancer(), (scale * x).astype(np.float32), RATE_HZ)
    assert np.allclose(y / scale, run(load_enhancer(), x, RATE_HZ), atol=1e-4)


@pytest.mark.parametrize(
    "samples",
    [
        np.where(np.arange(20_000) % 2, LARGEST, -LARGEST),
        np.full(20_000, 1e-42),
        np.where(np.arange(20_000) == 500, 3e38, 0.0),
        np.where(np.arange(20_000) % 100 == 0, 3e38, 1e-20),
    ],
)
def test_whatever_is_finite_stays_finite(samples: np.ndarray) -> None:
    x = np.stack([samples, 0.1 * voice(1.25, RATE_HZ)], axis=1).astype(np.float32)
    assert np.isfinite(run(load_enhancer(), x, RATE_HZ)).all()


def test_an_ordinary_window_is_not_touched() -> None:
    window = torch.from_numpy(recording().T) * ORDINARY / 2
    same, exponents = tamed(window)
    assert same is window
    assert restored(window, exponents) is window


def test_a_channel_is_scaled_by_itself() -> None:
    x = torch.from_numpy(np.concatenate([recording(), 1e20 * recording()], axis=1).T.astype(np.float32).copy())
    scaled, exponents = tamed(x)
    assert torch.equal(scaled[0], x[0])
    assert scaled[1].abs().max() < 4
    assert torch.equal(restored(scaled, exponents), x)
