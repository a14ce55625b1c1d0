"""Passes recordings through lossy codecs, as many recordings that users send were."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile
import torch

from munsit_denoise.engine.resample import resample_window
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform

PEAK = 0.9  # of full scale, before encoding


@dataclass(frozen=True)
class Codec:
    """A codec of libsndfile; `compression` is its range on a scale from 0, the best, to 1."""

    container: str
    subtype: str
    rates_hz: tuple[int, ...]
    compression: tuple[float, float] | None = None


CODECS = (
    Codec("OGG", "OPUS", (16_000, 24_000, 48_000), (0.9, 0.99)),  # 40 to 10 kbit/s
    Codec("OGG", "VORBIS", (16_000, 32_000, 48_000), (0.6, 1.0)),
    Codec("MP3", "MPEG_LAYER_III", (16_000, 24_000, 32_000, 48_000), (0.6, 0.99)),
    Codec("WAV", "GSM610", (8_000,)),
    Codec("WAV", "IMA_ADPCM", (8_000, 16_000)),
    Codec("WAV", "ALAW", (8_000,)),
)


def coded(x: Waveform, rng: np.random.Generator) -> tuple[Waveform, float]:
    """Return x [samples], whole seconds at the model's rate, after a random codec, and its remaining band in hertz."""
    codec = CODECS[rng.integers(len(CODECS))]
    rate_hz = int(rng.choice(codec.rates_hz))
    compression = float(rng.uniform(*codec.compression)) if codec.compression else None
    return through(codec, rate_hz, compression, x), rate_hz / 2


def through(codec: Codec, rate_hz: int, compression: float | None, x: Waveform) -> Waveform:
    """Return x, whole seconds at the model's rate, after a codec at a rate; length and timing stay."""
    samples = len(x) * rate_hz // SAMPLE_RATE_HZ
    scale = np.float32(max(float(np.abs(x).max()), 1e-5) / PEAK)
    inside = resample_window(torch.from_numpy(np.ascontiguousarray(x)), samples).numpy() / scale
    file = io.BytesIO()
    options = {} if compression is None else {"compression_level": compression}
    soundfile.write(file, np.clip(inside, -1, 1), rate_hz, format=codec.container, subtype=codec.subtype, **options)
    file.seek(0)
    out, _ = soundfile.read(file, dtype="float32")
    out = np.pad(out[:samples], (0, max(samples - len(out), 0))) * scale
    back: Waveform = resample_window(torch.from_numpy(out), len(x)).numpy()
    return back
