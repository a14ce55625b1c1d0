"""The users of the command line, beside a server that runs."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from munsit_denoise.cli import app
from munsit_denoise.settings import Settings
from tests.audio import write_noisy
from tests.live import Live, run_live, run_waiting


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    errors: str


def command(settings: Settings, *words: str, said: str = "") -> Said:
    environment = {"DENOISE_DATA_DIR": str(settings.data_dir), "DENOISE_LOG_LEVEL": "error"}
    done = CliRunner().invoke(app, ["users", *words], input=said, env=environment)
    return Said(done.exit_code, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("audio") / "long.wav", 150, 8000)


def test_users_are_credited_listed_and_deleted_beside_a_running_server(tmp_path: Path, long: Path) -> None:
    with run_live(tmp_path / "users", balance="on") as live, live.client_for("leaving one") as client:
        settings = live.settings
        assert command(settings, "credit", "leaving one", "6.5") == Said(0, "leaving one has 6.5 minutes\n", "")
        assert command(settings, "priority", "leaving one", "-5").out == "leaving one has the priority -5\n"
        assert command(settings, "priority", "leaving one").out == "leaving one has the priority -5\n"
        assert command(settings, "priority", "leaving one", "101").code == 2
        for words in (
            ("credit", "nobody", "1"),
            ("priority", "nobody", "1"),
            ("credit", "leaving one", "0"),
            ("credit", "leaving one", "nan"),
        ):
            refused = command(settings, *words)
            assert (refused.code, refused.out) == (1, "")
            assert refused.errors.startswith("munsit-denoise: ")
        assert "         6.5    -5  leaving one\n" in command(settings, "list").out
        job_id = live.upload(long, client=client)
        assert command(settings, "delete", "leaving one", said="n\n").code == 1
        assert client.get(f"/denoise/{job_id}").status_code == 200
        assert command(settings, "delete", "leaving one", "--yes") == Said(0, "deleted: leaving one\n", "")
        assert client.get("/denoise").status_code == 401
        assert not any(job_id in str(path) for path in live.files())
        assert "leaving one" not in command(settings, "list").out
        assert command(settings, "delete", "leaving one", "--yes").code == 1
        _check_it_still_works(live)


def _check_it_still_works(live: Live) -> None:
    """The job of the one who left has made its place free."""
    short = write_noisy(live.settings.data_dir.parent / "short.wav", 0.3, 8000)
    with live.client_for("staying") as client:
        assert command(live.settings, "credit", "staying", "1").code == 0
        assert live.events(live.upload(short, client=client), client)[-1]["stage"] == "done"


def test_a_user_without_a_server_goes_as_well(tmp_path: Path) -> None:
    with run_waiting(tmp_path / "data") as live:
        settings = live.settings
    assert command(settings, "delete", "tester", said="y\n").out.endswith("deleted: tester\n")
    assert command(settings, "list").out == ""
    assert command(settings, "delete", "tester", "--yes").code == 1
