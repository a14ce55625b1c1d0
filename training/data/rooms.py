"""Computed room impulse responses: a direct path, a few early reflections and a diffuse, decaying tail.

The tail is noise whose high frequencies decay faster, because air and walls absorb more of them (Polack's model of
1988). The pack `rooms` has rooms that a voice may keep; `halls` has those that a network learns to remove, also with a
tail that is louder than the direct path.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform
from training.data.recordings import write_manifest
from training.mix.signals import low_pass

SEED = 1
ROOMS = 100
RT60_S = (0.15, 0.85)  # the tail falls by 60 dB in this time
TAIL_DB = (-24.0, -6.0)  # energy of the tail relative to the direct path
REFLECTIONS = (4, 12)
REFLECTION_S = (0.001, 0.03)  # after the direct path
DARK_HZ = 3_000.0  # above this, the tail lasts half as long
HALLS = 400
HALL_RT60_S = (0.2, 1.4)
HALL_TAIL_DB = (-12.0, 7.0)
HALL_BANDS_HZ = (250.0, 1_000.0, 4_000.0)  # between bands with decays of their own
HALL_DECAYS = ((0.8, 1.4), (0.9, 1.1), (0.7, 1.0), (0.3, 0.8))  # of each band, relative to RT60
TAIL_FROM_S = (0.0, 0.008)  # after the direct path


def room(rng: np.random.Generator) -> Waveform:
    """Return an impulse response [samples] at the model's rate whose first sample is the direct path."""
    rt60_s = float(rng.uniform(*RT60_S))
    t = np.arange(int(rt60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = rng.standard_normal(len(t)).astype(np.float32)
    dark = low_pass(noise, DARK_HZ, edge=0.5)
    decay = 10 ** (-3 * t / rt60_s)
    tail = dark * decay + (noise - dark) * decay**2
    return _with_direct_path(tail, rng, TAIL_DB)


def hall(rng: np.random.Generator) -> Waveform:
    """Return an impulse response [samples] at the model's rate, of a larger room or a more distant microphone."""
    rt60_s = float(rng.uniform(*HALL_RT60_S))
    t = np.arange(int(1.2 * rt60_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    rest = rng.standard_normal(len(t)).astype(np.float32)
    tail: Waveform = np.zeros_like(rest)
    for limit_hz, share in zip((*HALL_BANDS_HZ, None), HALL_DECAYS, strict=True):
        below = rest if limit_hz is None else low_pass(rest, limit_hz, edge=0.5)
        tail += (below * 10 ** (-3 * t / (rt60_s * rng.uniform(*share)))).astype(np.float32)
        rest = rest - below
    tail[: int(rng.uniform(*TAIL_FROM_S) * SAMPLE_RATE_HZ)] = 0
    return _with_direct_path(tail, rng, HALL_TAIL_DB)


def _with_direct_path(
    tail: NDArray[np.floating[Any]], rng: np.random.Generator, tail_db: tuple[float, float]
) -> Waveform:
    tail *= 10 ** (rng.uniform(*tail_db) / 20) / np.sqrt(np.square(tail).sum())
    for delay_s in rng.uniform(*REFLECTION_S, rng.integers(*REFLECTIONS)):
        tail[int(delay_s * SAMPLE_RATE_HZ)] += rng.choice([-1, 1]) * rng.uniform(0.05, 0.4)
    tail[0] = 1
    return np.asarray(tail, np.float32)


def build(folder: Path, make: Callable[[np.random.Generator], Waveform] = room, rooms: int = ROOMS) -> int:
    """Write the rooms and MANIFEST.csv; return the number of rooms."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for number in range(rooms):
        x = make(np.random.default_rng([SEED, number]))
        name = f"audio/room-{number:03}.flac"
        soundfile.write(folder / name, 0.9 * x / np.abs(x).max(), SAMPLE_RATE_HZ)
        row = {"file": name, "kind": "rir", "source": "made by rule", "licence": "CC0"}
        rows.append(row | {"seconds": round(len(x) / SAMPLE_RATE_HZ, 2), "rate": SAMPLE_RATE_HZ})
    write_manifest(rows, folder)
    return len(rows)
