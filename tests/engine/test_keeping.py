"""What rises above the steady background stays, what is steady goes, whichever way the samples come in."""

from functools import cache

import numpy as np
import pytest
import torch

from munsit_denoise.engine import stream
from munsit_denoise.engine.background import LEAST_OF_MEAN, averaged, foreground, least
from munsit_denoise.engine.keeping import KeepingDenoiser, Pairs, Together
from munsit_denoise.engine.stft import HOP_LENGTH, SAMPLE_RATE_HZ, Stft
from munsit_denoise.engine.stop import Stopped
from munsit_denoise.engine.stream import LEAST_CORE_S, Block, StreamFormat
from munsit_denoise.media.probe import MAX_CHANNELS, MAX_SAMPLES_A_SECOND
from tests.audio import hiss

RATE_HZ = 8_000


class Deaf:
    """A denoiser that takes everything for noise, and is two thousand frames late."""

    def __init__(self) -> None:
        self._held = 0

    def feed(self, block: Block) -> Block:
        out = max(self._held + len(block) - 2_000, 0)
        self._held += len(block) - out
        return np.zeros((out, block.shape[1]), np.float32)

    def flush(self) -> Block:
        held, self._held = self._held, 0
        return np.zeros((held, 1), np.float32)

    def stop(self) -> None:
        return


def kept(x: Block, chunk: int = 10**9, strength: float = 1.0) -> Block:
    denoiser = KeepingDenoiser(Deaf(), StreamFormat(RATE_HZ, 1), strength)
    parts = [denoiser.feed(x[i : i + chunk]) for i in range(0, len(x), chunk)]
    return np.concatenate([*parts, denoiser.flush()])


def tune(seconds: float) -> Block:
    """Notes of a quarter of a second, and silence at the beginning."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 300.0 * 2 ** (np.array([0, 4, 7, 12, 5, 9, 2])[(4 * t).astype(int) % 7] / 12)
    notes = 0.1 * np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ) * (t > 1)
    return np.asarray(notes[:, None], np.float32)


@cache
def noise(seconds: float) -> Block:
    return np.asarray(hiss(int(seconds * RATE_HZ), rms=0.01)[:, None], np.float32)


def level_db(x: Block) -> float:
    return float(10 * np.log10(np.mean(np.square(x)) + 1e-20))


def test_music_stays_and_steady_noise_goes() -> None:
    x = tune(4) + noise(4)
    y = kept(x)
    assert y.shape == x.shape
    music = slice(RATE_HZ + 1_000, 3 * RATE_HZ)
    error_db = level_db(y[music] - tune(4)[music]) - level_db(tune(4)[music])
    assert error_db < -15
    quiet = slice(0, RATE_HZ - 1_000)
    assert level_db(y[quiet]) < level_db(x[quiet]) - 20


def test_any_chunking_gives_the_same_samples() -> None:
    x = tune(3) + noise(3)
    assert np.array_equal(kept(x, 777), kept(x))


def test_no_frames_are_no_frames() -> None:
    assert kept(np.zeros((0, 1), np.float32)).shape == (0, 1)


def test_strength_leaves_a_part_of_the_noise() -> None:
    x = noise(4)
    inner = slice(RATE_HZ, -RATE_HZ)
    half = level_db(kept(x, strength=0.5)[inner]) - level_db(x[inner])
    assert half == pytest.approx(-6, abs=0.5)


def test_seams_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording cut at another place is processed in windows elsewhere, and comes out the same."""
    monkeypatch.setattr(stream, "CORE_S", 4)
    x = tune(12) + noise(12)
    shift = 4 * RATE_HZ
    inner = slice(5 * RATE_HZ // 2, -5 * RATE_HZ // 2)
    y, shifted = kept(x)[shift:][inner], kept(x[shift:])[inner]
    assert level_db(y - shifted) < level_db(y) - 60


@pytest.mark.parametrize("channels", range(1, MAX_CHANNELS + 1))
def test_a_window_is_no_longer_than_one_of_the_recording(channels: int) -> None:
    for rate_hz in (8_000, 48_000, MAX_SAMPLES_A_SECOND // channels):
        pairs = Pairs(rate_hz, 2 * channels)
        assert LEAST_CORE_S <= pairs.core_s <= StreamFormat(rate_hz, channels).core_s


@pytest.mark.parametrize("channels", [3, 9])
def test_a_stop_is_heard_before_the_next_channel(channels: int) -> None:
    asked: list[int] = []

    def stop_soon() -> bool:
        asked.append(1)
        return len(asked) > 2

    window = torch.from_numpy(np.concatenate([noise(5).T] * 2 * channels))
    with pytest.raises(Stopped):
        Together(channels).enhance(window, RATE_HZ, 1.0, stop_soon)
    assert len(asked) == 3


def test_the_loudest_sound_stays_finite() -> None:
    class Louder(Deaf):
        def feed(self, block: Block) -> Block:
            return np.full_like(block, np.finfo(np.float32).max)

        def flush(self) -> Block:
            return np.zeros((0, 1), np.float32)

    x = np.sign(tune(3)) * np.finfo(np.float32).max
    denoiser = KeepingDenoiser(Louder(), StreamFormat(RATE_HZ, 1), 1.0)
    assert np.isfinite(np.concatenate([denoiser.feed(x), denoiser.flush()])).all()


def test_the_background_of_steady_noise_is_its_power() -> None:
    torch.manual_seed(0)
    power = Stft().analyse(torch.randn(1, 8 * SAMPLE_RATE_HZ)).abs().square()
    found = least(averaged(power, 8, 1), 104)[:, 120:-120, 5:-5].mean() / power.mean()
    assert float(found) == pytest.approx(LEAST_OF_MEAN, abs=0.03)


def test_a_gain_depends_on_the_context_alone() -> None:
    torch.manual_seed(0)
    spectrogram = Stft().analyse(torch.randn(1, 500 * HOP_LENGTH))
    near = foreground(spectrogram[:, 80:])
    assert torch.allclose(foreground(spectrogram)[:, 80 + 120 : 400], near[:, 120:320], atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
def test_the_least_is_that_of_all_frames_around(frames: int) -> None:
    torch.manual_seed(0)
    power = torch.rand(2, 30, 3)
    wanted = torch.stack([power[:, max(0, t - frames) : t + frames + 1].amin(1) for t in range(30)], 1)
    assert torch.equal(least(power, frames), wanted)
