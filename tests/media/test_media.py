"""Probe, decode and encode with the real ffmpeg: every rate and width, nothing but the given file."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from munsit_denoise.errors import NotMedia, ProcessingFailed, StorageFull
from munsit_denoise.media import probe as probing
from munsit_denoise.media.decode import decoding
from munsit_denoise.media.encode import encoding_to
from munsit_denoise.media.ffmpeg import Finished, ProgramLimits, finish, running
from munsit_denoise.media.formats import Encoding, wav_encoding
from munsit_denoise.media.probe import AudioTrack, probe
from munsit_denoise.media.sample import write_sample
from tests.audio import ffmpeg, voice, write_noisy

pytestmark = pytest.mark.anyio


async def decoded(path: Path) -> NDArray[np.float32]:
    track = await probe(path)
    async with decoding(path, track) as blocks:
        return np.concatenate([block async for block in blocks])


def watch_opens(path: Path) -> Callable[[], bool]:
    """Return a function that says whether anybody opened a file since now, by inotify."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(descriptor, bytes(path), 0x20) >= 0  # IN_OPEN

    def opened() -> bool:
        try:
            return bool(os.read(descriptor, 4096))
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)

    return opened


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
async def test_wav_is_decoded_to_the_sample(tmp_path: Path, rate_hz: int) -> None:
    samples = voice(0.7, rate_hz)[: int(0.7 * rate_hz) - 3]
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    track = await probe(tmp_path / "a.wav")
    assert (track.sample_rate_hz, track.channels) == (rate_hz, 1)
    assert track.duration_s == pytest.approx(len(samples) / rate_hz, abs=1e-5)
    assert np.array_equal((await decoded(tmp_path / "a.wav"))[:, 0], samples)


@pytest.mark.parametrize(
    ("subtype", "codec", "step"),
    [
        ("PCM_U8", "pcm_s16le", 2**-7),
        ("PCM_16", "pcm_s16le", 2**-15),
        ("PCM_24", "pcm_s24le", 2**-23),
        ("PCM_32", "pcm_s24le", 2**-23),
        ("FLOAT", "pcm_f32le", 1e-7),
        ("DOUBLE", "pcm_f32le", 1e-7),
        ("ULAW", "pcm_s16le", 0.05),
    ],
)
async def test_every_width_survives_a_round_trip(tmp_path: Path, subtype: str, codec: str, step: float) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    samples = np.clip(voice(0.5, 16_000), -0.9, 0.9)
    soundfile.write(source, samples, 16_000, subtype=subtype)
    track = await probe(source)
    assert codec in wav_encoding(track).options
    async with decoding(source, track) as blocks, encoding_to(target, track, wav_encoding(track)) as encoder:
        async for block in blocks:
            await encoder.write(block)
    result, rate_hz = soundfile.read(target, dtype="float64")
    assert (len(result), rate_hz) == (len(samples), 16_000)
    assert np.max(np.abs(result - samples)) <= 1.01 * step


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
async def test_channels_keep_number_and_order(tmp_path: Path, channels: int) -> None:
    source, target = tmp_path / "a.wav", tmp_path / "b.wav"
    samples = np.tile(np.arange(1, channels + 1) / 10, (4_000, 1))
    soundfile.write(source, samples, 8_000)
    track = await probe(source)
    async with decoding(source, track) as blocks, encoding_to(target, track, wav_encoding(track)) as encoder:
        async for block in blocks:
            await encoder.write(block)
    result, _ = soundfile.read(target)
    assert np.allclose(result.mean(axis=0), np.arange(1, channels + 1) / 10, atol=1e-4)


async def test_numbers_that_are_none_become_silence(tmp_path: Path) -> None:
    samples = voice(0.5)
    samples[100:200] = np.nan
    samples[300:310] = np.inf
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    assert np.isfinite(await decoded(tmp_path / "a.wav")).all()


@pytest.mark.parametrize("name", ["empty.wav", "text.mp3", "random.mp4", "silent.mp4", "header.wav"])
async def test_what_holds_no_sound_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    contents = {
        "empty.wav": b"",
        "text.mp3": b"hello " * 1000,
        "random.mp4": bytes(np.random.default_rng(0).bytes(9999)),
    }
    contents["header.wav"] = write_noisy(tmp_path / "a.wav", 1).read_bytes()[:44]
    if name == "silent.mp4":
        ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=64x64", path)
    else:
        path.write_bytes(contents[name])
    with pytest.raises(NotMedia):
        await probe(path)


async def test_a_header_that_lies_does_not_decide_the_duration(tmp_path: Path) -> None:
    whole = write_noisy(tmp_path / "a.wav", 3).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 3])
    assert (await probe(tmp_path / "cut.wav")).duration_s == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("announced", "present", "programs"), [(3, 3, 0), (3, 1, 1), (0, 3, 1), (1, 3, 2)], ids=str)
