"""Every format in, every format out, level and picture: what comes out plays, is as long, and is whole."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from munsit_denoise.errors import InvalidOption
from munsit_denoise.jobs.pipeline import PipelineTask, enhance_file
from munsit_denoise.media.formats import FORMATS, MUXER_OPTIONS, WITH_PICTURE, encoding_for, result_extension
from munsit_denoise.media.loudness import measure_loudness
from munsit_denoise.media.probe import AudioTrack, probe
from munsit_denoise.media.types import media_type
from tests.audio import ffmpeg, hiss, voice

pytestmark = pytest.mark.anyio
SECONDS = 1.2
NAMED = ["amr", "asf", "flac", "flv", "m4a", "mp3", "mp4", "mpeg", "mpg", "mkv", "mov", "ogg", "wav", "webm"]
NAMED += ["wma", "wmv"]  # by the contract, as inputs
SAME = {"asf": "wma", "wmv": "wma", "mpeg": "mpg"}  # another name for the same file
DISTINCT = [extension for extension in NAMED if extension not in SAME]
OUT = [*DISTINCT, "opus", "aac"]
TOLERANCE_S = 0.05


class Passthrough:
    """Leaves the sound alone."""

    def feed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        return block

    def flush(self) -> NDArray[np.float32]:
        return np.zeros((0, 2), np.float32)


async def convert(source: Path, target: Path, level_lufs: float | None = None, track: AudioTrack | None = None) -> None:
    work = PipelineTask(source, target, track or await probe(source), target.suffix[1:], level_lufs)
    await enhance_file(work, Passthrough(), lambda _, __: None)


def played(*paths: Path) -> list[NDArray[np.float32]]:
    """Return what a player makes of files: [samples, 2] at 48 kHz of each."""
    inputs, outputs = [], []
    for number, path in enumerate(paths):
        inputs += ["-i", path]
        outputs += ["-map", f"{number}:a:0", "-ar", "48000", "-ac", "2", "-f", "f32le", f"{path}.raw"]
    ffmpeg(*inputs, *outputs)
    return [np.fromfile(f"{path}.raw", "<f4").reshape(-1, 2) for path in paths]


def write_stereo(path: Path, rate_hz: int = 44_100) -> Path:
    """Write two voices, one a channel, neither of them silent."""
    left = voice(SECONDS, rate_hz)
    soundfile.write(path, np.stack([left, np.roll(left, rate_hz // 5)], axis=1) + hiss(2, rms=1e-4), rate_hz)
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A stereo recording in every format that the contract names, as ffmpeg writes it by itself."""
    folder = tmp_path_factory.mktemp("sources")
    wav, found = write_stereo(folder / "a.wav"), {e: folder / f"in.{e}" for e in DISTINCT}
    amr = found["amr"]
    ffmpeg("-i", wav, *(path for path in found.values() if path != amr), "-ar", "8000", "-ac", "1", amr)
    return found


def test_other_names_are_for_the_same_files() -> None:
    for name, other in SAME.items():
        assert FORMATS[name] == FORMATS[other]


def partners(source: str) -> list[str]:
    """Return what a format is turned into: itself, where containers keep what is lossless, and another one.

    Nothing but samples goes from decoder to encoder, so that not every pair is a case of its own.
    """
    at = DISTINCT.index(source)
    return [source, *(each for number, each in enumerate(OUT) if (number + 7) % len(DISTINCT) == at)]


@pytest.mark.parametrize("source", DISTINCT)
async def test_every_format_is_read_and_written(source: str, sources: dict[str, Path], tmp_path: Path) -> None:
    track, length = await probe(sources[source]), len(played(sources[source])[0])
    results = [tmp_path / f"out.{extension}" for extension in partners(source)]
    for result in results:
        await convert(sources[source], result, track=track)
    check_whole(results, length / 48_000)


def test_every_format_is_written_from_another_one() -> None:
    assert {other for source in DISTINCT for other in partners(source) if other != source} == {*OUT}


