"""Impulse responses of rectangular rooms.

The image-source method: each reflection is the direct sound of a mirror image of the speaker (Allen and Berkley, "Image
method for efficiently simulating small-room acoustics", 1979). Images are moved by some centimetres at random, as real
walls do, because exact ones sound metallic (De Sena et al., "On the modeling of rectangular geometries in room acoustic
simulations", 2015).
"""

from dataclasses import dataclass

import numpy as np
import scipy.signal

from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from training.data.corpus import Waveform

SOUND_M_S = 343.0
MOVED_M = 0.08  # images other than the first, nearer or farther at most
LOWEST_HZ = 80.0  # lower, the reflections, which are all positive here, would add up to more than they do in rooms
WALL_M = 0.5  # between a wall and the speaker or the microphone
HEIGHT_M = (1.1, 1.7)


@dataclass(frozen=True)
class Room:
    """A room and the distance between speaker and microphone."""

    size_m: tuple[float, float, float]
    rt60_s: float
    distance_m: float


def response(room: Room, rng: np.random.Generator) -> Waveform:
    """Return an impulse response [samples] at the model's rate; its first sample is the direct sound, of level 1.

    Walls, floor and ceiling reflect equally, by Eyring's formula for the reverberation time.
    """
    size = np.asarray(room.size_m)
    speaker, microphone = _places(room, rng)
    longest_m = SOUND_M_S * room.rt60_s + room.distance_m
    orders = [np.arange(-n, n + 1) for n in np.ceil(longest_m / (2 * size)).astype(int)]
    samples = int(room.rt60_s * SAMPLE_RATE_HZ)
    direct_m = float(np.linalg.norm(speaker - microphone))
    out = np.zeros(samples)
    for mirrored in np.ndindex(2, 2, 2):
        sides = np.asarray(mirrored)
        grids = np.meshgrid(*orders, indexing="ij", sparse=True)
        where = [
            2 * n * length + (1 - 2 * side) * s for n, length, side, s in zip(grids, size, sides, speaker, strict=True)
        ]
        bounces = sum(np.abs(n - side) + np.abs(n) for n, side in zip(grids, sides, strict=True))
        squared = sum((x - m) ** 2 for x, m in zip(where, microphone, strict=True))
        distance_m = np.sqrt(squared).ravel()
        bounced = np.asarray(bounces).ravel()
        near = (distance_m - direct_m) / SOUND_M_S * SAMPLE_RATE_HZ < samples - 1
        distance_m, bounced = distance_m[near], bounced[near]
        distance_m = distance_m + (bounced > 0) * rng.uniform(-MOVED_M, MOVED_M, len(distance_m))
        level = direct_m / np.maximum(distance_m, direct_m / 2) * _reflection(room) ** bounced
        late = np.clip(np.round((distance_m - direct_m) / SOUND_M_S * SAMPLE_RATE_HZ), 0, samples - 1)
        out += np.bincount(late.astype(int), level, samples)
    high_pass = scipy.signal.butter(2, LOWEST_HZ, "highpass", fs=SAMPLE_RATE_HZ, output="sos")
    out[0] = 0
    out = scipy.signal.sosfilt(high_pass, out)
    out[0] = 1
    return np.asarray(out, np.float32)


def _places(room: Room, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a place [3] of the speaker and one of the microphone, both inside the room."""
    size = np.asarray(room.size_m)
    low, high = np.asarray([WALL_M, WALL_M, HEIGHT_M[0]]), np.asarray([*(size[:2] - WALL_M), HEIGHT_M[1]])
    while True:
        speaker, angle = rng.uniform(low, high), rng.uniform(0, 2 * np.pi)
        microphone = speaker + room.distance_m * np.asarray([np.cos(angle), np.sin(angle), 0])
        if (microphone > low - 1e-9).all() and (microphone < high + 1e-9).all():
            return speaker, microphone


def _reflection(room: Room) -> float:
    """Return the share of the pressure that a wall reflects."""
    x, y, z = room.size_m
    surface_m2 = 2 * (x * y + y * z + z * x)
    absorbed = 1 - np.exp(-24 * np.log(10) / SOUND_M_S * x * y * z / (surface_m2 * room.rt60_s))
    return float(np.sqrt(1 - absorbed))
