"""Time: silence where stamps leave something out, and not a sample moved where they are merely inexact."""

import os
import signal
import subprocess
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import anyio
import numpy as np
import pytest
import soundfile

from munsit_denoise.errors import Interrupted, NotMedia, ProcessingFailed
from munsit_denoise.media.decode import AHEAD_S, decoding
from munsit_denoise.media.encode import encoding_to
from munsit_denoise.media.formats import wav_encoding
from munsit_denoise.media.nut import Malformed, NutReader
from munsit_denoise.media.probe import AudioTrack, probe
from munsit_denoise.media.timeline import TimeLine, origin_s
from tests.audio import ffmpeg, voice, write_noisy, write_silence
from tests.media.test_media import decoded

pytestmark = pytest.mark.anyio
RATE_HZ = 48_000
FRAME = 960


def laid(starts: list[int], *, container: str = "matroska", has_picture: bool = False) -> list[int]:
    """Return the silence before each of some stretches of 20 ms."""
    line = TimeLine(RATE_HZ, container, has_picture)
    return [line.place(start, FRAME) for start in starts]


def test_stamps_that_jitter_move_nothing() -> None:
    jitter = np.random.default_rng(0).integers(-400, 400, 500)  # 8 ms
    jitter[0] = 0
    assert sum(laid([int(n * FRAME + jitter[n]) for n in range(500)], has_picture=True)) == 0


def test_a_clock_that_drifts_moves_sound_only_beside_a_picture() -> None:
    drifting = [round(n * FRAME * 1.001) for n in range(6_000)]
    assert sum(laid(drifting)) == 0
    assert sum(laid(drifting, has_picture=True)) == pytest.approx(0.12 * RATE_HZ, abs=0.1 * RATE_HZ)


def test_lost_packets_are_silence_however_many() -> None:
    lost = [n * FRAME for n in range(600) if n % 3]
    assert sum(laid(lost)) == pytest.approx(200 * FRAME, abs=3 * FRAME)


def test_overlaps_destroy_nothing_and_a_later_hole_counts_from_where_sound_ends() -> None:
    assert laid([0, FRAME, 0, FRAME, 4 * FRAME + 10, 100 * FRAME]) == [0, 0, 0, 0, 0, 95 * FRAME]


@pytest.mark.parametrize(("container", "silence"), [("matroska", 20), ("mov", 20), ("mpegts", 0), ("mp3", 0)])
def test_a_jump_is_a_hole_where_clocks_are_not_set_anew(container: str, silence: int) -> None:
    assert laid([0, FRAME + 20 * RATE_HZ], container=container)[1] == silence * RATE_HZ


@pytest.mark.parametrize(
    ("container", "sound_s", "picture_s", "origin"),
    [
        ("matroska", 2.0, 0.5, 0.0),  # a film's clock begins at zero
        ("mpegts", 2.179, 1.4, 1.4),  # or anywhere
        ("mpegts", 1.4, 2.179, 1.4),
        ("mov", -0.5, 0.0, -0.5),
        ("matroska", 7_200.0, 7_200.5, 7_200.0),  # cut out of a stream
        ("matroska", 2.0, None, 0.0),
        ("matroska", 0.02, None, 0.02),  # an encoder's delay
        ("mp3", 0.138, None, 0.138),
        ("ogg", 3_456.0, None, 3_456.0),
    ],
)
def test_where_the_time_line_begins(container: str, sound_s: float, picture_s: float | None, origin: float) -> None:
    assert origin_s(container, sound_s, picture_s) == origin


def write_holed(path: Path, keep: str, *codec: str) -> Path:
    """Write two seconds of a voice without some of its packets."""
    soundfile.write(path.with_suffix(".wav"), 0.1 + 0.5 * voice(2.0, RATE_HZ), RATE_HZ)
    whole = path.with_name("whole" + path.suffix)
    ffmpeg("-i", path.with_suffix(".wav"), *codec, whole)
    ffmpeg("-i", whole, "-c", "copy", "-bsf:a", f"noise=drop='{keep}'", path)
    return path


