"""Loudness and peaks as ffmpeg's ebur128 shows them, noise and speech told apart, pictures of bounded size."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from munsit_denoise.media import pack
from munsit_denoise.media.loudness import measure_loudness
from munsit_denoise.media.meter import Meter, Reading
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.tiles import COLUMNS, FLOOR_DB, Picture, fineness_for, room_bytes
from tests.audio import hiss, voice

Wave = NDArray[np.float32]


def track(rate_hz: int, channels: int = 1, layout: str | None = None, seconds: float = 1.0) -> AudioTrack:
    return AudioTrack(rate_hz, channels, layout, "pcm_s16le", 16, False, seconds, "wav")


def noisy(rate_hz: int, channels: int = 1, seconds: int = 2) -> Wave:
    clean = voice(seconds, rate_hz)
    return np.stack([clean + (c + 1) * hiss(len(clean), 0.01, c) for c in range(channels)], axis=1)


def measured(wave: Wave, of: AudioTrack, block: int = 10_007) -> Reading:
    meter = Meter(of)
    for start in range(0, len(wave), block):
        meter.feed(wave[start : start + block])
    meter.end()
    return meter.reading()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("rate_hz", "channels", "layout"),
    [(48_000, 1, "mono"), (44_100, 2, "stereo"), (11_025, 1, "mono"), (96_000, 1, "mono"), (16_000, 6, "5.1")],
)
async def test_loudness_and_peak_are_those_of_ebur128(tmp_path: Path, rate_hz: int, channels: int, layout: str) -> None:
    wave, of = noisy(rate_hz, channels), track(rate_hz, channels, layout)
    soundfile.write(tmp_path / "a.wav", wave, rate_hz, subtype="FLOAT")
    expected, found = await measure_loudness(tmp_path / "a.wav", of), measured(wave, of)
    assert found.loudness_lufs == pytest.approx(expected.integrated_lufs, abs=0.15)
    assert found.true_peak_dbtp == pytest.approx(expected.true_peak_dbtp, abs=0.15)


def test_blocks_of_any_size_measure_the_same() -> None:
    wave, of = noisy(16_000, 2), track(16_000, 2)
    whole = measured(wave, of, len(wave))
    for block in (1_000, 33_333):
        part = measured(wave, of, block)
        assert part.loudness_lufs == pytest.approx(whole.loudness_lufs, abs=1e-3)
        assert part.noise_floor_db == pytest.approx(whole.noise_floor_db, abs=1e-3)


def test_noise_floor_and_ratio_follow_the_noise() -> None:
    clean = voice(3)
    for noise_db in (-60.0, -40.0):
        found = measured((clean + hiss(len(clean), 10 ** (noise_db / 20)))[:, None], track(16_000))
        assert found.noise_floor_db == pytest.approx(noise_db, abs=1.5)
        assert found.snr_db == pytest.approx(-18 - noise_db, abs=4)


@pytest.mark.parametrize("wave", [np.zeros((16_000, 1), np.float32), np.zeros((10, 1), np.float32)])
def test_of_silence_nothing_can_be_told(wave: Wave) -> None:
    assert measured(wave, track(16_000)) == Reading(None, None, None, None, 0)


def test_noise_alone_has_no_ratio() -> None:
    assert measured(hiss(32_000)[:, None], track(16_000)).snr_db is None


def test_samples_at_full_scale_are_counted_and_peaks_between_samples_are_seen() -> None:
    wave = np.sin(np.pi / 2 * np.arange(16_000) + np.pi / 4).astype(np.float32)[:, None] * 0.5  # peaks between samples
    assert measured(wave, track(16_000)).true_peak_dbtp == pytest.approx(-6.02, abs=0.1)
    wave[100:107] = 32_767 / 32_768
    wave[200] = -1
    assert measured(wave, track(16_000)).clipped_samples == 8


def grey_of(image: bytes) -> NDArray[np.uint8]:
    """Read a PNG as we write it."""
    columns, rows = struct.unpack(">II", image[16:24])
    at = image.index(b"IDAT")
    size = struct.unpack(">I", image[at - 4 : at])[0]
    lines = np.frombuffer(zlib.decompress(image[at + 4 : at + 4 + size]), np.uint8).reshape(rows, columns + 1)
    return lines[:, 1:]


def picture_of(wave: Wave, of: AudioTrack, original_bytes: int) -> Picture:
    picture = Picture(Meter(of).size, of.sample_rate_hz, fineness_for(original_bytes, of.duration_s))
    meter = Meter(of, picture.take)
    meter.feed(wave)
    meter.end()
    picture.end()
    return picture


def test_a_tone_is_a_line_at_its_frequency_and_level() -> None:
    of = track(16_000, seconds=2)
    tone = 0.1 * np.sin(2 * np.pi * 1_000 * np.arange(32_000) / 16_000).astype(np.float32)[:, None]
    picture = picture_of(tone, of, 2**20)
    image = grey_of(picture.tiles()[0][0])[::-1]
    edges_hz = (picture.edges + 1) * picture.bin_hz
    row = int(np.argmax(image[:, 5]))
    assert edges_hz[row] <= 1_000 <= edges_hz[row + 1] + picture.bin_hz
    assert image[row, 5] / 2 + FLOOR_DB == pytest.approx(-20, abs=1.5)
    assert np.median(image[:, 5]) < 60
    pairs = np.frombuffer(picture.peaks()[0], np.int8).reshape(-1, 2)
    assert tuple(pairs[3]) == (-13, 13)


def test_pictures_keep_to_their_room_and_every_part_can_be_read() -> None:
    for seconds, rate_hz, original_bytes in ((300, 8_000, 4_800_000), (300, 8_000, 450_000), (2, 48_000, 3_000)):
        of = track(rate_hz, seconds=seconds)
        wave = np.tile(noisy(rate_hz), (seconds // 2, 1))
        pictures = [picture_of(wave, of, original_bytes), picture_of(wave * 0.5, of, original_bytes)]
        packed = pack.pack(pictures, of, room_bytes(original_bytes))
        assert len(packed) <= max(0.02 * original_bytes, 16 * 2**10)
        size = pack.index_bytes(packed[:8])
        index = json.loads(packed[8 : 8 + size])
        for sound in pack.SOUNDS:
            for level, found in enumerate(index[sound]["spectrogram"]):
                widths = []
                for number in range(found["tiles"]):
                    part = pack.part_of(index, sound, "spectrogram", level, number)
                    assert part is not None
                    content = packed[8 + size + part.start :][: part.size]
                    widths.append(grey_of(content).shape[1])
                assert widths[:-1] == [COLUMNS] * (len(widths) - 1)
                assert sum(widths) == pytest.approx(seconds * found["columns_per_second"], abs=2)
            last = pack.part_of(index, sound, "peaks", len(index[sound]["peaks"]) - 1, 0)
            assert last is not None
            assert last.size == 2 * index[sound]["peaks"][-1]["count"]
        assert pack.part_of(index, "after", "peaks", 99, 0) is None
        assert "bytes" not in json.dumps(pack.told(index))
