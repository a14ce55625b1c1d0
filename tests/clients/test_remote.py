"""`munsit-denoise remote`, as a person runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from munsit_denoise.batch.order import UsageError
from munsit_denoise.commands.sending import Errand, plan
from tests.audio import write_noisy
from tests.live import Live
from tests.prepared import run

CLIENT = Path(__file__).parents[2] / "clients/python"
NO_TORCH = "import sys; sys.modules['torch'] = None; from munsit_denoise.__main__ import main; main()"


def remote(live: Live, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command here, in the folder of this moment."""
    return run("remote", *arguments, environment=os.environ | own_variables(live))


def remote_afresh(live: Live, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it where there is no PyTorch."""
    paths = os.pathsep.join([str(CLIENT), *filter(None, [os.environ.get("PYTHONPATH")])])
    given = os.environ | {"PYTHONPATH": paths} | own_variables(live)
    command = [sys.executable, "-c", NO_TORCH, "remote", *arguments]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)


def own_variables(live: Live) -> dict[str, str]:
    return {"DENOISE_URL": live.url, "DENOISE_API_KEY": live.key}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with recordings."""
    monkeypatch.chdir(tmp_path)
    write_noisy(tmp_path / "a.wav", 0.3)
    (tmp_path / "b.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    (tmp_path / "text.mp3").write_text("no sound")
    return tmp_path


def test_files_come_back_beside_themselves(live: Live, folder: Path) -> None:
    done = remote_afresh(live, "a.wav", "b.wav", "text.mp3")
    assert done.returncode == 1, done.stderr
    assert "done: a.wav -> a_denoised.wav" in done.stderr
    assert "failed: text.mp3: No audio could be found" in done.stderr
    assert soundfile.info(folder / "a_denoised.wav").frames == soundfile.info(folder / "a.wav").frames
    assert (folder / "b_denoised.wav").exists()
    before = (folder / "a_denoised.wav").stat().st_mtime_ns
    again = remote(live, "a.wav")
    assert again.returncode == 1
    assert "exists already; --overwrite replaces it" in again.stderr
    assert (folder / "a_denoised.wav").stat().st_mtime_ns == before
    assert remote(live, "a.wav", "-o", "out/", "--overwrite").returncode == 0
    assert [path.name for path in (folder / "out").iterdir()] == ["a.wav"]


def test_what_went_wrong_is_told_in_a_line(live: Live, folder: Path) -> None:
    wrong = remote(live, "a.wav", "--key", "wrong")
    assert (wrong.returncode, wrong.stderr) == (
        1, "failed: a.wav: Invalid or missing API key (is --key right, or DENOISE_API_KEY?)\n",
    )  # fmt: skip
    missing = remote(live, "missing.wav")
    assert (missing.returncode, missing.stderr) == (1, "failed: missing.wav: No such file or directory\n")
    (folder / "in").mkdir()
    assert remote(live, "../" + folder.name + "/in").stderr.endswith("/in: remote takes files, not folders\n")
    assert remote(live, ".").stderr == "munsit-denoise: . is a folder. remote takes files, not folders.\n"
    nowhere = remote(live, "a.wav", "-o", "nowhere/b.wav")
    assert (nowhere.returncode, nowhere.stderr) == (1, "failed: a.wav: nowhere: the folder does not exist\n")


def test_the_reason_is_in_the_language_of_the_locale(live: Live, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ar_EG.UTF-8")
    assert "failed: missing.wav: لا يوجد ملف" in remote(live, "missing.wav").stderr
    assert "failed: text.mp3: لم يُعثر على صوت" in remote(live, "text.mp3").stderr
    assert "failed: a.wav: nowhere: المجلد غير موجود" in remote(live, "a.wav", "-o", "nowhere/b.wav").stderr
    assert remote(live, "a.wav", "--url", "nowhere").returncode == 2


def test_other_commands_take_its_variables_for_no_mistake(live: Live, folder: Path) -> None:
    given = os.environ | own_variables(live) | {"DENOISE_DATA_DIR": str(folder / "d")}
    done = run("keys", "list", environment=given)
    assert "is no setting" not in done.stderr


def test_the_plan_says_where_results_lie(folder: Path) -> None:
    a, b = folder / "a.wav", folder / "b.wav"

    def planned(*files: Path, output: str = "", **options: object) -> list[str]:
        return [str(target.relative_to(folder)) for _, target in plan(Errand(files, output, options))[1]]

    assert planned(a, b) == ["a_denoised.wav", "b_denoised.wav"]
    assert planned(a, output_format="MP3") == ["a_denoised.mp3"]
    assert planned(folder / "text.mp3", output_format="original") == ["text_denoised.mp3"]
    assert planned(a, output=f"{folder}/x/", output_format="flac") == ["x/a.flac"]
    errand, pairs = plan(Errand((a,), f"{folder}/y.ogg"))
    assert (errand.options, pairs) == ({"output_format": "ogg"}, [(a, folder / "y.ogg")])


@pytest.mark.parametrize(
    ("names", "output", "options", "sentence"),
    [
        (["a.wav", "b.wav"], "y.wav", {}, "Results of several files need one"),
        (["a.wav"], "y.ogg", {"output_format": "mp3"}, "ends in .ogg, but --format says mp3"),
        (["a.wav"], "a.wav", {}, "OUT is FILE"),
        (["a.wav", "a.mp3"], "", {}, "the same result"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_sent(
    folder: Path, names: list[str], output: str, options: dict[str, object], sentence: str
) -> None:
    files = tuple(folder / name for name in names)
    with pytest.raises(UsageError, match=sentence):
        plan(Errand(files, f"{folder}/{output}" if output else "", options))
