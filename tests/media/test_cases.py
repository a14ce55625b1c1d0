"""The right values of small inputs that once came out wrong; each stands for its kind (tests/cases)."""

import struct
from pathlib import Path

import anyio
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from munsit_denoise.jobs.pipeline import PipelineTask, enhance_file
from munsit_denoise.media.probe import AudioTrack, probe
from tests.media.test_formats import Passthrough, ffmpeg

pytestmark = pytest.mark.anyio
CASES = Path(__file__).parents[1] / "cases"


async def as_wav(source: Path, folder: Path) -> tuple[AudioTrack, NDArray[np.float64], bytes]:
    """Return what a file is, and its samples and header when nothing is done to it but becoming a WAV."""
    track = await probe(source)
    await enhance_file(PipelineTask(source, folder / "o.wav", track, "wav"), Passthrough(), lambda _, __: None)
    samples, rate_hz = soundfile.read(folder / "o.wav", always_2d=True)
    assert rate_hz == track.sample_rate_hz
    assert track.duration_s == pytest.approx(len(samples) / rate_hz, abs=0.06)
    return track, samples, await anyio.Path(folder / "o.wav").read_bytes()


def levels_db(samples: NDArray[np.float64]) -> list[float]:
    return [round(float(level), 1) for level in 10 * np.log10(np.mean(samples**2, axis=0) + 1e-12)]


def mask_of(wav: bytes) -> int:
    assert struct.unpack_from("<H", wav, 20)[0] == 0xFFFE  # WAVE_FORMAT_EXTENSIBLE
    mask: int = struct.unpack_from("<I", wav, 40)[0]
    return mask


@pytest.mark.parametrize(
    ("name", "frames", "mask", "levels"),
    [
        ("four_mics.flac", 16_000, 0x33, [-26.0, -28.0, -30.0, -32.0]),
        ("mc33.0.m4a", 48_128, 0x7, [-26.2, -28.2, -30.1]),
        ("exotic_2_BL-BR.wav", 16_000, 0x30, [-26.0, -28.0]),
    ],
)
async def test_channels_are_those_of_the_source(
    name: str, frames: int, mask: int, levels: list[float], tmp_path: Path
) -> None:
    _, samples, wav = await as_wav(CASES / name, tmp_path)
    raw = ffmpeg("-i", CASES / name, "-f", "f32le", "-c:a", "pcm_f32le", "-", which="ffmpeg")
    assert samples.shape == (frames, len(levels))
    assert mask_of(wav) == mask
    assert levels_db(samples) == pytest.approx(levels, abs=0.11)
    assert np.abs(samples - np.frombuffer(raw, "<f4").reshape(-1, len(levels))).max() < 2**-14


async def test_a_late_start_is_silence(tmp_path: Path) -> None:
    track, samples, _ = await as_wav(CASES / "off2.mp4", tmp_path)
    assert len(samples) == pytest.approx(168_672, abs=1_200)
    assert levels_db(samples[: int(1.97 * 48_000)])[0] < -70
    assert first_sound_s(samples) == pytest.approx(1.978, abs=0.025)
    assert (track.origin_s, track.has_picture) == (0, True)


async def test_a_hole_is_silence_of_its_length(tmp_path: Path) -> None:
    _, samples, _ = await as_wav(CASES / "gap0_libopus.webm", tmp_path)
    assert len(samples) == pytest.approx(168_024, abs=1_200)
    assert levels_db(samples[48_000 : int(2.48 * 48_000)])[0] < -70
    second = np.frombuffer(ffmpeg("-i", CASES / "gap0_libopus.webm", "-f", "f32le", "-"), "<f4")[-40_000:]
    assert np.abs(samples[-40_000:, 0] - second).max() < 2**-14


def first_sound_s(samples: NDArray[np.float64]) -> float:
    return float(np.argmax(np.abs(samples).max(axis=1) > 1e-3) / 48_000)


async def test_a_right_header_is_not_overridden(tmp_path: Path) -> None:
    track, samples, _ = await as_wav(CASES / "p.wv", tmp_path)
    assert len(samples) == 57_600
    assert track.duration_s == pytest.approx(1.2, abs=1e-6)
