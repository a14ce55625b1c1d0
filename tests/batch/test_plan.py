"""Which file becomes which, and what is refused before anything is written."""

import os
from pathlib import Path

import pytest

from munsit_denoise.batch.names import result_name, shown
from munsit_denoise.batch.order import Order, UsageError
from munsit_denoise.batch.plan import Plan, make_plan
from tests.media.films import ffmpeg


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with recordings of all kinds of names; what they hold does not matter here."""
    monkeypatch.chdir(tmp_path)
    names = ["in/a.wav", "in/تسجيل أول.MP3", "in/-b.ogg", "in/two\nlines.wav", "in/sub/a.wav", "in/interview 12.2"]
    for name in [*names, "in/.hidden.wav", "in/.git/x.wav", "in/clean/a.wav", "in/notes.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in/link.wav").symlink_to("a.wav")
    (tmp_path / "in/linked").symlink_to("sub")
    os.mkfifo(tmp_path / "in/pipe.wav")
    return tmp_path


def plan(*inputs: str, output: str, **options: object) -> Plan:
    return make_plan(Order(inputs, output, **options))  # type: ignore[arg-type]


def pairs(*inputs: str, output: str, **options: object) -> dict[str, str]:
    found = plan(*inputs, output=output, **options)
    return {str(pair.source): str(pair.target) for pair in found.pairs}


def test_a_folder_keeps_its_structure_and_names(folder: Path) -> None:
    assert pairs("in", output="in/clean") == {
        "in/-b.ogg": "in/clean/-b.ogg",
        "in/a.wav": "in/clean/a.wav",
        "in/interview 12.2": "in/clean/interview 12.2.wav",
        "in/notes.txt": "in/clean/notes.txt.wav",
        "in/two\nlines.wav": "in/clean/two\nlines.wav",
        "in/تسجيل أول.MP3": "in/clean/تسجيل أول.MP3",
        "in/sub/a.wav": "in/clean/sub/a.wav",
    }
    assert plan("in", output="in/clean").ignored == 5


def test_a_folder_without_the_folders_in_it(folder: Path) -> None:
    assert "in/sub/a.wav" not in pairs("in", output="out", recursive=False)


def test_several_inputs_go_below_their_names(folder: Path) -> None:
    found = pairs("in/a.wav", "in/sub", "in/a.wav", output="out")
    assert found == {"in/a.wav": "out/a.wav", "in/sub/a.wav": "out/sub/a.wav"}


def test_an_mxf_without_a_picture_becomes_a_wav(tmp_path: Path) -> None:
    """As on the server; one that cannot be read is told when its turn comes, and another wish is the person's own."""
    (tmp_path / "in").mkdir()
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.2:r=48000", "-c:a", "pcm_s16le", "-f", "mxf_opatom", tmp_path / "in/a.mxf")
    ffmpeg("-f", "lavfi", "-i", "testsrc=d=0.2:s=64x64:r=25", "-i", tmp_path / "in/a.mxf", tmp_path / "in/film.mxf")
    (tmp_path / "in/text.mxf").write_text("no sound")
    source, target = f"{tmp_path}/in", f"{tmp_path}/out"
    found = {Path(pair).name for pair in pairs(source, output=target).values()}
    assert found == {"a.wav", "film.mxf", "text.mxf"}
    assert f"{target}/a.flac" in pairs(source, output=target, extension="flac").values()


def test_results_do_not_take_each_others_names(folder: Path) -> None:
    (folder / "in/sub/a.mp3").write_bytes(b"x")
    assert pairs("in/sub", output="out", extension="flac") == {
        "in/sub/a.mp3": "out/a.mp3.flac",
        "in/sub/a.wav": "out/a.wav.flac",
    }
    assert pairs("in/sub", output="out", extension="wav")["in/sub/a.wav"] == "out/a.wav"
    refused = plan("in/a.wav", "in/sub/a.wav", output="out").refused
    assert [str(pair.source) for pair, _ in refused] == ["in/a.wav", "in/sub/a.wav"]


@pytest.mark.parametrize("output", ["in/a.wav", "./in/a.wav", "in/sub/../a.wav", "in/link.wav", "hard.wav"])
def test_a_file_is_never_its_own_result(folder: Path, output: str) -> None:
    (folder / "hard.wav").hardlink_to(folder / "in/a.wav")
    with pytest.raises(UsageError, match="OUTPUT is INPUT"):
        plan("in/a.wav", output=output, overwrite=True)


@pytest.mark.parametrize("output", ["in", "in/", "./in/sub/..", "also", "in/sub/../../in"])
def test_a_folder_is_never_its_own_result(folder: Path, output: str) -> None:
    (folder / "also").symlink_to("in")
    with pytest.raises(UsageError, match="OUTPUT is INPUT"):
        plan("in", output=output, overwrite=True, extension="flac")


def test_nor_when_it_is_one_of_several(folder: Path) -> None:
    with pytest.raises(UsageError, match="OUTPUT is INPUT"):
        plan("in/sub", "in/a.wav", output="in")


@pytest.mark.parametrize(
    ("inputs", "output", "options", "words"),
    [
        (["in"], "in/a.wav", {}, "is not a folder"),
        (["in"], "/dev/stdout", {}, "is not a folder"),
        (["in/a.wav", "in/-b.ogg"], "-", {}, "is not a folder"),
        (["in/a.wav"], "b.wav", {"overwrite": True, "skip_existing": True}, "contradict"),
        (["in/a.wav"], "b.wav", {"extension": "nonsense"}, "--format"),
        (["in/a.wav"], "b.wav", {"extension": "flac"}, "ends in .wav"),
        (["in/a.wav"], "-", {"json": True}, "cannot both"),
        (["in/a.wav"], "", {}, "cannot be empty"),
        (["in/a.wav"], "b.wav", {"strength": 1.1}, "--strength must be from 0 to 1, not 1.1"),
        (["in/a.wav"], "b.wav", {"level_lufs": float("nan")}, "--loudness"),
        (["in/a.wav"], "b.wav", {"track": -1}, "--track"),
        (["in/a.wav"], "b.wav", {"jobs": 0}, "--jobs"),
    ],
)
def test_what_makes_no_sense_is_refused(
    folder: Path, inputs: list[str], output: str, options: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        plan(*inputs, output=output, **options)


def test_a_name_keeps_what_is_no_extension_of_media() -> None:
    assert result_name(Path("v1.2"), "wav") == "v1.2.wav"
    assert result_name(Path("a.MTS"), "wav") == "a.wav"
    assert result_name(Path("A.WAV"), "wav") == "A.WAV"


def test_a_name_is_shown_in_one_line_and_steers_no_terminal() -> None:
    assert shown("two\nlines\x1b[2J") == r"two\nlines\x1b[2J"
    assert shown("تسجيل") == "تسجيل"
    assert shown(os.fsdecode(b"caf\xe9")) == r"caf\udce9"