async def test_the_other_formats_go_out_as_well(tmp_path: Path) -> None:
    source = write_stereo(tmp_path / "a.wav", 48_000)
    files = {(FORMATS[each], MUXER_OPTIONS.get(each)): each for each in FORMATS if each != "mxf"}  # it needs a picture
    for each in OUT:
        files.pop((FORMATS[each], MUXER_OPTIONS.get(each)))
    others = sorted(files.values())  # each file once, whatever its names
    track = await probe(source)
    for extension in others:
        await convert(source, tmp_path / f"b.{extension}", track=track)
    check_whole([tmp_path / f"b.{extension}" for extension in others], SECONDS)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "extensions"),
    [
        (8_000, 1, ["mp3", "m4a", "wma", "amr", "flv", "ac3"]),
        (11_025, 2, ["aac", "opus", "amr", "mpg"]),
        (96_000, 1, ["mp3", "m4a", "wma", "flac", "ac3", "opus"]),
        (44_101, 2, ["mp3", "opus", "ogg", "flv"]),
        (48_000, 6, ["mp3", "m4a", "ogg", "amr", "ac3", "wma", "mpg"]),
    ],
)
async def test_rates_and_channels_that_a_format_does_not_hold_are_brought_near(
    rate_hz: int, channels: int, extensions: list[str], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([voice(SECONDS, rate_hz)] * channels, axis=1), rate_hz)
    track = await probe(tmp_path / "a.wav")
    for extension in extensions:
        await convert(tmp_path / "a.wav", tmp_path / f"b.{extension}", track=track)
    check_whole([tmp_path / f"b.{extension}" for extension in extensions], SECONDS)


def check_whole(paths: list[Path], seconds: float) -> None:
    """Check that files play, as long as they should, with something on every channel from the first syllable on."""
    for path, found in zip(paths, played(*paths), strict=True):
        assert len(found) / 48_000 == pytest.approx(seconds, abs=TOLERANCE_S), path.suffix
        assert found.std(axis=0).min() > 0.01, path.suffix
        assert found[2_400:7_200].std() > 0.01, path.suffix


def test_extensions_are_taken_with_and_without_a_dot() -> None:
    assert [result_extension(each, "ogg") for each in (".MP3", "mp3", None, "")] == ["mp3", "mp3", "ogg", "ogg"]
    assert result_extension(None, "unheard-of") == "wav"
    with pytest.raises(InvalidOption, match="cannot be written"):
        result_extension("exe", "wav")
    assert set(FORMATS) >= WITH_PICTURE
    assert all(media_type(extension) != "application/octet-stream" for extension in set(FORMATS) - {"w64"})


async def test_lossless_formats_keep_24_bits(tmp_path: Path) -> None:
    x = voice(0.5, 48_000) * 0.001
    soundfile.write(tmp_path / "a.wav", x, 48_000, subtype="PCM_24")
    for extension in ("wav", "flac", "aiff"):
        await convert(tmp_path / "a.wav", tmp_path / f"b.{extension}")
        found, _ = soundfile.read(tmp_path / f"b.{extension}")
        assert np.abs(found - x).max() < 2**-22, extension


