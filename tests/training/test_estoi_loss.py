"""The ESTOI distance against scores of a reference implementation (pystoi 0.4.1, extended, at 16 kHz)."""

import numpy as np
import pytest
import torch

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from tests.audio import hiss
from tests.training.degraded import CLEAN, power, with_hiss
from training.data.corpus import Waveform
from training.losses.estoi import EstoiLoss
from training.mix.signals import companded


def with_bursts() -> Waveform:
    """Return the voice with noise as loud as it in every second tenth of a second."""
    noise = hiss(len(CLEAN), rms=float(CLEAN.std()))
    return CLEAN + noise * (np.arange(len(CLEAN)) // (SAMPLE_RATE_HZ // 10) % 2)


DEGRADED = {
    "hiss at 30 dB": (with_hiss(30), 0.805),
    "hiss at 10 dB": (with_hiss(10), 0.739),
    "hiss at 5 dB": (with_hiss(5), 0.649),
    "hiss at 0 dB": (with_hiss(0), 0.506),
    "hiss at -5 dB": (with_hiss(-5), 0.363),
    "hiss at -10 dB": (with_hiss(-10), 0.249),
    "bursts": (with_bursts(), 0.584),
    "companding": (companded(CLEAN), 0.713),
}


def score(x: Waveform) -> float:
    return 1 - EstoiLoss()(power(x), power(CLEAN)).item()


@pytest.mark.parametrize("name", DEGRADED)
def test_the_score_is_near_the_reference(name: str) -> None:
    degraded, reference = DEGRADED[name]
    assert score(degraded) == pytest.approx(reference, abs=0.12)


def test_the_score_follows_the_reference() -> None:
    ours = [score(x) for x, _ in DEGRADED.values()]
    assert np.corrcoef(ours, [reference for _, reference in DEGRADED.values()])[0, 1] > 0.98


def test_level_does_not_matter_and_equal_signals_are_at_no_distance() -> None:
    clean = power(CLEAN)
    assert EstoiLoss()(0.1 * clean, clean).item() == pytest.approx(0, abs=0.01)


def test_what_is_said_in_a_pause_does_not_count() -> None:
    clean, noisy = power(CLEAN), power(with_hiss(0))
    pause = torch.zeros(1, 60, clean.shape[2])
    loud = pause + clean.max()
    with_pause = torch.cat([clean, pause], dim=1)
    silent, noisy_pause = (EstoiLoss()(torch.cat([noisy, end], dim=1), with_pause).item() for end in (pause, loud))
    assert silent == noisy_pause == pytest.approx(EstoiLoss()(noisy, clean).item())


def test_less_speech_than_a_segment_counts_nothing_and_has_a_finite_gradient() -> None:
    clean = power(CLEAN)
    clean[:, 20:] = 0
    estimate = power(with_hiss(0)).requires_grad_()
    distance = EstoiLoss()(estimate, clean).sum()
    distance.backward()  # type: ignore[no-untyped-call]
    assert distance.item() == 0
    assert estimate.grad is not None
    assert torch.isfinite(estimate.grad).all()
