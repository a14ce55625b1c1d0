"""Plain WAVs are read without a program, and say the same as ffprobe; the others are left to it."""

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from munsit_denoise.errors import NotMedia
from munsit_denoise.media import contents as holding
from munsit_denoise.media import probe as probing
from munsit_denoise.media.contents import read_contents
from munsit_denoise.media.probe import probe
from munsit_denoise.media.wav import SUBFORMAT, read_plain_wav

pytestmark = pytest.mark.anyio
RATE_HZ = 11_025
LIST = (b"LIST", b"INFOINAM\4\0\0\0abc\0")
SOUND = bytes(np.random.default_rng(0).integers(1, 100, 4_800, np.uint8))
Chunks = Sequence[tuple[bytes, bytes]]


def form(tag: int, channels: int, bits: int, tail: bytes = b"", rate_hz: int = RATE_HZ) -> tuple[bytes, bytes]:
    frame = channels * bits // 8
    return b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits) + tail


def extensible(channels: int, bits: int, mask: int, tag: int = 1, valid_bits: int = 0) -> tuple[bytes, bytes]:
    tail = struct.pack("<HHIH", 22, valid_bits or bits, mask, tag) + SUBFORMAT
    return form(0xFFFE, channels, bits, tail)


def write(path: Path, chunks: Chunks, end: bytes = b"") -> Path:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body + end)
    return path


PLAIN: dict[str, Chunks] = {
    "u8": [form(1, 1, 8), (b"data", SOUND)],
    "s16": [form(1, 2, 16), (b"fact", bytes(4)), (b"data", SOUND), LIST],
    "s24": [(b"JUNK", bytes(28)), form(1, 2, 24, b"\0\0"), LIST, (b"data", SOUND)],
    "s32": [form(1, 1, 32), (b"data", SOUND)],
    "f32": [form(3, 2, 32, b"\0\0"), (b"data", SOUND)],
    "f64": [form(3, 1, 64), (b"data", SOUND[:3_000])],
    "mono": [extensible(1, 24, 4), (b"data", SOUND)],
    "stereo": [extensible(2, 32, 3, tag=3), (b"data", SOUND)],
    "no places": [extensible(2, 16, 0), (b"data", SOUND)],
    "silence": [form(1, 1, 16), (b"data", bytes(4_800))],
}


@pytest.mark.parametrize("name", PLAIN)
async def test_a_plain_wav_is_to_us_what_it_is_to_ffprobe(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.wav", PLAIN[name])
    wav = read_plain_wav(path)
    assert wav is not None
    assert probing._plain_track(wav) == probing._track_of(await probing._header(path), 0)


DOUBTFUL: dict[str, tuple[Chunks, bytes]] = {
    "many channels": ([form(1, 6, 16), (b"data", SOUND)], b""),
    "unusual places": ([extensible(2, 16, 0x30), (b"data", SOUND)], b""),
    "fewer valid bits": ([extensible(2, 32, 3, valid_bits=20), (b"data", SOUND)], b""),
    "packed otherwise": ([(b"fmt ", form(1, 1, 24)[1][:12] + b"\4\0\x18\0"), (b"data", SOUND)], b""),
    "coded": ([form(2, 1, 4), (b"data", SOUND)], b""),
    "two formats": ([form(1, 1, 16), form(1, 2, 16), (b"data", SOUND)], b""),
    "no format before the samples": ([(b"data", SOUND), form(1, 1, 16)], b""),
    "samples twice": ([form(1, 1, 16), (b"data", SOUND), (b"data", SOUND)], b""),
    "no samples": ([form(1, 1, 16), (b"data", b"")], b""),
    "half a sample": ([form(1, 1, 16), (b"data", SOUND[:-1])], b""),
    "more announced than there is": ([form(1, 1, 16)], b"data\xff\xff\0\0" + SOUND),
    "a chunk that nobody knows": ([form(1, 1, 16), (b"wXYZ", b"1234"), (b"data", SOUND)], b""),
    "DTS": ([form(1, 2, 16), (b"data", bytes(400) + b"\xfe\x7f\x01\x80" + SOUND[:4_000])], b""),
    "S/PDIF": ([form(1, 2, 16), (b"data", SOUND[:400] + b"\x72\xf8\x1f\x4e" + SOUND[:4_000])], b""),
    "AC-3": ([form(1, 2, 16), (b"data", bytes(8) + b"\x0b\x77" + SOUND[:4_002])], b""),
    "MP3": ([form(1, 2, 16), (b"data", b"\xff\xfb\x90\x64" + SOUND[:4_000])], b""),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_leaves_something_to_guess_is_left_to_ffprobe(tmp_path: Path, name: str) -> None:
    assert read_plain_wav(write(tmp_path / "a.wav", *DOUBTFUL[name])) is None


async def test_a_plain_wav_starts_no_program_and_is_refused_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    monkeypatch.setattr(probing, "finish", none)
    assert (await probe(write(tmp_path / "a.wav", PLAIN["s16"]))).channels == 2
    with pytest.raises(NotMedia, match="Sound at 1000 Hz"):
        await probe(write(tmp_path / "b.wav", [form(1, 1, 16, rate_hz=1_000), (b"data", SOUND)]))


@pytest.mark.parametrize("name", ["u8", "f32", "stereo", "no places"])
async def test_a_bare_wav_holds_what_ffprobe_finds_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write(tmp_path / "a.wav", PLAIN[name])
    ours = await read_contents(path)
    monkeypatch.setattr(holding, "read_plain_wav", lambda _: None)
    theirs = await read_contents(path)
    assert replace(theirs, streams=tuple(replace(each, code="") for each in theirs.streams)) == ours


@pytest.mark.parametrize("name", ["s16", "s24"])
def test_a_wav_that_tells_something_is_not_bare(tmp_path: Path, name: str) -> None:
    wav = read_plain_wav(write(tmp_path / "a.wav", PLAIN[name]))
    assert wav is not None
    assert not wav.is_bare
