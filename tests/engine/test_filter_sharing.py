"""Which channels share a filter: one image does, microphones of their own do not."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from munsit_denoise.engine.filter_sharing import AROUND_FRAMES, filter_sharing
from munsit_denoise.engine.stft import HOP_LENGTH, SAMPLE_RATE_HZ, Stft
from tests.audio import hiss, voice

SECONDS = 6
SAMPLES = SECONDS * SAMPLE_RATE_HZ
Channels = list[NDArray[np.float32]]


def figures(channels: Channels) -> torch.Tensor:
    return filter_sharing(Stft().analyse(torch.from_numpy(np.stack(channels).astype(np.float32))))


def ambience(level: float = 0.005) -> Channels:
    """Return two noises, half of each the same."""
    common = hiss(SAMPLES, level, seed=9)
    return [0.7 * common + 0.7 * hiss(SAMPLES, level, seed=seed) for seed in (1, 2)]


def speakers() -> Channels:
    """Return two who speak at different pitches and times."""
    first = voice(SECONDS, SAMPLE_RATE_HZ)
    second = np.interp(np.arange(SAMPLES) * 1.31 % (SAMPLES - 1), np.arange(SAMPLES), np.roll(first, 9_000))
    return [first, second.astype(np.float32)]


@pytest.mark.parametrize("pan", [(1.0, 1.0), (0.8, 0.2), (0.3, 0.9)])
@pytest.mark.parametrize("delay", [0, 40, 100])
def test_a_stereo_image_is_one(pan: tuple[float, float], delay: int) -> None:
    speech, noise = voice(SECONDS, SAMPLE_RATE_HZ), ambience()
    found = figures([pan[0] * speech + noise[0], pan[1] * np.roll(speech, delay) + noise[1]])
    assert found.min() > 0.95


def test_a_room_is_one_image() -> None:
    speech, noise, rng = voice(SECONDS, SAMPLE_RATE_HZ), ambience(), np.random.default_rng(5)
    decay = 0.02 * np.exp(-np.arange(14_400) / 2_400)  # a reverberation time of .35 s
    rooms = [fftconvolve(speech, decay * rng.standard_normal(14_400) + (np.arange(14_400) == 0)) for _ in noise]
    found = figures([room[:SAMPLES] + n for room, n in zip(rooms, noise, strict=True)])
    assert found.min() > 0.95


def test_a_near_and_a_far_microphone_are_two() -> None:
    speech = voice(SECONDS, SAMPLE_RATE_HZ)
    found = figures([speech + hiss(SAMPLES, 0.002, 1), np.roll(speech, 480) + hiss(SAMPLES, 0.08, 2)])
    assert found[0, 1].max() < 0.05  # the near one learns nothing from the far one
    assert found[1, 0].max() < 0.5


def test_a_microphone_for_each_speaker_is_two() -> None:
    first, second = speakers()
    bleed = 0.06
    found = figures(
        [
            first + bleed * np.roll(second, 300) + hiss(SAMPLES, 0.003, 1),
            second + bleed * np.roll(first, 300) + hiss(SAMPLES, 0.003, 2),
        ]
    )
    assert found[0, 1].mean() < 0.1
    assert found[1, 0].mean() < 0.1


def test_each_pair_of_many_channels_is_judged_by_itself() -> None:
    (first, second), noise = speakers(), ambience()
    found = figures([first + noise[0], 0.6 * first + noise[1], second + hiss(SAMPLES, 0.005, 5)])
    assert found[0, 1].min() > 0.95
    assert found[0, 2].mean() < 0.1
    assert found[1, 2].mean() < 0.1
    assert torch.equal(found.diagonal(), torch.ones(found.shape[-1], 3))


def test_silence_and_noise_alone_are_left_as_one() -> None:
    assert figures([np.zeros(SAMPLES, np.float32)] * 2).min() == 1
    assert figures(ambience()).isfinite().all()


def test_a_moment_depends_on_its_own_neighbourhood_alone() -> None:
    first, second = speakers()
    x = torch.from_numpy(np.stack([first, 0.5 * first + 0.5 * second]))
    whole = Stft().analyse(x)
    start = 50  # frames: two moments
    part = whole[:, start:]
    inside = slice(AROUND_FRAMES, part.shape[1] - AROUND_FRAMES)
    assert torch.allclose(filter_sharing(part)[..., inside], filter_sharing(whole)[..., start:][..., inside], atol=1e-5)
    assert start * HOP_LENGTH < SAMPLES
