"""Films come back whole: in sync, the picture as it was or one that players read, nothing lost without a word."""

from pathlib import Path

import anyio
import pytest

from munsit_denoise.jobs import pipeline
from munsit_denoise.jobs.pipeline import SAVING
from munsit_denoise.media import mux
from munsit_denoise.media.containers import CONTAINERS
from munsit_denoise.media.formats import FORMATS, WITH_PICTURE
from munsit_denoise.media.loudness import Loudness, _shortcomings
from munsit_denoise.media.types import media_type
from tests.media.films import CASES, codecs, convert, ffmpeg, frames, heard, lag_s, shown, write_film

pytestmark = pytest.mark.anyio
SYNC_S = 0.005
SOURCES = {"ts": ("libx264", "aac"), "mp4": ("libx264", "aac"), "mkv": ("libx264", "libopus")}
SOURCES |= {"mov": ("libx264", "pcm_s24le")}


@pytest.mark.parametrize("extension", ["ts", "mp4", "mkv"])
async def test_sound_that_begins_after_the_picture_stays_there(extension: str, tmp_path: Path) -> None:
    source, result = CASES / "sync_aac.ts", tmp_path / f"o.{extension}"
    await convert(source, result)
    assert abs(lag_s(heard(source), heard(result))) < SYNC_S
    assert frames(result) == frames(source)
    assert len(frames(result)) == 75


@pytest.mark.parametrize(
    ("source", "start_s", "targets"),
    [
        ("ts", -0.5, ["mp4"]),
        ("ts", 0.7, ["ts"]),
        ("mp4", 0.7, ["mp4", "mpg"]),
        ("mp4", 0.0, ["avi"]),
        ("mkv", -0.5, ["mkv"]),
        ("mkv", 0.0, ["mxf"]),
        ("mkv", 5.0, ["wmv"]),
    ],
)
async def test_sync_from_container_to_container(
    source: str, start_s: float, targets: list[str], tmp_path: Path
) -> None:
    film = write_film(tmp_path / f"a.{source}", SOURCES[source], start_s)
    before, pictures = heard(film), frames(film)
    for extension in targets:
        result = tmp_path / f"o.{extension}"
        await convert(film, result)
        assert abs(lag_s(before, heard(result))) < SYNC_S, extension
        found = frames(result)
        assert found == pictures if codecs(result)[0] == codecs(film)[0] else abs(len(found) - 25) <= 1, extension