@pytest.mark.parametrize(
    ("extension", "target_lufs"), [("wav", -16.0), ("mp3", -16.0), ("m4a", -30.0), ("opus", -30.0)]
)
async def test_the_level_is_met_and_the_peak_is_not_passed(extension: str, target_lufs: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    clicks = 0.9 * (rng.random(3 * 44_100) < 2e-4)  # peaks that a mere gain would lift above full scale
    soundfile.write(tmp_path / "a.wav", voice(3, 44_100) * 0.1 + clicks, 44_100, subtype="FLOAT")
    await convert(tmp_path / "a.wav", tmp_path / f"b.{extension}", target_lufs)
    track = await probe(tmp_path / f"b.{extension}")
    found = await measure_loudness(tmp_path / f"b.{extension}", track)
    assert found.integrated_lufs == pytest.approx(target_lufs, abs=0.5)
    assert found.true_peak_dbtp <= -1.0
    if extension in ("wav", "flac"):
        assert track.duration_s == pytest.approx(3, abs=1e-4)


async def test_silence_is_not_lifted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", hiss(48_000, rms=2e-4), 48_000)
    await convert(tmp_path / "a.wav", tmp_path / "b.wav", -16.0)
    assert soundfile.read(tmp_path / "b.wav")[0].std() == pytest.approx(2e-4, rel=0.1)


def hashes(path: Path, streams: str) -> bytes:
    """Return a hash of every packet of some streams."""
    return ffmpeg("-i", path, "-map", streams, "-c", "copy", "-f", "framehash", "-")


def payloads(framehash: bytes) -> list[bytes]:
    """Return the packets' hashes alone: each container counts time in its own unit and has side data of its own."""
    return [line.split(b",")[5].strip() for line in framehash.splitlines() if not line.startswith(b"#")]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video with two audio tracks, subtitles, chapters; its sound is a click at each whole second."""
    folder = tmp_path_factory.mktemp("film")
    clicks = np.zeros(4 * 48_000)
    clicks[48_000::48_000] = 0.8
    soundfile.write(folder / "clicks.wav", clicks, 48_000)
    (folder / "a.srt").write_text("1\n00:00:00,500 --> 00:00:02,000\nHello, مرحبا\n")
    (folder / "chapters.txt").write_text(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=One\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=Two\n"
    )
    inputs = ["-f", "lavfi", "-i", "testsrc=d=4:s=96x64:r=25", "-i", folder / "clicks.wav"]
    inputs += ["-f", "lavfi", "-i", "sine=330:d=4", "-i", folder / "a.srt", "-i", folder / "chapters.txt"]
    maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map_chapters", "4"]
    codecs = ["-c:v", "libx264", "-c:a", "aac", "-metadata:s:a:1", "language=ara"]
    ffmpeg(*inputs, *maps, *codecs, "-c:s", "srt", folder / "film.mkv", which="ffmpeg")
    ffmpeg(*inputs, *maps, *codecs, "-c:s", "mov_text", folder / "film.mp4", which="ffmpeg")
    ffmpeg(*inputs[:6], "-map", "0:v", "-map", "1:a", "-c:v", "libvpx", "-c:a", "libopus", folder / "film.webm")
    ffmpeg(*inputs[:6], "-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-c:a", "libmp3lame", folder / "film.avi")
    return folder


@pytest.mark.parametrize(
    ("source", "target"),
    [("mkv", "mkv"), ("mp4", "mov"), ("mkv", "mp4"), ("mp4", "mp4"), ("webm", "webm"), ("avi", "avi")],
)
async def test_a_video_keeps_all_but_its_first_sound(film: Path, tmp_path: Path, source: str, target: str) -> None:
    path, result = film / f"film.{source}", tmp_path / f"b.{target}"
    await convert(path, result)
    assert payloads(hashes(path, "0:v")) == payloads(hashes(result, "0:v"))
    if source in ("mkv", "mp4"):
        assert payloads(hashes(path, "0:a:1")) == payloads(hashes(result, "0:a:1"))
        assert chapters(result) == ["One", "Two"]
        assert "Hello, مرحبا" in ffmpeg("-i", result, "-map", "0:s:0", "-f", "srt", "-").decode()
        if source == target:
            assert payloads(hashes(path, "0:s")) == payloads(hashes(result, "0:s"))


def chapters(path: Path) -> list[str]:
    arguments = ["-v", "error", "-show_entries", "chapter_tags=title", "-of", "csv=p=0", str(path)]
    return subprocess.run(["ffprobe", *arguments], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize(
    ("source", "target", "delay_s"),
    [("mkv", "mkv", 0.7), ("mp4", "mp4", 0.0), ("mp4", "mp4", 0.7), ("mkv", "mp4", 0.0), ("webm", "webm", 0.7)],
)
async def test_sound_and_picture_stay_together(
    film: Path, tmp_path: Path, source: str, target: str, delay_s: float
) -> None:
    """Clicks stay where they were, to less than a frame of the codec, also where the sound begins late."""
    path, result = tmp_path / f"a.{source}", tmp_path / f"b.{target}"
    inputs = ["-i", film / f"film.{source}", "-itsoffset", str(delay_s), "-i", film / f"film.{source}"]
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:a:0", "-c", "copy", path)
    await convert(path, result)
    frame_s = 1_024 / 48_000
    before, after = click_times_s(path), click_times_s(result)
    assert len(before) == len(after) == 3
    assert np.abs(before - after).max() < frame_s
    assert np.abs(after - (np.arange(1, 4) + delay_s)).max() < 2 * frame_s  # the source's own codec counted in


def click_times_s(path: Path) -> NDArray[np.float64]:
    """Return when clicks sound, on the clock of the picture."""
    whole = ["-map", "0:a:0", "-af", "aresample=48000:async=1:first_pts=0", "-ac", "1", "-f", "f32le", "-"]
    raw = ffmpeg("-i", path, *whole, which="ffmpeg")
    x = np.abs(np.frombuffer(raw, "<f4"))
    loud = np.flatnonzero(x > 0.25 * x.max())
    firsts = loud[np.diff(loud, prepend=-48_000) > 12_000]
    return np.array([first + np.argmax(x[first : first + 2_000]) for first in firsts]) / 48_000


async def test_a_picture_that_a_container_does_not_hold_is_encoded_anew(film: Path, tmp_path: Path) -> None:
    await convert(film / "film.webm", tmp_path / "b.mp4")
    arguments = ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(tmp_path / "b.mp4")]
    found = subprocess.run(["ffprobe", *arguments], check=True, capture_output=True, text=True).stdout.split()
    assert found == ["h264", "aac"]


async def test_a_cover_is_no_picture(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-frames:v", "1", tmp_path / "cover.png")
    source = write_stereo(tmp_path / "a.wav")
    cover = ["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic"]
    ffmpeg("-i", source, "-i", tmp_path / "cover.png", *cover, tmp_path / "a.m4a")
    assert not (await probe(tmp_path / "a.m4a")).has_picture


async def test_nothing_is_left_beside_the_result(film: Path, tmp_path: Path) -> None:
    await convert(film / "film.mp4", tmp_path / "b.mp4", -20.0)
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]


@pytest.mark.parametrize(("extension", "codec"), [("flac", "flac"), ("m4a", "alac")])
async def test_lossless_results_have_the_source_s_bits(extension: str, codec: str, tmp_path: Path) -> None:
    for subtype, bits in ("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 24):
        soundfile.write(tmp_path / "a.wav", np.full(800, 0.25), 8_000, subtype)
        source = tmp_path / f"a.{extension}"
        if codec == "alac":
            ffmpeg("-y", "-i", tmp_path / "a.wav", "-c:a", codec, source)
        track = await probe(source if codec == "alac" else tmp_path / "a.wav")
        options = encoding_for(extension, track).options
        assert ("24" in options, "s16" in "".join(options)) == (bits == 24, bits == 16)


def test_mxf_without_a_picture_is_told_before_it_is_taken() -> None:
    assert result_extension(None, "mxf", has_picture=False) == "wav"
    with pytest.raises(InvalidOption, match="without a picture"):
        result_extension("mxf", "wav", has_picture=False)


def test_sound_alone_has_its_own_media_type() -> None:
    assert [media_type(each, has_picture=False) for each in ("webm", "mp4", "wav")] == [
        "audio/webm",
        "audio/mp4",
        "audio/wav",
    ]
    assert media_type("webm") == "video/webm"


async def test_one_sample_is_written_so_that_it_can_be_read(tmp_path: Path) -> None:
    """Resamplers make nothing of it, and some files are known by several frames: silence fills them up."""
    soundfile.write(tmp_path / "a.wav", np.full(1, 0.5), 8_000)
    source = await probe(tmp_path / "a.wav")
    for extension in ("flac", "mp2", "ac3", "opus"):
        await convert(tmp_path / "a.wav", tmp_path / f"o.{extension}", track=source)
        assert 0 < (await probe(tmp_path / f"o.{extension}")).duration_s < 0.2
    assert soundfile.read(tmp_path / "o.flac")[0].tolist() == [0.5]
