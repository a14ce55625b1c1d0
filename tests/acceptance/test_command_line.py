"""The command line: in this process, where a start of its own would prove nothing more, and as a program."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from click.testing import Result
from typer.testing import CliRunner

from munsit_denoise import __version__
from munsit_denoise.cli import app
from tests import prepared
from tests.audio import write_noisy, write_silence
from tests.faults import until


def environment(data: Path, settings: dict[str, str]) -> dict[str, str]:
    values = {"DATA_DIR": str(data), "THREADS": "1"} | {name.upper(): value for name, value in settings.items()}
    return {f"DENOISE_{name}": value for name, value in values.items()}


def run(*arguments: str | Path, data: Path, **settings: str) -> Result:
    """Run a command here; an error that would print a traceback is raised."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, env=environment(data, settings), catch_exceptions=False)


def run_program(*arguments: str | Path, data: Path) -> subprocess.CompletedProcess[str]:
    return prepared.run(*arguments, environment=os.environ | environment(data, {}))


def test_version(tmp_path: Path) -> None:
    assert run("--version", data=tmp_path).stdout.strip() == __version__


def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    created = run("keys", "create", "--user", "sara", data=tmp_path).stdout
    assert created.startswith("mds_")
    assert len(created.split()) == 1
    assert str(tmp_path / "denoise.db") in run("keys", "create", "--user", "ali", data=tmp_path).stderr
    assert (tmp_path / "denoise.db").stat().st_mode & 0o777 == 0o600
    listed = run("keys", "list", data=tmp_path).stdout
    assert created[:12] in listed
    assert created.strip() not in listed
    assert "sara" in listed
    assert run("keys", "revoke", created[:12], data=tmp_path).stdout.strip() == "revoked: 1"
    assert "revoked" in run("keys", "list", data=tmp_path).stdout
    for prefix, told in (("mds_", "Give at least 5 digits"), ("", "Give at least 5"), ("zzz", "no valid key begins")):
        refused = run("keys", "revoke", prefix, data=tmp_path)
        assert (refused.exit_code, told in refused.stderr) == (1, True), refused.stderr
    assert run("keys", "revoke", created[:12], data=tmp_path).exit_code == 1


def test_db_upgrade_can_be_repeated(tmp_path: Path) -> None:
    assert [run("db", "upgrade", data=tmp_path).exit_code for _ in range(2)] == [0, 0]


def test_enhance_writes_a_file_in_the_format_of_its_extension(tmp_path: Path, noisy_wav: Path) -> None:
    done = run("enhance", noisy_wav, tmp_path / "clean.flac", data=tmp_path)
    assert done.exit_code == 0, done.stderr
    info = soundfile.info(tmp_path / "clean.flac")
    assert (info.format, info.frames) == ("FLAC", soundfile.info(noisy_wav).frames)