async def test_a_wav_is_read_to_its_end_only_where_its_header_is_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, announced: int, present: int, programs: int
) -> None:
    contents = bytearray(write_noisy(tmp_path / "a.wav", 3).read_bytes())
    second = (len(contents) - 44) // 3
    contents[40:44] = (announced * second).to_bytes(4, "little")  # 0 is what a recorder leaves that breaks off
    (tmp_path / "b.wav").write_bytes(contents[: 44 + present * second])
    started = []

    async def counted(name: str, *arguments: Any, **options: Any) -> Finished:
        started.append(name)
        return await finish(name, *arguments, **options)

    monkeypatch.setattr(probing, "finish", counted)
    track = await probe(tmp_path / "b.wav")
    assert len(started) == programs
    async with decoding(tmp_path / "b.wav", track) as blocks:
        assert sum([len(block) async for block in blocks]) == pytest.approx(track.duration_s * track.sample_rate_hz)


async def test_a_recording_without_a_duration_is_measured(tmp_path: Path) -> None:
    source = write_noisy(tmp_path / "a.wav", 2)
    with (tmp_path / "live.webm").open("wb") as file:
        file.write(ffmpeg("-i", source, "-f", "webm", "-live", "1", "pipe:1"))
    assert (await probe(tmp_path / "live.webm")).duration_s == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    "name", ["list.m3u8", "list.mp4", "list.mp3", "script.wav", "script.txt", "dash.mp4", "scene.sdp"]
)
async def test_playlists_open_no_other_file(tmp_path: Path, name: str) -> None:
    """A file that points at another one is refused, and the other one is not opened."""
    secret = tmp_path / "secret.ts"
    ffmpeg("-f", "lavfi", "-i", "sine=d=2", "-c:a", "aac", "-f", "mpegts", secret)
    texts = {
        "list": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n",
        "script": f"ffconcat version 1.0\nfile {secret.name}\n",
        "dash": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{secret}</BaseURL></MPD>',
        "scene": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\na=control:{secret}\n",
    }
    path = tmp_path / name
    path.write_text(texts[name.partition(".")[0]])
    opened = watch_opens(secret)
    with pytest.raises(NotMedia):
        await probe(path)
    track = AudioTrack(16_000, 1, None, "aac", 0, False, 2.0, "mov")
    with pytest.raises(ProcessingFailed):
        async with decoding(path, track) as blocks:
            [block async for block in blocks]
    assert not opened()


async def test_absurd_formats_are_refused(tmp_path: Path) -> None:
    for rate_hz, channels in ((1_000, 1), (655_350, 1), (192_000, 16)):
        soundfile.write(tmp_path / "a.wav", np.zeros((4_000, channels), np.int16), rate_hz)
        with pytest.raises(NotMedia):
            await probe(tmp_path / "a.wav")


async def test_a_cancelled_decoder_is_gone(tmp_path: Path) -> None:
    path = write_noisy(tmp_path / "a.wav", 60)
    track = await probe(path)
    with anyio.move_on_after(0.2):
        async with decoding(path, track) as blocks:
            async for _ in blocks:
                await anyio.sleep_forever()
    running_now = subprocess.run(["pgrep", "-f", f"file:{path}"], check=False, capture_output=True).stdout
    assert running_now == b""


async def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ProcessingFailed):
        await finish(
            "ffmpeg",
            ["-v", "quiet", "-re", "-f", "lavfi", "-i", "sine", "-f", "null", "-"],
            ProgramLimits(),
            timeout_s=0.5,
        )


async def test_starting_a_program_leaves_the_memory_of_the_process_alone() -> None:
    """A fork has the process fault in what it writes next; here 50,000 pages, after each of four starts."""
    code = """
import resource, anyio
from munsit_denoise.media.ffmpeg import ProgramLimits, finish
async def work():
    memory = bytearray(200 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        await finish("ffprobe", ["-version"], ProgramLimits(), timeout_s=20)
        memory[::4096] = bytes(len(memory) // 4096)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
anyio.run(work, backend_options={"use_uvloop": True})
"""
    done = await anyio.run_process([sys.executable, "-c", code])
    assert int(done.stdout) < 10_000


async def test_limits_reach_the_program() -> None:
    arguments = ["-v", "quiet", "-f", "lavfi", "-i", "sine", "-f", "null", "-"]
    with anyio.fail_after(20):
        async with running("ffmpeg", arguments, ProgramLimits(cpu_s=1)) as process:
            assert await process.wait() < 0


async def test_a_format_that_cannot_hold_the_sound_is_told(tmp_path: Path) -> None:
    source = write_noisy(tmp_path / "a.wav", 1, 16_000, 6)
    track = await probe(source)
    with pytest.raises(ProcessingFailed):
        async with (
            decoding(source, track) as blocks,
            encoding_to(tmp_path / "b.nonsense", track, Encoding("nonsense", ())) as encoder,
        ):
            async for block in blocks:
                await encoder.write(block)


async def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_noisy(tmp_path / "a.wav", 1)
    track = await probe(source)
    monkeypatch.setattr("munsit_denoise.media.encode.RESERVE_BYTES", 2**62)
    with pytest.raises(StorageFull):
        async with encoding_to(Path("/dev/full"), track, wav_encoding(track)) as encoder:
            for _ in range(50):
                await encoder.write(np.zeros((16_000, 1), np.float32))


async def test_the_sample_is_a_recording(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.wav")
    track = await probe(tmp_path / "sample.wav")
    assert track.duration_s == pytest.approx(5.5, abs=0.1)
