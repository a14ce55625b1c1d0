"""How a server starts and does not start: one sentence each, and no key that nobody sees."""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import UnusableDatabase, check_schema, downgrade, upgrade
from munsit_denoise.media.sample import RECORDING, write_sample
from munsit_denoise.private import make_private
from munsit_denoise.serve import _tell, run_server
from tests.acceptance.test_command_line import run
from tests.live import ServerProcess, make_settings


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose first start it is, and which runs."""
    server = ServerProcess(tmp_path_factory.mktemp("start") / "data")
    server.afresh = True
    try:
        server.start()
        yield server
    finally:
        server.close()


def test_a_first_start_tells_a_key_once_it_listens(started: ServerProcess) -> None:
    log = Path(started._log.name).read_text()
    assert log.count("Your API key, shown once: mds_") == 1
    assert log.index("startup complete") < log.index("Your API key")


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.0.0.7", "10.0.0.7")])
def test_the_greeting_has_one_address_that_can_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, shown: str
) -> None:
    _tell(make_settings(tmp_path, host=host), 8123, "mds_x")
    told = capsys.readouterr().out
    assert told.count(f"http://{shown}:8123") == 4
    assert told.count("http://") == 4


def test_the_log_is_json_where_it_goes_to_a_file(started: ServerProcess) -> None:
    """Uvicorn's lines and the requests' alike; what is not is the greeting, which goes to standard output."""
    lines: list[str] = []
    until = time.monotonic() + 10
    while not any('"request"' in line for line in lines) and time.monotonic() < until:  # told after the answer
        time.sleep(0.05)
        lines = [line for line in started.told().splitlines() if line.startswith("{") and line.endswith("}")]
    events = [json.loads(line) for line in lines]
    assert {"Application startup complete.", "request"} <= {event["event"] for event in events}
    assert all({"time", "level"} <= set(event) for event in events)
    assert "mds_" not in "".join(lines)


def test_data_is_its_users_alone(started: ServerProcess) -> None:
    folder = started.settings.data_dir
    assert (folder / "denoise.db-wal").exists()
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_second_server_says_one_sentence(started: ServerProcess) -> None:
    done = run("serve", "--port", "0", data=started.settings.data_dir)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert (
        done.stderr == f"munsit-denoise: Another server is already running on the data in {started.settings.data_dir}\n"
    )


def test_a_key_for_a_running_server_comes_without_a_word_more(started: ServerProcess) -> None:
    done = run("keys", "create", "--user", "sara", data=started.settings.data_dir)
    assert (done.exit_code, done.stderr) == (0, "")


def test_a_taken_port_leaves_no_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", data=tmp_path, port=str(taken.getsockname()[1]))
    assert done.exit_code == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert not (tmp_path / "denoise.db").exists()


def test_a_command_does_not_change_the_schema_under_a_running_server(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    upgrade(settings.database)
    check_schema(settings.database)
    downgrade(settings.database, "0001")
    with pytest.raises(UnusableDatabase, match="another version"):
        check_schema(settings.database)


@pytest.mark.parametrize("fault", ["folder", "text", "damaged", "newer", "locked"])
def test_a_database_that_cannot_be_used_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr("munsit_denoise.db.engine.BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "x.db"
    other: sqlite3.Connection | None = None
    if fault == "folder":
        path.mkdir()
    elif fault == "text":
        path.write_text("no database " * 1000)
    else:
        upgrade(f"sqlite:///{path}")
        other = sqlite3.connect(path, isolation_level=None)
        if fault == "newer":
            other.execute("UPDATE alembic_version SET version_num = '9999'")
        elif fault == "locked":
            other.execute("BEGIN EXCLUSIVE")
        else:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.close()
            with path.open("r+b") as file:
                file.seek(8192)
                file.write(os.urandom(16384))
    words = {"folder": "is a folder", "text": "no SQLite", "damaged": "is damaged", "newer": "newer version"}
    with pytest.raises(UnusableDatabase, match=words.get(fault, "is locked")):
        upgrade(f"sqlite:///{path}")
    if other is not None:
        other.close()


def test_a_folder_without_room_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("munsit_denoise.serve.tempfile.TemporaryFile", full)
    with pytest.raises(OSError, match="No space left") as caught:
        run_server(make_settings(tmp_path, port=0))
    assert caught.value.filename == str(tmp_path)
    assert not (tmp_path / "denoise.db").exists()


@pytest.mark.anyio
async def test_a_key_that_nobody_saw_is_taken_back(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    upgrade(settings.database)
    database = open_database(settings.database)
    keys = Keys(database)
    await keys.take_back(await keys.create("admin"))
    assert await keys.list() == []
    await database.close()


def test_an_older_versions_database_becomes_private(tmp_path: Path) -> None:
    for name in ("x.db", "x.db-wal"):
        (tmp_path / name).touch(0o644)
    make_private(tmp_path / "x.db")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_the_sample_is_a_short_recording_with_its_licence(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.wav")
    info = soundfile.info(tmp_path / "sample.wav")
    assert (info.samplerate, info.channels, info.frames) == (16_000, 1, 88_000)
    assert RECORDING.stat().st_size < 200_000
    assert "CC BY" in (RECORDING.parent / "LICENSE.txt").read_text()