def test_enhance_goes_through_a_folder_and_on_when_run_again(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "in/clean"
    (source / "مقابلة أولى").mkdir(parents=True)
    write_noisy(source / "one.wav", 0.3)
    write_noisy(source / "مقابلة أولى" / "-two.ogg", 0.3)
    (source / "text.txt").write_text("no sound")
    (source / "broken.mp3").write_text("no sound")
    done = run("enhance", source, target, "--json", "--jobs", "2", data=tmp_path / "data")
    assert done.exit_code == 1
    lines = {Path(line["input"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["state"] for name, line in lines.items()} == {
        "one.wav": "done", "-two.ogg": "done", "text.txt": "skipped", "broken.mp3": "failed",
    }  # fmt: skip
    assert lines["-two.ogg"]["output"] == str(target / "مقابلة أولى" / "-two.ogg")
    assert lines["one.wav"]["seconds"] == 0.3
    assert lines["one.wav"]["levels"]["output_rms_dbfs"] < lines["one.wav"]["levels"]["input_rms_dbfs"] < 0
    assert "No audio could be found" in lines["broken.mp3"]["error"]
    assert "2 done, 1 skipped (1 without sound), 1 failed" in done.stderr
    numbered = sorted(line.partition("/4] ")[0] for line in done.stderr.splitlines() if line.startswith("["))
    assert numbered == ["[1", "[2", "[3", "[4"]
    assert f"/4] skipped: {source}/text.txt (no sound)" in done.stderr
    results = {path: path.stat().st_mtime_ns for path in target.rglob("*.*")}
    assert sorted(path.name for path in results) == ["-two.ogg", "one.wav"]

    (target / "one.wav").unlink()
    (source / "broken.mp3").unlink()
    again = run("enhance", source, target, "--skip-existing", data=tmp_path / "data")
    assert again.exit_code == 0
    assert "1 done, 2 skipped (1 exists already, 1 without sound)" in again.stderr
    assert f"/3] skipped: {source}/مقابلة أولى/-two.ogg (exists already)" in again.stderr
    kept = target / "مقابلة أولى" / "-two.ogg"
    assert kept.stat().st_mtime_ns == results[kept]
    refused = run("enhance", source, target, data=tmp_path / "data")
    assert refused.exit_code == 1
    assert refused.stderr.count("exists already") == 2


def test_enhance_never_replaces_a_file_unasked(tmp_path: Path, noisy_wav: Path) -> None:
    target = tmp_path / "clean.wav"
    target.write_text("precious")
    refused = run("enhance", noisy_wav, target, data=tmp_path)
    assert (refused.exit_code, target.read_text()) == (1, "precious")
    assert "clean.wav: exists already" in refused.stderr
    itself = run("enhance", noisy_wav, noisy_wav, "--overwrite", data=tmp_path)
    assert itself.exit_code == 2
    assert "OUTPUT is INPUT" in itself.stderr
    assert run("enhance", noisy_wav, target, "--overwrite", "--strength", "0", data=tmp_path).exit_code == 0
    assert soundfile.info(target).frames == soundfile.info(noisy_wav).frames


def test_a_dry_run_writes_nothing(tmp_path: Path, noisy_wav: Path) -> None:
    done = run("enhance", noisy_wav.parent, tmp_path / "out", "--dry-run", data=tmp_path)
    assert done.exit_code == 0
    assert f"would be done: {noisy_wav} -> {tmp_path}/out/{noisy_wav.name} (2.0 s)" in done.stderr
    assert not (tmp_path / "out").exists()


def test_enhance_reads_and_writes_pipes(tmp_path: Path, noisy_wav: Path) -> None:
    command = [sys.executable, "-m", "munsit_denoise", "enhance", "-", "-", "--format", "flac"]
    settings = os.environ | environment(tmp_path, {})
    done = subprocess.run(command, input=noisy_wav.read_bytes(), capture_output=True, env=settings, timeout=100)
    assert done.returncode == 0, done.stderr
    (tmp_path / "got.flac").write_bytes(done.stdout)
    info = soundfile.info(tmp_path / "got.flac")
    assert (info.format, info.frames) == ("FLAC", soundfile.info(noisy_wav).frames)


def test_a_device_is_written_to_and_stays(tmp_path: Path, noisy_wav: Path) -> None:
    assert run("enhance", noisy_wav, "/dev/null", data=tmp_path).exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_ctrl_c_leaves_whole_results_and_a_summary(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_noisy(tmp_path / "in/a.wav", 0.3, 8_000)
    write_silence(tmp_path / "in/b.wav", 600)
    command = ["munsit_denoise", "enhance", tmp_path / "in", tmp_path / "out", "--json"]
    told, errors = tmp_path / "told", tmp_path / "errors"
    with told.open("wb") as output, errors.open("wb") as error_output:
        program = prepared.start(command, os.environ | environment(tmp_path, {}), output, error_output)
    until(lambda: told.read_text().endswith("\n"))
    assert json.loads(told.read_text())["state"] == "done"
    program.send_signal(signal.SIGINT)
    assert program.wait(100) == 130
    assert "Stopped: 1 done, 1 not done" in errors.read_text()
    assert "Traceback" not in errors.read_text()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.wav"]


def test_help_is_short_and_names_no_types(tmp_path: Path) -> None:
    for words in ([], ["enhance"], ["serve"], ["keys"], ["keys", "create"], ["keys", "revoke"], ["db", "upgrade"]):
        shown = run(*words, "-h", data=tmp_path)
        assert shown.exit_code == 0
        assert "<" not in shown.stdout
        assert "list[" not in shown.stdout
        assert "Usage" in shown.stdout


@pytest.mark.parametrize("group", [[], ["keys"], ["users"], ["webhooks"], ["db"]])
def test_the_help_of_a_group_cuts_no_sentence(tmp_path: Path, group: list[str]) -> None:
    shown = run(*group, "-h", data=tmp_path).stdout
    assert "..." not in shown.partition("Commands:")[2]
    if not group:
        names = [line.split()[0] for line in shown.partition("Commands:\n")[2].splitlines()]
        assert names[:3] == ["enhance", "remote", "serve"]


def test_a_program_that_fails_says_so_in_one_line(tmp_path: Path) -> None:
    done = run_program("enhance", tmp_path / "missing.wav", tmp_path / "out.wav", data=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.endswith("missing.wav: No such file or directory\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("missing.wav", "out.wav", "missing.wav: No such file or directory"),
        ("text.wav", "out.wav", "No audio could be found in the file"),
        ("noisy.wav", "nowhere/out.wav", "nowhere: the folder does not exist"),
        ("noisy.wav", "out.nonsense", "cannot be written"),
    ],
)
def test_what_goes_wrong_is_one_line(tmp_path: Path, source: str, target: str, message: str) -> None:
    write_noisy(tmp_path / "noisy.wav", 1)
    (tmp_path / "text.wav").write_text("no sound")
    done = run("enhance", tmp_path / source, tmp_path / target, data=tmp_path)
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert message in done.stderr.strip().splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["noisy.wav", "text.wav"]


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("missing.wav", "out.wav", "missing.wav: لا يوجد ملف"),
        ("text.wav", "out.wav", "text.wav: لم يُعثر على صوت"),
        ("noisy.wav", "nowhere/out.wav", "nowhere: المجلد غير موجود"),
        ("noisy.wav", "taken: x.wav", "taken: x.wav: موجود من قبل"),
    ],
)
def test_the_reason_is_in_the_language_of_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str, message: str
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ar_EG.UTF-8")
    write_noisy(tmp_path / "noisy.wav", 1)
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "taken: x.wav").write_text("precious")
    done = run("enhance", tmp_path / source, tmp_path / target, data=tmp_path)
    assert done.exit_code == 1
    assert f"/{message}" in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("port", "many", "DENOISE_PORT"),
        ("device", "tpu", "DENOISE_DEVICE"),
        ("max_upload_mb", "-1", "DENOISE_MAX_UPLOAD_MB"),
        ("database_url", "mysql://x", "DENOISE_DATABASE_URL"),
        ("storage_url", "ftp://x", "DENOISE_STORAGE_URL"),
        ("job_concurrency", "0", "DENOISE_JOB_CONCURRENCY"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(tmp_path: Path, name: str, value: str, word: str) -> None:
    done = run("serve", data=tmp_path, **{name: value})
    assert done.exit_code == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
