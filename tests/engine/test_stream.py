"""The enhancer over recordings of any length: exact length, any chunking, no seam, no harm."""

from functools import cache
from importlib import resources

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from munsit_denoise.engine.masking import MaskEnhancer
from munsit_denoise.engine.open import open_engine
from munsit_denoise.engine.stream import CORE_S, Block, StreamFormat, WindowedDenoiser
from munsit_denoise.engine.weights import DEFAULT_WEIGHTS, load_network
from munsit_denoise.treatment import Treatment
from tests.audio import hiss, voice

CPU = torch.device("cpu")


@cache
def load_enhancer() -> MaskEnhancer:
    return MaskEnhancer(load_network(CPU), CPU)


@pytest.fixture
def enhancer() -> MaskEnhancer:
    return load_enhancer()


def run(enhancer: MaskEnhancer, x: Block, rate_hz: int, chunk: int = 10**9, strength: float = 1.0) -> Block:
    denoiser = WindowedDenoiser(enhancer, StreamFormat(rate_hz, x.shape[1]), strength)
    parts = [denoiser.feed(x[i : i + chunk]) for i in range(0, len(x), chunk)]
    return np.concatenate([*parts, denoiser.flush()])


def noisy(seconds: float, rate_hz: int, channels: int = 1) -> Block:
    clean = voice(seconds, rate_hz)
    return np.stack([clean + hiss(len(clean), seed=c) for c in range(channels)], axis=1)


def snr_db(reference: Block, estimate: Block) -> float:
    return float(10 * np.log10(np.sum(reference**2) / np.sum((reference - estimate) ** 2)))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=8), st.sampled_from([8_000, 11_025]))
def test_any_chunking_gives_the_same_samples(sizes: list[int], rate_hz: int) -> None:
    enhancer = load_enhancer()
    x = noisy(sum(sizes) / rate_hz + 0.01, rate_hz)[: sum(sizes)]
    denoiser, parts, start = WindowedDenoiser(enhancer, StreamFormat(rate_hz, 1)), [], 0
    for size in sizes:
        parts.append(denoiser.feed(x[start : start + size]))
        start += size
    chunked = np.concatenate([*parts, denoiser.flush()])
    assert np.array_equal(chunked, run(enhancer, x, rate_hz))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 44_101, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("frames", [0, 1, 777])
def test_length_is_kept(enhancer: MaskEnhancer, rate_hz: int, frames: int) -> None:
    x = noisy(1.5, rate_hz)[: rate_hz + frames if frames else 0]
    assert run(enhancer, x, rate_hz).shape == x.shape


def test_every_channel_count_is_kept(enhancer: MaskEnhancer) -> None:
    for channels in (1, 2, 3, 6, 8):
        x = noisy(0.3, 16_000, channels)
        assert run(enhancer, x, 16_000).shape == x.shape


def test_output_is_aligned_with_the_input(enhancer: MaskEnhancer) -> None:
    x = noisy(4, 44_100)
    y = run(enhancer, x, 44_100)
    lags = np.arange(-50, 51)
    products = [float(np.dot(np.roll(y[:, 0], lag), x[:, 0])) for lag in lags]
    assert lags[int(np.argmax(products))] == 0


def test_strength_zero_is_the_input(enhancer: MaskEnhancer) -> None:
    x = noisy(2, 44_100, 2)
    assert np.array_equal(run(enhancer, x, 44_100, strength=0.0), x)


@pytest.mark.parametrize(("rate_hz", "rounding"), [(48_000, 1e-6), (16_000, 1e-4)])
def test_strength_mixes(enhancer: MaskEnhancer, rate_hz: int, rounding: float) -> None:
    """At other rates, what lies at half the rate to within a bin of the resampler keeps no exact place."""
    x = noisy(2, rate_hz)
    full, half = run(enhancer, x, rate_hz), run(enhancer, x, rate_hz, strength=0.5)
    assert np.allclose(half, (x + full) / 2, atol=rounding)


def test_noise_is_reduced(enhancer: MaskEnhancer) -> None:
    clean = voice(4, 16_000)[:, None]
    x = clean + hiss(len(clean), rms=0.05)[:, None]
    assert snr_db(clean, run(enhancer, x, 16_000)) > snr_db(clean, x) + 3


def test_seams_are_not_there(enhancer: MaskEnhancer) -> None:
    """A recording cut at another place is processed in windows elsewhere, and comes out the same."""
    x = noisy(3 * CORE_S, 16_000)
    shift = 4 * 16_000  # whole frames of the model: the windows move, the frames do not
    y, shifted = run(enhancer, x, 16_000), run(enhancer, x[shift:], 16_000)
    inner = slice(4 * 16_000, -4 * 16_000)
    assert snr_db(y[shift:][inner], shifted[inner]) > 60


@pytest.mark.parametrize(("left", "right"), [(0.8, 0.2), (0.5, 0.5), (0.35, 0.7)])
def test_stereo_keeps_its_image(enhancer: MaskEnhancer, left: float, right: float) -> None:
    clean = voice(4, 16_000)
    x = np.stack([left * clean, right * clean], axis=1) + hiss(len(clean), rms=0.01)[:, None]
    y = run(enhancer, x.astype(np.float32), 16_000)
    ratio_db = 20 * np.log10(np.std(y[:, 0]) / np.std(y[:, 1]))
    assert ratio_db == pytest.approx(20 * np.log10(left / right), abs=0.3)


def test_the_level_of_the_input_does_not_matter(enhancer: MaskEnhancer) -> None:
    x = noisy(3, 16_000)
    loud, soft = run(enhancer, x, 16_000), run(enhancer, 0.01 * x, 16_000)
    assert snr_db(loud, 100 * soft) > 60


def test_silence_stays_silence(enhancer: MaskEnhancer) -> None:
    y = run(enhancer, np.zeros((16_000, 1), np.float32), 16_000)
    assert np.max(np.abs(y)) < 1e-6


def test_two_runs_agree_to_the_bit(enhancer: MaskEnhancer) -> None:
    x = noisy(3, 16_000)
    assert np.array_equal(run(enhancer, x, 16_000), run(enhancer, x, 16_000))


def test_what_lies_above_the_model_is_not_lost(enhancer: MaskEnhancer) -> None:
    t = np.arange(96_000) / 96_000
    x = (voice(1, 96_000) + 0.01 * np.sin(2 * np.pi * 30_000 * t))[:, None].astype(np.float32)
    spectrum = np.abs(np.fft.rfft(run(enhancer, x, 96_000, strength=0.5)[:, 0]))
    assert spectrum[30_000] > 10 * np.median(spectrum[28_000:32_000])


def test_weights_fit_the_package() -> None:
    packaged = resources.files("munsit_denoise.engine") / "weights" / DEFAULT_WEIGHTS
    assert len(packaged.read_bytes()) < 10 * 2**20
    assert all(p.dtype == torch.float32 for p in load_network(CPU).parameters())


def test_half_precision_is_inaudibly_different(enhancer: MaskEnhancer) -> None:
    x = noisy(3, 48_000)
    half = open_engine("cpu", 0, "bfloat16")(48_000, 1, Treatment())
    found = np.concatenate([half.feed(x), half.flush()])
    assert 40 < snr_db(run(enhancer, x, 48_000), found) < np.inf
