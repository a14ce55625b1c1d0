"""What belongs to a recording stays with it: tags, cover, chapters, chunks; what is no longer true goes."""

import struct
from pathlib import Path
from typing import Any

import mutagen
import pytest
import soundfile
from mutagen.id3 import ID3, POPM, TXXX
from mutagen.mp4 import MP4

from munsit_denoise.media.riff import read_chunks
from tests.audio import hiss
from tests.media.films import CASES, codecs, convert, ffmpeg, shown, tags

pytestmark = pytest.mark.anyio
ALL = ["mp3", "flac", "ogg", "opus", "m4a", "wma", "wav", "aiff", "mka"]
TITLE = "مقابلة; a=b"


def cover_of(path: Path) -> bytes:
    return ffmpeg("-i", path, "-map", "0:v:0", "-c", "copy", "-f", "rawvideo", "-")


def titles(path: Path, everything: dict[str, Any] | None = None) -> list[tuple[float, str]]:
    found = (everything or shown(path))["chapters"]
    return [(round(float(each["start_time"]), 2), each.get("tags", {}).get("title", "")) for each in found]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagged recording with a cover and chapters, as FLAC, MP3 and M4A."""
    folder = tmp_path_factory.mktemp("tagged")
    soundfile.write(folder / "a.wav", hiss(12_000), 48_000)
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=32x32", "-frames:v", "1", folder / "cover.jpg")
    (folder / "tags").write_text(
        f";FFMETADATA1\ntitle={TITLE.replace('=', chr(92) + '=').replace(';', chr(92) + ';')}\nartist=One\nalbum=Two\n"
        "date=2024\ngenre=Speech\ntrack=3\ncomment=Said\ncomposer=Four\nreplaygain_track_gain=-3 dB\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=100\ntitle=Intro\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=100\nEND=250\ntitle=Talk\n"
    )
    inputs = ["-i", folder / "a.wav", "-i", folder / "cover.jpg", "-f", "ffmetadata", "-i", folder / "tags"]
    maps = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic", "-map_metadata", "2"]
    for extension in ("mp3", "flac", "m4a"):
        ffmpeg(*inputs, *maps, "-map_chapters", "2", folder / f"a.{extension}")
    return folder


@pytest.mark.parametrize("source", ["mp3", "flac", "m4a"])
async def test_tags_cover_and_chapters_go_from_format_to_format(recording: Path, source: str, tmp_path: Path) -> None:
    path = recording / f"a.{source}"
    before = titles(path)
    for extension in ALL if source == "mp3" else [source, "mp3", "opus"]:
        result = tmp_path / f"o.{extension}"
        assert (await convert(path, result)).notes == ()
        everything = shown(result)
        found = tags(result, everything)
        assert (found["title"], found["artist"], found["album"]) == (TITLE, "One", "Two"), extension
        assert (found["date"], found["genre"], found["comment"]) == ("2024", "Speech", "Said"), extension
        assert not any("replaygain" in key for key in found), extension
        assert cover_of(result) == (recording / "cover.jpg").read_bytes(), extension
        assert titles(result, everything) == before, extension
        if extension != "mka":
            assert mutagen.File(result).tags, extension


async def test_the_case_of_a_podcast(tmp_path: Path) -> None:
    await convert(CASES / "tag.mp3", tmp_path / "o.mp3")
    found = tags(tmp_path / "o.mp3")
    assert [found[key] for key in ("title", "artist", "album", "date")] == ["Episode 12", "Studio", "Podcast", "2024"]
    assert cover_of(tmp_path / "o.mp3") == cover_of(CASES / "tag.mp3")
    assert len(cover_of(tmp_path / "o.mp3")) == 3_069
    assert titles(tmp_path / "o.mp3") == [(0.0, "Intro"), (0.4, "Talk")]
    samples = len(ffmpeg("-i", tmp_path / "o.mp3", "-map", "0:a", "-f", "s16le", "-ac", "1", "-")) // 2
    assert samples == 48_000


async def test_what_ffmpeg_does_not_know_stays_between_files_of_a_kind(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes((recording / "a.mp3").read_bytes())
    own = ID3(tmp_path / "a.mp3")
    own.add(POPM(email="me", rating=200, count=3))
    own.add(TXXX(encoding=3, desc="REPLAYGAIN_TRACK_PEAK", text=["0.5"]))
    own.save()
    await convert(tmp_path / "a.mp3", tmp_path / "o.mp3")
    assert ID3(tmp_path / "o.mp3")["POPM:me"].rating == 200
    assert not ID3(tmp_path / "o.mp3").getall("TXXX:REPLAYGAIN_TRACK_PEAK")
    (tmp_path / "a.m4a").write_bytes((recording / "a.m4a").read_bytes())
    film = MP4(tmp_path / "a.m4a")
    film["----:com.apple.iTunes:LABEL"], film["----:com.apple.iTunes:iTunSMPB"] = [b"Five"], [b" 0 1 2"]
    film.save()
    await convert(tmp_path / "a.m4a", tmp_path / "o.m4a")
    found = MP4(tmp_path / "o.m4a").tags
    assert found["----:com.apple.iTunes:LABEL"] == [b"Five"]
    assert "----:com.apple.iTunes:iTunSMPB" not in found


async def test_keys_of_quicktime_language_and_time_of_creation_stay(tmp_path: Path) -> None:
    keys = {"com.apple.quicktime.make": "Apple", "com.apple.quicktime.location.ISO6709": "+48.1+011.5/"}
    keys |= {"creation_time": "2024-05-01T10:00:00.000000Z", "title": "One"}
    written = [word for key, value in keys.items() for word in ("-metadata", f"{key}={value}")]
    written += ["-metadata:s:a:0", "language=ara", "-movflags", "use_metadata_tags"]
    ffmpeg("-i", CASES / "sd.mp4", "-c", "copy", *written, tmp_path / "a.mov")
    for extension in ("mov", "mp4", "mkv"):
        await convert(tmp_path / "a.mov", tmp_path / f"o.{extension}")
        found = tags(tmp_path / f"o.{extension}")
        assert {key: found[key.lower()] for key in keys} == keys
        assert found["language"] == "ara"


async def test_covers_of_films_stay_covers(recording: Path, tmp_path: Path) -> None:
    attached = ["-attach", recording / "cover.jpg", "-metadata:s:t", "mimetype=image/jpeg"]
    attached += ["-metadata:s:t", "filename=cover.jpg"]
    ffmpeg("-i", CASES / "sd.mp4", "-c", "copy", *attached, tmp_path / "a.mkv")
    for extension in ("mkv", "mp4"):
        await convert(tmp_path / "a.mkv", tmp_path / f"o.{extension}")
        covers = [each["disposition"]["attached_pic"] for each in shown(tmp_path / f"o.{extension}")["streams"]]
        assert sorted(covers) == [0, 0, 1]
        index = covers.index(1)
        told = ffmpeg("-i", tmp_path / f"o.{extension}", "-map", f"0:{index}", "-c", "copy", "-f", "rawvideo", "-")
        assert told == (recording / "cover.jpg").read_bytes()


def chunks(path: Path) -> dict[bytes, bytes]:
    with path.open("rb") as file:
        return {name: file.read(size) for name, size in read_chunks(file)}


def write_broadcast(path: Path) -> Path:
    """Write a WAV with a bext chunk of version 2, which tells loudness, an odd iXML chunk and a marker."""
    soundfile.write(path, hiss(800), 8_000)
    bext = (
        b"Scene 3".ljust(338, b"\0") + struct.pack("<QH", 57_600_000, 2) + bytes(64) + struct.pack("<5h", *[-2_300] * 5)
    )
    cue = struct.pack("<IIIIIII", 1, 1, 400, 0, 0, 0, 400)
    extra = b""
    for name, data in ((b"bext", bext.ljust(602, b"\0")), (b"iXML", b"<BWFXML/>"), (b"cue ", cue)):
        extra += name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    whole = path.read_bytes() + extra
    path.write_bytes(whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:])
    return path


async def test_chunks_of_a_broadcast_wav_stay(tmp_path: Path) -> None:
    source = write_broadcast(tmp_path / "a.wav")
    await convert(source, tmp_path / "o.wav")
    before, after = chunks(source), chunks(tmp_path / "o.wav")
    assert (after[b"iXML"], after[b"cue "]) == (before[b"iXML"], before[b"cue "])
    assert after[b"bext"][:412] == before[b"bext"][:412]
    assert after[b"bext"][412:422] == struct.pack("<h", 0x7FFF) * 5
    assert soundfile.info(tmp_path / "o.wav").frames == 800
    assert struct.unpack("<I", (tmp_path / "o.wav").read_bytes()[4:8])[0] == (tmp_path / "o.wav").stat().st_size - 8


async def test_the_case_of_a_field_recorder(tmp_path: Path) -> None:
    await convert(CASES / "bext.wav", tmp_path / "o.wav")
    assert chunks(tmp_path / "o.wav")[b"bext"] == chunks(CASES / "bext.wav")[b"bext"]
    assert soundfile.info(tmp_path / "o.wav").frames == 8_000
    await convert(CASES / "bext.wav", tmp_path / "o.flac")
    assert tags(tmp_path / "o.flac")["creation_time"] == "2024-05-01T01:00:00Z"
    await convert(tmp_path / "o.flac", tmp_path / "p.wav")
    bext = chunks(tmp_path / "p.wav")[b"bext"]
    assert bext[:7] == b"Scene 3"
    assert bext[256:264] == b"Recorder"
    assert bext[320:338] == b"2024-05-0101:00:00"
    assert struct.unpack("<Q", bext[338:346])[0] == 57_600_000


async def test_a_cover_that_has_no_place_is_said(recording: Path, tmp_path: Path) -> None:
    assert "cover" in (await convert(recording / "a.mp3", tmp_path / "o.ac3")).notes[0]
    assert codecs(tmp_path / "o.ac3") == ["ac3"]


@pytest.mark.parametrize("extension", ["mp4", "mov"])
async def test_a_cover_stays_beside_the_keys_of_quicktime(recording: Path, extension: str, tmp_path: Path) -> None:
    keys = ["-metadata", "com.apple.quicktime.make=Apple", "-movflags", "use_metadata_tags"]
    ffmpeg("-i", recording / "a.m4a", "-map", "0:a", "-c", "copy", *keys, tmp_path / "k.mp4")
    file = MP4(tmp_path / "k.mp4")
    file.tags["covr"] = MP4(recording / "a.m4a").tags["covr"]
    file.save()
    await convert(tmp_path / "k.mp4", tmp_path / f"o.{extension}")
    found = tags(tmp_path / f"o.{extension}")
    assert (found["com.apple.quicktime.make"], found["title"]) == ("Apple", TITLE)
    assert cover_of(tmp_path / f"o.{extension}") == (recording / "cover.jpg").read_bytes()
