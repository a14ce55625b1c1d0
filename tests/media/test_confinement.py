"""Nothing but the given file: readers that open others stay closed, and programs end with the server."""

import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from munsit_denoise.errors import InvalidOption, NotMedia, ProcessingFailed
from munsit_denoise.media.confinement import Confinement, confinement
from munsit_denoise.media.decode import decoding
from munsit_denoise.media.demuxers import ALLOWED, LEFT_OUT
from munsit_denoise.media.ffmpeg import ProgramLimits, running
from munsit_denoise.media.probe import AudioTrack, probe
from tests.audio import write_noisy
from tests.media.test_media import ffmpeg, watch_opens

pytestmark = pytest.mark.anyio


def test_every_demuxer_is_allowed_or_left_out_with_a_reason() -> None:
    done = subprocess.run(["ffmpeg", "-hide_banner", "-demuxers"], check=True, capture_output=True, text=True)
    names = [line.split()[1].split(",")[0] for line in done.stdout.partition("--\n")[2].splitlines()]
    left_out = " ".join(LEFT_OUT.values()).split()
    assert set(ALLOWED) <= set(names)
    assert not set(ALLOWED) & set(left_out)
    assert len(set(left_out)) == len(left_out)
    version = subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True, text=True).stdout
    if re.match(r"ffmpeg version 5\.1", version):  # others have more
        assert not set(names) - set(ALLOWED) - set(left_out)


def linked_mov(secret: Path, folder: Path) -> Path:
    """Write a film whose sound lies, by its data reference, in another file: an alias record with a path."""
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.3", "-c:a", "pcm_s16le", folder / "own.mov")
    content = bytearray((folder / "own.mov").read_bytes())
    name, target = secret.name.encode(), bytes(secret)
    alias = bytes(10) + bytes([4]) + b"disk".ljust(27, b"\0") + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0")
    alias += bytes(16) + struct.pack(">hh", 1, 1) + bytes(16)
    for kind, words in ((18, target), (2, target), (0, bytes(secret.parent))):
        alias += struct.pack(">hh", kind, len(words)) + words + bytes(len(words) % 2)
    alias += struct.pack(">hh", -1, 0)
    alias = alias.ljust(160, b"\0")
    at = content.index(b"dref") + 12
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    grown = len(entry) - int.from_bytes(content[at : at + 4])
    content[at : at + int.from_bytes(content[at : at + 4])] = entry
    for box in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        size = content.rindex(box, 0, at) - 4
        content[size : size + 4] = struct.pack(">I", int.from_bytes(content[size : size + 4]) + grown)
    (folder / "linked.mov").write_bytes(content)
    return folder / "linked.mov"


def linked_matroska(secret: Path, folder: Path) -> Path:
    """Write a file that names the next segment's file."""
    title = "t" * 40
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.3", "-metadata", f"title={title}", "-c:a", "flac", folder / "own.mka")
    content, name = (folder / "own.mka").read_bytes(), secret.name.encode()
    told = b"\x7b\xa9" + bytes([0x80 + len(title)]) + title.encode()
    link = b"\x3e\x83\xbb" + bytes([0x80 + len(title) - 1]) + name.ljust(len(title) - 1, b"\0")
    assert content.count(told) == 1
    (folder / "linked.mka").write_bytes(content.replace(told, link))
    return folder / "linked.mka"


def text(content: str) -> Callable[[Path, Path], Path]:
    def write(secret: Path, folder: Path) -> Path:
        (folder / "a.wma").write_text(content.replace("SECRET", str(secret)))
        return folder / "a.wma"

    return write


HOSTILE = {
    "mov": linked_mov,
    "matroska": linked_matroska,
    "asf": text("[Reference]\r\nRef1=file://SECRET\r\nRef2=SECRET\r\n"),
    "asx": text('<asx version="3.0"><entry><ref href="SECRET"/></entry></asx>'),
    "smil": text('<smil><body><audio src="SECRET"/></body></smil>'),
    "cue": text('FILE "SECRET" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n'),
    "imf": text('<?xml version="1.0"?><CompositionPlaylist><Path>SECRET</Path></CompositionPlaylist>'),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_only_the_given_file_is_opened(kind: str, tmp_path: Path) -> None:
    secret = write_noisy(tmp_path / "secret.wav", 0.5)
    path = HOSTILE[kind](secret, tmp_path)
    opened = watch_opens(secret)
    try:
        track = await probe(path)
    except NotMedia:
        track = AudioTrack(16_000, 1, None, "aac", 0, False, 2.0, "mov")
    try:
        async with decoding(path, track) as blocks:
            [block async for block in blocks]
    except ProcessingFailed:
        pass
    assert not opened()


async def test_a_program_dies_with_a_server_that_is_killed(tmp_path: Path) -> None:
    if not confinement().rights:
        pytest.skip("this system has no setpriv")
    code = """
import sys, anyio
from munsit_denoise.media.ffmpeg import ProgramLimits, running
async def work():
    arguments = ["-v", "quiet", "-re", "-f", "lavfi", "-i", "sine", "-f", "null", sys.argv[1]]
    async with running("ffmpeg", arguments, ProgramLimits()):
        print("on", flush=True)
        await anyio.sleep_forever()
anyio.run(work)
"""
    mark = str(tmp_path / "mark")
    server = subprocess.Popen([sys.executable, "-c", code, mark], stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert await anyio.to_thread.run_sync(server.stdout.readline) == b"on\n"
    try:
        assert await count(f"null {mark}") == 1
    finally:
        server.kill()
        server.communicate()
    with anyio.fail_after(10):
        while await count(f"null {mark}"):
            await anyio.sleep(0.05)


async def count(words: str) -> int:
    done = await anyio.run_process(["pgrep", "-f", words], check=False)
    return len(done.stdout.split())


async def test_programs_have_no_network_and_no_rights() -> None:
    async with running("ffmpeg", ["-re", "-f", "lavfi", "-i", "sine", "-f", "null", "-"], ProgramLimits()) as process:
        await anyio.sleep(0.3)
        status = Path(f"/proc/{process.pid}/status").read_text()
        if confinement().rights:
            assert "NoNewPrivs:\t1" in status
        if confinement().network:
            assert Path(f"/proc/{process.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_what_is_missing_is_told() -> None:
    assert len(Confinement((), (), ()).missing) == 3
    assert all(line.endswith(".") or line.endswith(").") for line in Confinement((), (), ()).missing)
    assert Confinement(("prlimit",), ("unshare",), ("setpriv",)).missing == []


async def test_the_tracks_of_a_file_are_named_where_one_is_asked_for_that_is_not_there(tmp_path: Path) -> None:
    tones = ["-f", "lavfi", "-i", "sine=330:d=0.3", "-f", "lavfi", "-i", "sine=660:d=0.3:r=22050"]
    names = ["-metadata:s:a:0", "language=ara", "-metadata:s:a:1", "title=Commentary"]
    ffmpeg(*tones, "-map", "0", "-map", "1", *names, "-c:a", "flac", tmp_path / "a.mka")
    second = await probe(tmp_path / "a.mka", 1)
    assert (second.index, second.sample_rate_hz, second.title) == (1, 22_050, "Commentary")
    async with decoding(tmp_path / "a.mka", second) as blocks:
        assert sum([len(block) async for block in blocks]) == pytest.approx(0.3 * 22_050, abs=2)
    with pytest.raises(InvalidOption, match=r"audio_track 2 is not.*0: ara, flac.*1: Commentary, flac, 1 channels"):
        await probe(tmp_path / "a.mka", 2)