async def test_frames_that_come_when_they_like_stay_in_sync(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", SOURCES["mkv"], 0.0, "-vf", "select='not(mod(n,3))'", "-fps_mode", "vfr")
    await convert(film, tmp_path / "o.webm")
    assert abs(lag_s(heard(film), heard(tmp_path / "o.webm"))) < SYNC_S
    assert len(frames(tmp_path / "o.webm")) == len(frames(film))


async def test_a_film_with_a_cut_start_stays_in_sync(tmp_path: Path) -> None:
    whole = write_film(tmp_path / "a.mp4", SOURCES["mp4"], 0.3)
    ffmpeg("-ss", "0.35", "-i", whole, "-map", "0", "-c", "copy", tmp_path / "b.mp4")  # leaves an edit list
    await convert(tmp_path / "b.mp4", tmp_path / "o.mp4")
    assert abs(lag_s(heard(tmp_path / "b.mp4"), heard(tmp_path / "o.mp4"))) < SYNC_S


async def test_mpeg_program_streams_get_a_picture_that_players_read(tmp_path: Path) -> None:
    await convert(CASES / "sd.mp4", tmp_path / "o.mpg")
    picture, sound = shown(tmp_path / "o.mpg")["streams"]
    assert (picture["codec_name"], picture["width"], picture["height"]) == ("mpeg2video", 320, 180)
    assert sound["codec_type"] == "audio"
    assert abs(len(frames(tmp_path / "o.mpg")) - 25) <= 1


@pytest.mark.parametrize(("extension", "sounds"), [("mp4", 1), ("mkv", 1), ("mov", 2)])
async def test_a_sound_track_that_nobody_decodes_costs_no_picture(extension: str, sounds: int, tmp_path: Path) -> None:
    outcome = await convert(CASES / "iphone16b.mov", tmp_path / f"o.{extension}")
    said = f"The sound track (apac) is left out: .{extension} files do not hold it."
    found = codecs(tmp_path / f"o.{extension}")
    assert found[0] == "h264"
    assert len(found) == 1 + sounds
    assert frames(tmp_path / f"o.{extension}") == frames(CASES / "iphone16b.mov")
    assert outcome.notes == ((said,) if sounds == 1 else ())


async def test_what_a_container_does_not_hold_is_converted_or_said(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mkv", ("libx265", "libopus"), 0.0, "-x265-params", "log-level=none")
    (tmp_path / "a.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\nHello\n")
    (tmp_path / "a.ttf").write_bytes(b"a font")
    inputs = ["-i", film, "-i", tmp_path / "a.noise.wav", "-i", tmp_path / "a.srt"]
    maps = ["-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-c:s", "srt", "-metadata:s:a:1", "language=ara"]
    ffmpeg(*inputs, *maps, "-attach", tmp_path / "a.ttf", "-metadata:s:t", "mimetype=font/ttf", tmp_path / "b.mkv")
    outcome = await convert(tmp_path / "b.mkv", tmp_path / "o.mp4")
    picture, sound, further, text = shown(tmp_path / "o.mp4")["streams"]
    assert (picture["codec_name"], picture["codec_tag_string"]) == ("hevc", "hvc1")
    assert (sound["codec_name"], further["codec_name"], text["codec_name"]) == ("aac", "aac", "mov_text")
    assert further["tags"]["language"] == "ara"
    assert outcome.notes == ("The attachment (a.ttf) is left out: .mp4 files do not hold it.",)
    assert (await convert(tmp_path / "b.mkv", tmp_path / "o.mkv")).notes == ()
    assert codecs(tmp_path / "o.mkv") == codecs(tmp_path / "b.mkv")


async def test_lossless_sound_stays_lossless_in_its_container(tmp_path: Path) -> None:
    film = write_film(tmp_path / "a.mov", SOURCES["mov"])
    await convert(film, tmp_path / "o.mov")
    assert codecs(tmp_path / "o.mov") == ["h264", "pcm_s24le"]
    assert ffmpeg("-i", tmp_path / "o.mov", "-f", "s24le", "-") == ffmpeg("-i", film, "-f", "s24le", "-")
    ffmpeg("-i", tmp_path / "a.noise.wav", "-c:a", "alac", tmp_path / "a.m4a")
    await convert(tmp_path / "a.m4a", tmp_path / "o.m4a")
    assert codecs(tmp_path / "o.m4a") == ["alac"]
    assert ffmpeg("-i", tmp_path / "o.m4a", "-f", "s24le", "-") == ffmpeg("-i", tmp_path / "a.m4a", "-f", "s24le", "-")


async def test_the_same_film_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("o.mp4", "p.mp4"):
        await convert(CASES / "sd.mp4", tmp_path / name)
    assert (tmp_path / "o.mp4").read_bytes() == (tmp_path / "p.mp4").read_bytes()


async def test_progress_moves_while_a_picture_is_encoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "REPORT_INTERVAL_S", 0)
    told: list[tuple[int, str]] = []
    await convert(CASES / "sd.mp4", tmp_path / "o.mpg", report=lambda percent, message: told.append((percent, message)))
    saving = [percent for percent, message in told if message == SAVING]
    assert saving == sorted(set(saving))
    assert saving[0] < saving[-1] == 99


async def test_a_cancelled_picture_is_given_up_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = ["-f", "lavfi", "-i", "testsrc=d=8:s=640x360", "-f", "lavfi", "-i", "sine=d=8", "-preset", "ultrafast"]
    ffmpeg(*film, tmp_path / "a.mp4")
    begun = anyio.Event()
    encode = mux.encode_picture

    async def encode_and_tell(*arguments: object) -> None:
        begun.set()
        await encode(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(mux, "encode_picture", encode_and_tell)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(convert, tmp_path / "a.mp4", tmp_path / "o.webm")
        await begun.wait()
        with anyio.fail_after(2):
            tasks.cancel_scope.cancel()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_peak_that_coding_raises_is_said() -> None:
    assert _shortcomings(-16.0, Loudness(-16.1, -1.2)) == ()
    assert "-0.4 dBTP" in _shortcomings(-16.0, Loudness(-16.1, -0.4))[0]
    assert "-20.0 LUFS instead of -16" in _shortcomings(-16.0, Loudness(-20.0, -1.2))[0]


def test_every_container_of_films_is_known() -> None:
    for extension in WITH_PICTURE:
        assert FORMATS[extension][0] in CONTAINERS
        assert media_type(extension) != "application/octet-stream"