@pytest.mark.parametrize("name", ["a.mka", "a.ogg", "a.mp4"])
async def test_holes_in_every_container(name: str, tmp_path: Path) -> None:
    codec = {"mka": "pcm_s16le", "ogg": "flac", "mp4": "aac"}[name[2:]]
    path = write_holed(tmp_path / name, "between(pts*tb,0.5,1.1)", "-c:a", codec)
    samples, track = await decoded(path), await probe(path)
    silent = np.flatnonzero(np.abs(samples[:, 0]) < 1e-4)
    hole = silent[(silent > 0.4 * RATE_HZ) & (silent < 1.5 * RATE_HZ)]
    assert len(hole) / RATE_HZ == pytest.approx(0.6, abs=0.05)
    assert len(samples) / RATE_HZ == pytest.approx(2.0, abs=0.05)
    assert track.duration_s == pytest.approx(2.0, abs=0.06)


async def test_forged_stamps_are_refused(tmp_path: Path) -> None:
    source = write_noisy(tmp_path / "a.wav", 1)
    later = "setts=pts='if(gt(PTS*TB,0.5),PTS+400000/TB,PTS)':dts='if(gt(DTS*TB,0.5),DTS+400000/TB,DTS)'"
    ffmpeg("-i", source, "-c:a", "flac", tmp_path / "a.mka")
    ffmpeg("-i", tmp_path / "a.mka", "-c", "copy", "-bsf:a", later, tmp_path / "b.mka")
    with pytest.raises(NotMedia, match="time stamps"):
        await probe(tmp_path / "b.mka")


