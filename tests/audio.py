"""Recordings made on the spot: something like a voice, and noise; and the program that makes other files of them."""

import subprocess
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from munsit_denoise.media.ffmpeg import program

Waveform = NDArray[np.float32]


def voice(seconds: float, rate_hz: int = 16_000) -> Waveform:
    """Return syllables of a harmonic tone, [samples], RMS about 0.1."""
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    pitch_hz = 140 + 20 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate_hz
    harmonics = [np.sin(k * phase) / k for k in range(1, 20) if k * 160 < rate_hz / 2]
    syllables = np.clip(np.sin(2 * np.pi * 3 * t), 0, 1) ** 0.5
    return (0.12 * np.sum(harmonics, axis=0) * syllables).astype(np.float32)


def hiss(samples: int, rms: float = 0.03, seed: int = 0) -> Waveform:
    """Return white noise."""
    return (rms * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def write_noisy(
    path: Path, seconds: float = 2.0, rate_hz: int = 16_000, channels: int = 1, subtype: str | None = None
) -> Path:
    """Write a noisy voice; every channel has its own noise."""
    clean = voice(seconds, rate_hz)
    mix = np.stack([clean + hiss(len(clean), seed=c) for c in range(channels)], axis=1)
    soundfile.write(path, mix, rate_hz, subtype=subtype)
    return path


def write_silence(path: Path, seconds: float, rate_hz: int = 8_000) -> Path:
    """Write digital silence."""
    soundfile.write(path, np.zeros(int(seconds * rate_hz), np.int16), rate_hz)
    return path


def ffmpeg(*arguments: str | Path | float, which: str = "encoder") -> bytes:
    """Run ffmpeg; return what it writes to its output.

    It is the one that has no libraries to link: a start of the system's, which is `which="ffmpeg"`, takes a tenth of a
    second of a core, its a sixth of that, and there are hundreds.
    """
    command = [program(which), "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True).stdout
