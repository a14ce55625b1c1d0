"""The distance in mel bands is in decibels, and hears what is left in pauses."""

import pytest
import torch

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from tests.training.degraded import CLEAN, power, with_hiss
from training.losses.mel import MelLoss


@pytest.mark.parametrize("gain_db", [-6.0, 0.0, 6.0])
def test_the_distance_is_in_decibels(gain_db: float) -> None:
    clean = power(with_hiss(20))
    assert MelLoss()(clean * 10 ** (gain_db / 10), clean).item() == pytest.approx(abs(gain_db), abs=0.01)


def test_what_is_left_in_a_pause_counts_as_much_as_in_speech() -> None:
    clean = power(with_hiss(20))
    pause = torch.full((1, clean.shape[1], clean.shape[2]), clean.mean().item() * 1e-5)
    target = torch.cat([clean, pause], dim=1)
    distances = [
        MelLoss()(torch.cat(parts, dim=1), target).item() for parts in ((2 * clean, pause), (clean, 2 * pause))
    ]
    assert distances[0] == pytest.approx(distances[1], rel=0.05)


def test_what_lies_far_below_the_voice_is_all_the_same() -> None:
    clean = power(CLEAN)
    silence = torch.zeros_like(clean)
    target = torch.cat([clean, silence], dim=1)
    faint = torch.cat([clean, silence + clean.mean() * 1e-11], dim=1)
    assert MelLoss()(faint, target).item() < 0.01


def test_silence_is_no_distance_and_its_gradient_is_finite() -> None:
    silence = torch.zeros(1, 20, power(CLEAN[:SAMPLE_RATE_HZ]).shape[2], requires_grad=True)
    distance = MelLoss()(silence, silence.detach()).sum()
    distance.backward()  # type: ignore[no-untyped-call]
    assert distance.item() == 0
    assert silence.grad is not None
    assert torch.isfinite(silence.grad).all()
