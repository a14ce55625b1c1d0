"""Computed room impulse responses: a direct path, a few early reflections and a diffuse, decaying tail.

The tail is noise whose high frequencies decay faster, because air and walls absorb more of them (Polack's model of
1988).
"""

from pathlib import Path

import numpy as np
import soundfile

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform
from training.data.recordings import write_manifest
from training.mix.signals import low_pass

ROOMS = 100
RT60_S = (0.15, 0.85)  # the tail falls by 60 dB in this time
TAIL_DB = (-24.0, -6.0)  # energy of the tail relative to the direct path
REFLECTIONS = (4, 12)
REFLECTION_S = (0.001, 0.03)  # after the direct path
DARK_HZ = 3_000.0  # above this, the tail lasts half as long


def room(rng: np.random.Generator) -> Waveform:
    """Return an impulse response [samples] at the model's rate whose first sample is the direct path."""
    rt60_s = float(rng.uniform(*RT60_S))
    t = np.arange(int(rt60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = rng.standard_normal(len(t)).astype(np.float32)
    dark = low_pass(noise, DARK_HZ, edge=0.5)
    decay = 10 ** (-3 * t / rt60_s)
    tail = dark * decay + (noise - dark) * decay**2
    tail *= 10 ** (rng.uniform(*TAIL_DB) / 20) / np.sqrt(np.square(tail).sum())
    for delay_s in rng.uniform(*REFLECTION_S, rng.integers(*REFLECTIONS)):
        tail[int(delay_s * SAMPLE_RATE_HZ)] += rng.choice([-1, 1]) * rng.uniform(0.05, 0.4)
    tail[0] = 1
    return np.asarray(tail, np.float32)


def build(folder: Path, rooms: int = ROOMS, seed: int = 1) -> int:
    """Write the rooms and MANIFEST.csv; return the number of rooms."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for number in range(rooms):
        x = room(np.random.default_rng([seed, number]))
        name = f"audio/room-{number:03}.flac"
        soundfile.write(folder / name, 0.9 * x / np.abs(x).max(), SAMPLE_RATE_HZ)
        row = {"file": name, "kind": "rir", "source": "made by rule", "licence": "CC0"}
        rows.append(row | {"seconds": round(len(x) / SAMPLE_RATE_HZ, 2), "rate": SAMPLE_RATE_HZ})
    write_manifest(rows, folder)
    return len(rows)
