"""The discriminator learns to tell noise from voice, and its verdict pulls an estimate towards the voice."""

import pytest
import torch
from torch import Tensor

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ, Stft
from tests.training.degraded import CLEAN, with_hiss
from training.adversary import ALL_SNRS, Adversary
from training.corpus import Waveform
from training.parallel import ALONE

BAND_HZ = torch.tensor([24_000.0])
CPU = torch.device("cpu")


def spectrum(waveform: Waveform) -> Tensor:
    return Stft().analyse(torch.from_numpy(waveform)[None, : 2 * SAMPLE_RATE_HZ])


TARGET, NOISY = spectrum(CLEAN), spectrum(with_hiss(0))
HALF_WAY = (TARGET + NOISY) / 2


@pytest.fixture(scope="module")
def trained() -> tuple[Adversary, list[float]]:
    torch.manual_seed(0)
    adversary = Adversary(verdict_share=1.0, feature_share=0.0, device=CPU, mixed=False)
    return adversary, [adversary.learn(HALF_WAY, TARGET, NOISY, BAND_HZ, ALONE) for _ in range(60)]


def test_it_learns_to_tell_them_apart(trained: tuple[Adversary, list[float]]) -> None:
    _, losses = trained
    assert losses[0] > 0.5  # no better than one verdict for both
    assert losses[-1] < 0.1


def test_its_verdict_leads_from_noise_to_voice(trained: tuple[Adversary, list[float]]) -> None:
    adversary, _ = trained
    adversary.optimiser.zero_grad()
    estimate = HALF_WAY.clone().requires_grad_()
    loss = adversary.loss(estimate, TARGET, NOISY, BAND_HZ)
    loss.backward()  # type: ignore[no-untyped-call]
    assert estimate.grad is not None
    assert all(parameter.grad is None for parameter in adversary.discriminator.parameters())  # it only judged
    with torch.no_grad():
        nearer = HALF_WAY - 0.05 * HALF_WAY.norm() * estimate.grad / estimate.grad.norm()
        assert adversary.loss(nearer, TARGET, NOISY, BAND_HZ) < loss
        assert adversary.loss(TARGET, TARGET, NOISY, BAND_HZ) < 0.2 * loss


def test_the_layers_find_a_distance_that_vanishes_at_the_target() -> None:
    adversary = Adversary(verdict_share=0.0, feature_share=1.0, device=CPU, mixed=False)
    distances = [adversary.loss(e, TARGET, NOISY, BAND_HZ).item() for e in (TARGET, HALF_WAY, NOISY)]
    assert distances[0] == 0
    assert distances[0] < distances[1] < distances[2]


def test_loudness_and_what_lies_above_the_band_do_not_matter() -> None:
    adversary = Adversary(verdict_share=1.0, feature_share=1.0, device=CPU, mixed=False)
    loss = adversary.loss(HALF_WAY, TARGET, NOISY, BAND_HZ)
    louder = adversary.loss(8 * HALF_WAY, 8 * TARGET, 8 * NOISY, BAND_HZ)
    assert louder.item() == pytest.approx(loss.item(), rel=1e-3)
    band_hz = torch.tensor([4_000.0])
    above = HALF_WAY.clone()
    above[..., 130:] = NOISY[..., 130:]
    found = [adversary.loss(e, TARGET, NOISY, band_hz).item() for e in (HALF_WAY, above)]
    assert found[0] == found[1]


def test_a_silent_target_teaches_and_asks_nothing() -> None:
    adversary = Adversary(verdict_share=1.0, feature_share=1.0, device=CPU, mixed=False)
    silence = torch.zeros_like(TARGET)
    assert adversary.learn(NOISY, silence, NOISY, BAND_HZ, ALONE) == 0
    assert adversary.loss(NOISY, silence, NOISY, BAND_HZ) == 0


def test_it_asks_less_of_mixtures_with_little_noise() -> None:
    torch.manual_seed(0)
    adversary = Adversary(verdict_share=1.0, feature_share=1.0, device=CPU, mixed=False)
    hiss = NOISY - TARGET  # at 0 dB of the whole, so some dB below it in the voice's band
    found = []
    for gain_db in (-60.0, -20.0, 0.0):
        noisy = TARGET + 10 ** (gain_db / 20) * hiss
        adversary.fades_db = ALL_SNRS
        whole = adversary.loss(HALF_WAY, TARGET, noisy, BAND_HZ).item()
        adversary.fades_db = (15.0, 40.0)
        found.append(adversary.loss(HALF_WAY, TARGET, noisy, BAND_HZ).item() / whole)
    clean, faint, loud = found
    assert clean == 0
    assert 0.3 < faint < 0.9
    assert loud == pytest.approx(1)
    assert adversary.loss(HALF_WAY, TARGET, TARGET, BAND_HZ) == 0  # nothing to be taken out at all
    assert adversary.learn(HALF_WAY, TARGET, TARGET, BAND_HZ, ALONE) > 0  # yet a voice to learn from