@pytest.mark.parametrize(
    "name", ["a.wv", "a.tta", "alac.caf", "pipe.flac", "a.w64", "a.opus", "a.ogg", "a.mp3", "a.ts"]
)
async def test_durations_are_right(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", voice(1.234, RATE_HZ), RATE_HZ, subtype="PCM_16")
    if name == "pipe.flac":
        (tmp_path / name).write_bytes(ffmpeg("-i", tmp_path / "a.wav", "-f", "flac", "pipe:1"))
    else:
        ffmpeg("-i", tmp_path / "a.wav", *(("-c:a", "alac") if "alac" in name else ()), tmp_path / name)
    track = await probe(tmp_path / name)
    assert track.duration_s == pytest.approx(1.234, abs=0.05)


async def test_a_decoder_that_is_killed_is_no_verdict(tmp_path: Path) -> None:
    path = write_silence(tmp_path / "a.wav", 60, RATE_HZ)
    track = await probe(path)
    with pytest.raises(Interrupted):
        async with decoding(path, track) as blocks:
            async for _ in blocks:
                await send(signal.SIGKILL, path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_program_that_is_asked_to_end_does_its_work(number: signal.Signals, tmp_path: Path) -> None:
    source, target, frames = write_noisy(tmp_path / "a.wav", 3, RATE_HZ), tmp_path / "b.wav", 0
    track = await probe(source)
    async with encoding_to(target, track, wav_encoding(track)) as encoder:
        await send(number, target)  # which has no input yet, and would call it broken
        async with decoding(source, track) as blocks:
            await send(number, source)
            async for block in blocks:
                await encoder.write(block)
                frames += len(block)
    assert frames == soundfile.info(target).frames == 3 * RATE_HZ


async def send(number: signal.Signals, path: Path) -> None:
    """Send a signal to the programs that read or write a file."""
    found = await anyio.run_process(["pgrep", "-f", f"file:{path}"], check=False)
    for pid in found.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(pid), number)


async def test_a_tail_that_does_not_decode_is_the_files_own_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", voice(4.0, RATE_HZ), RATE_HZ)
    ffmpeg("-i", tmp_path / "a.wav", tmp_path / "a.m4a")
    content = bytearray((tmp_path / "a.m4a").read_bytes())
    start = content.index(b"mdat") + 4
    size = int.from_bytes(content[start - 8 : start - 4]) - 8
    content[start + size // 2 : start + size] = bytes([0xFF]) * (size - size // 2)
    (tmp_path / "b.m4a").write_bytes(content)
    assert 1.5 < len(await decoded(tmp_path / "b.m4a")) / RATE_HZ < 3.9


async def test_a_track_that_comes_out_short_for_no_reason_is_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mka"
    ffmpeg("-i", write_noisy(tmp_path / "a.wav", 3), "-c:a", "flac", path)
    track = await probe(path)
    kept, later = NutReader.feed, (AHEAD_S + 1) * track.sample_rate_hz
    monkeypatch.setattr(NutReader, "feed", lambda self, data: [p for p in kept(self, data) if p[0] < later])
    with pytest.raises(Interrupted):
        async with decoding(path, track) as blocks:
            [block async for block in blocks]


def nut(samples: int) -> bytes:
    source = f"sine=r={RATE_HZ}:d={samples / RATE_HZ}"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-c:a", "pcm_f32le", "-f", "nut", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_nut_is_read_in_pieces_of_any_size() -> None:
    stream = nut(RATE_HZ)
    for size in (1_000, 7_777, len(stream)):
        reader = NutReader()
        packets = [p for at in range(0, len(stream), size) for p in reader.feed(stream[at : at + size])]
        assert sum(len(content) for _, content in packets) == 4 * RATE_HZ
        stamps = [round(stamp * reader.unit_s * RATE_HZ) for stamp, _ in packets]
        assert all(b - a == len(c) // 4 for (a, b), (_, c) in zip(pairwise(stamps), packets, strict=False))


def test_broken_nut_is_told_and_never_loops() -> None:
    stream, rng = nut(4_800), np.random.default_rng(0)
    for _ in range(50):
        broken = np.frombuffer(stream, np.uint8).copy()
        broken[rng.integers(0, 400, 4)] = rng.integers(0, 256, 4)
        with suppress(Malformed):
            list(NutReader().feed(broken.tobytes()))


async def test_finite_samples_stay_finite(tmp_path: Path) -> None:
    samples = voice(0.2).astype(np.float64)
    samples[100] = 3e38
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    assert (await decoded(tmp_path / "a.wav"))[100, 0] == np.float32(3e38)
    samples[100] = 1e300
    soundfile.write(tmp_path / "b.wav", samples, 16_000, subtype="DOUBLE")
    assert (await decoded(tmp_path / "b.wav"))[100, 0] == np.finfo(np.float32).max


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
async def test_rifx_is_decoded_and_not_turned_into_noise(subtype: str, tmp_path: Path) -> None:
    samples = voice(0.2)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype=subtype, endian="BIG")
    assert (tmp_path / "a.wav").read_bytes()[:4] == b"RIFX"
    assert np.abs((await decoded(tmp_path / "a.wav"))[:, 0] - samples).max() < 2**-14


async def test_a_file_that_tells_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from munsit_denoise.media import ffmpeg as programs

    monkeypatch.setattr(programs, "MAX_TOLD_BYTES", 100)
    with pytest.raises(ProcessingFailed):
        await programs.finish("ffprobe", ["-version"], programs.ProgramLimits(), timeout_s=20)


async def test_an_encoder_that_is_ended_is_no_verdict(tmp_path: Path) -> None:
    track = AudioTrack(RATE_HZ, 1, "mono", "pcm_s16le", 16, False, 60.0, "wav")
    with pytest.raises(Interrupted):
        async with encoding_to(tmp_path / "b.wav", track, wav_encoding(track)) as encoder:
            await encoder.write(np.zeros((RATE_HZ, 1), np.float32))
            os.kill(await started(f"file:{tmp_path}/b.wav"), signal.SIGKILL)
            for _ in range(60):
                await encoder.write(np.zeros((RATE_HZ, 1), np.float32))


@pytest.mark.parametrize(("codec", "rate_hz"), [("libmp3lame", 48_000), ("libmp3lame", 44_100), ("aac", 16_000)])
async def test_no_stamp_is_rounded_where_a_clock_counts_frames(codec: str, rate_hz: int, tmp_path: Path) -> None:
    picture = ["-f", "lavfi", "-i", "testsrc=d=0.4:s=32x32", "-f", "lavfi", "-i", f"sine=r={rate_hz}:d=0.4"]
    ffmpeg(*picture, "-c:v", "mpeg4", "-c:a", codec, tmp_path / "a.avi")
    ffmpeg("-i", tmp_path / "a.avi", "-map", "0:a", "-f", "f32le", tmp_path / "raw")
    assert len(await decoded(tmp_path / "a.avi")) == (tmp_path / "raw").stat().st_size // 4


async def started(argument: str) -> int:
    """Return the process that was given an argument, as soon as there is one."""
    with anyio.fail_after(30):
        while not (found := await anyio.run_process(["pgrep", "-f", argument], check=False)).stdout:
            await anyio.sleep(0.01)
    return int(found.stdout.split()[0])
