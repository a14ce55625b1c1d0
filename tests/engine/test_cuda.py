"""What comes out on a CUDA device; without one, there is nothing to test."""

import numpy as np
import pytest
import torch

from munsit_denoise.engine.open import open_engine
from munsit_denoise.treatment import Treatment
from tests.audio import hiss, voice

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA")
RATE_HZ = 48_000


@pytest.mark.parametrize("channels", [1, 2])
def test_cuda_and_cpu_agree(channels: int) -> None:
    noisy = np.stack([voice(4.0, RATE_HZ) + hiss(4 * RATE_HZ, 0.1, seed) for seed in range(channels)], axis=1)
    results = []
    for device in ("cpu", "cuda"):
        denoiser = open_engine(device, 0, "float32")(RATE_HZ, channels, Treatment())
        results.append(np.concatenate([denoiser.feed(noisy), denoiser.flush()]))
    on_cpu, on_cuda = results
    assert np.linalg.norm(on_cuda - on_cpu) < 1e-3 * np.linalg.norm(on_cpu)
