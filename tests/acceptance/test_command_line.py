"""The command line: in this process, where a start of its own would prove nothing more, and as a program."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from click.testing import Result
from typer.testing import CliRunner

from munsit_denoise import __version__
from munsit_denoise.cli import app
from tests.audio import write_noisy


def environment(data: Path, settings: dict[str, str]) -> dict[str, str]:
    values = {"DATA_DIR": str(data), "THREADS": "1"} | {name.upper(): value for name, value in settings.items()}
    return {f"DENOISE_{name}": value for name, value in values.items()}


def run(*arguments: str | Path, data: Path, **settings: str) -> Result:
    """Run a command here; an error that would print a traceback is raised."""
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, env=environment(data, settings), catch_exceptions=False)


def run_program(*arguments: str | Path, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "munsit_denoise", *map(str, arguments)]
    settings = os.environ | environment(data, {})
    return subprocess.run(command, check=False, capture_output=True, text=True, env=settings, timeout=100)


def test_version(tmp_path: Path) -> None:
    assert run_program("--version", data=tmp_path).stdout.strip() == __version__


def test_keys_are_created_listed_and_revoked(tmp_path: Path) -> None:
    created = run("keys", "create", "--user", "sara", data=tmp_path).stdout
    assert created.startswith("mds_")
    assert len(created.split()) == 1
    listed = run("keys", "list", data=tmp_path).stdout
    assert created[:12] in listed
    assert created.strip() not in listed
    assert "sara" in listed
    assert run("keys", "revoke", created[:12], data=tmp_path).stdout.strip() == "revoked: 1"
    assert "revoked" in run("keys", "list", data=tmp_path).stdout
    for prefix in ("mds_", created[:12]):
        assert run("keys", "revoke", prefix, data=tmp_path).exit_code == 1


def test_db_upgrade_can_be_repeated(tmp_path: Path) -> None:
    assert [run("db", "upgrade", data=tmp_path).exit_code for _ in range(2)] == [0, 0]


def test_enhance_writes_a_file_in_the_format_of_its_extension(tmp_path: Path, noisy_wav: Path) -> None:
    done = run_program("enhance", noisy_wav, tmp_path / "clean.flac", data=tmp_path)
    assert done.returncode == 0, done.stderr
    info = soundfile.info(tmp_path / "clean.flac")
    assert (info.format, info.frames) == ("FLAC", soundfile.info(noisy_wav).frames)


def test_enhance_keeps_names_and_formats_of_a_folder(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    write_noisy(source / "one.wav", 1)
    write_noisy(source / "two.ogg", 1)
    assert run("enhance", source, tmp_path / "out", data=tmp_path).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.wav", "two.ogg"]
    (source / "text.txt").write_text("no sound")
    done = run("enhance", source, tmp_path / "out", data=tmp_path)
    assert done.exit_code == 1
    assert "text.txt: No audio could be found" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "out" / "text.txt").exists()


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
        ("noisy.wav", "nowhere/out.wav", "No such file or directory"),
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
    ("name", "value", "word"),
    [
        ("port", "many", "DENOISE_PORT"),
        ("device", "tpu", "DENOISE_DEVICE"),
        ("max_upload_mb", "-1", "DENOISE_MAX_UPLOAD_MB"),
        ("database_url", "mysql://x", "DENOISE_DATABASE_URL"),
        ("database_url", "sqlite:///:memory:", "DENOISE_DATABASE_URL"),
        ("storage_url", "ftp://x", "DENOISE_STORAGE_URL"),
        ("public_url", "example.org", "DENOISE_PUBLIC_URL"),
        ("job_concurrency", "0", "DENOISE_JOB_CONCURRENCY"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(tmp_path: Path, name: str, value: str, word: str) -> None:
    done = run("serve", data=tmp_path, **{name: value})
    assert done.exit_code == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
