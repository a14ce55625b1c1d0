"""A voice and what noise and poor lines make of it, for distances that follow a published score."""

import numpy as np
import torch

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ, Stft
from tests.audio import hiss, voice
from training.data.corpus import Waveform

CLEAN = voice(6.0, SAMPLE_RATE_HZ)
STFT = Stft()


def with_hiss(snr_db: float) -> Waveform:
    """Return the voice in noise."""
    return CLEAN + hiss(len(CLEAN), rms=float(CLEAN.std()) * 10 ** (-snr_db / 20))


def power(x: Waveform) -> torch.Tensor:
    """Return the power spectrogram [1, frames, bins]."""
    return STFT.analyse(torch.from_numpy(x.astype(np.float32))[None]).abs().square()
