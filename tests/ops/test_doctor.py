"""Each planted fault is found, by the part that it is in, and the remedy is named; what is well is told as such."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from typer.testing import CliRunner

from munsit_denoise.cli import app
from munsit_denoise.db import engine as db_engine
from munsit_denoise.db.engine import now_us
from munsit_denoise.db.migrate import UnusableDatabase, downgrade, upgrade
from munsit_denoise.doctor.checks import all_checks
from munsit_denoise.doctor.examination import examine
from munsit_denoise.doctor.findings import Check, Finding, State, fine
from munsit_denoise.doctor.quick import quick_checks
from munsit_denoise.lock import only_server
from munsit_denoise.media import ffmpeg
from munsit_denoise.settings import Settings
from tests.live import make_settings
from tests.ops.installation import add_job, make_installation, sql
from tests.prepared import run as run_program
from tests.services import Databases, new_bucket


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pattern") / "here"
    anyio.run(make_installation, folder, 1)
    return folder


@pytest.fixture
def here(tmp_path: Path, pattern: Path) -> Settings:
    """Return an installation of a test's own, which it may harm."""
    shutil.copytree(pattern, tmp_path / "here")
    return make_settings(tmp_path / "here", port=0)


def look(settings: Settings, *names: str) -> dict[str, Finding]:
    """Return what some checks find, with those that they need."""
    checks = {check.name: check for check in all_checks(settings)}
    wanted = dict.fromkeys(names)
    for name in names:
        wanted |= dict.fromkeys(checks[name].needs)
        for need in checks[name].needs:
            wanted |= dict.fromkeys(checks[need].needs)
    return examine(settings, [check for check in checks.values() if check.name in wanted])


def found(settings: Settings, name: str) -> Finding:
    return look(settings, name)[name]


def test_all_is_well_with_an_installation_that_is_well(here: Settings) -> None:
    states = {name: finding.state for name, finding in examine(here, all_checks(here)).items()}
    assert states == dict.fromkeys(states, State.OK)
    assert len(states) == 12


# SQLite, one machine


def no_database(here: Settings) -> None:
    here.database_path.unlink()


def damaged(here: Settings) -> None:
    here.database_path.write_bytes(b"no database at all, and long enough to be looked at" * 40)


def older_schema(here: Settings) -> None:
    downgrade(here.database, "0004")


def newer_schema(here: Settings) -> None:
    with sql(here) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


def dropped_table(here: Settings) -> None:
    with sql(here) as connection:
        connection.execute("DROP TABLE holds")


def no_storage(here: Settings) -> None:
    here.storage_root.rename(here.data_dir / "elsewhere")


def storage_is_a_file(here: Settings) -> None:
    no_storage(here)
    here.storage_root.write_text("x")


def unreadable_recording(here: Settings) -> None:
    recording = next(here.storage_root.glob("??/*/denoised-1.wav"))
    recording.unlink()
    recording.symlink_to("/proc/self/mem")  # opening it is fine, reading it is not


def foreign_storage(here: Settings) -> None:
    mark = next(here.storage_root.glob(".installation-*"))
    mark.rename(mark.with_name(".installation-another"))


def unmounted_storage(here: Settings) -> None:
    no_storage(here)
    here.storage_root.mkdir()


def job_without_a_server(here: Settings) -> None:
    anyio.run(lambda: add_job(here, 2, ends=False))


def record_of_tomorrow(here: Settings) -> None:
    anyio.run(lambda: add_job(here, 2, created_at_us=now_us() + 86_400_000_000))


@pytest.mark.parametrize(
    ("plant", "name", "told", "remedy"),
    [
        (no_database, "database", "There is no database", "DENOISE_DATA_DIR"),
        (damaged, "database", "is no SQLite database, or damaged", "the right file"),
        (older_schema, "schema", "The schema is 0004, and this version needs", "munsit-denoise db upgrade"),
        (newer_schema, "schema", "9999 is a newer version's", "restore an older backup"),
        (dropped_table, "schema", "but the database lacks holds", "restore a backup"),
        (no_storage, "storage", "There is no folder", "mounted"),
        (storage_is_a_file, "storage", "There is no folder", "DENOISE_STORAGE_URL"),
        (unreadable_recording, "storage", "cannot be used: Input/output error", "DENOISE_STORAGE_URL"),
        (foreign_storage, "installation", "belongs to another database", "DENOISE_ADOPT_STORAGE"),
        (unmounted_storage, "installation", "The storage is new, or belongs to another installation", "mounted"),
        (job_without_a_server, "queue", "1 jobs wait, and no server", "Start munsit-denoise serve"),
        (record_of_tomorrow, "clock", "in the future: this machine's clock is behind", "NTP"),
    ],
)
def test_what_is_wrong_with_the_data_is_found(
    here: Settings, plant: Callable[[Settings], None], name: str, told: str, remedy: str
) -> None:
    plant(here)
    before = sorted(here.data_dir.rglob("*"))
    finding = found(here, name)
    assert finding.state is State.WRONG
    assert told in finding.message
    assert remedy in str(finding.remedy)
    assert sorted(here.data_dir.rglob("*")) == before, "it looks, and changes nothing"


def test_a_database_that_another_program_holds_is_found(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_engine, "BUSY_TIMEOUT_S", 0.05)
    with sql(here) as other:
        other.execute("BEGIN EXCLUSIVE")
        finding = found(here, "database")
    assert finding.state is State.WRONG
    assert "locked by another program" in finding.message
    assert "wait until it is done" in str(finding.remedy)


def test_a_job_that_hangs_is_found_while_its_server_runs(here: Settings) -> None:
    job_without_a_server(here)
    with only_server(here):
        assert found(here, "queue").state is State.OK
        with sql(here) as connection:
            connection.execute("UPDATE denoise_records SET attempts = 1, heartbeat_at = 1 WHERE status = 'pending'")
        finding = found(here, "queue")
    assert "sent no heartbeat" in finding.message
    assert "Restart" in str(finding.remedy)


# the machine


def test_a_disk_without_room_is_found(here: Settings) -> None:
    finding = found(here.model_copy(update={"disk_reserve_mb": 10**9}), "disk")
    assert "less than the reserve" in finding.message
    assert "Make room" in str(finding.remedy)


def test_a_port_of_another_program_is_told_from_one_of_ours(here: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = here.model_copy(update={"port": other.getsockname()[1]})

        def answer(body: bytes) -> Finding:
            thread = threading.Thread(target=_answer_once, args=(other, body))
            thread.start()
            finding = found(taken, "port")
            thread.join()
            return finding

        assert answer(b'{"status":"ok"}').state is State.OK
        finding = answer(b"somebody else")
    assert "Another program uses 127.0.0.1" in finding.message
    assert "DENOISE_PORT" in str(finding.remedy)
    assert "cannot listen" in found(here.model_copy(update={"host": "192.0.2.1"}), "port").message


def _answer_once(listener: socket.socket, body: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"s3_endpoint": "http://127.0.0.1:1"}, "DENOISE_S3_ENDPOINT is set"),
        ({"downloads": "presigned"}, "which a folder cannot do"),
        ({"rate_limit_url": "redis://127.0.0.1"}, "nothing is counted"),
        ({"keep_records_days": 1.0, "keep_results_days": 2.0}, "before their own days"),
        ({"public_url": "http://a.example", "cors_origins": "https://b.example"}, "may not load from it"),
    ],
)
def test_settings_that_contradict_each_other_are_found(here: Settings, changes: dict[str, Any], told: str) -> None:
    finding = found(here.model_copy(update=changes), "settings")
    assert finding.state is State.WRONG
    assert told in finding.message
    assert finding.remedy


def test_a_setting_that_is_none_is_found(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DENOISE_PROT", "80")
    assert "did you mean DENOISE_PORT" in found(here, "settings").message


# what does the work


@contextmanager
def programs(folder: Path, patch: pytest.MonkeyPatch, **scripts: str) -> Iterator[None]:
    """Let programs be found first that are scripts of ours."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    ffmpeg.program.cache_clear()
    try:
        yield
    finally:
        ffmpeg.program.cache_clear()


def test_an_ffmpeg_that_does_not_work_is_found(here: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with programs(tmp_path, monkeypatch, ffmpeg="exit 127"):
        finding = found(here, "ffmpeg")
        assert f"{tmp_path}/ffmpeg does not work: it ended with 127" in finding.message
        assert "apt-get install ffmpeg" in str(finding.remedy)
        (tmp_path / "ffmpeg").unlink()
    with programs(tmp_path, monkeypatch, ffprobe="echo nothing"):
        assert "cannot read a WAV file" in found(here, "ffmpeg").message
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    ffmpeg.program.cache_clear()
    assert "was not found" in found(here, "ffmpeg").message
    ffmpeg.program.cache_clear()


@pytest.mark.parametrize("which", ["DEFAULT_WEIGHTS", "DRY_WEIGHTS"])
def test_damaged_weights_are_found(here: Settings, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    monkeypatch.setattr(f"munsit_denoise.engine.weights.{which}", "MODEL_CARD.md")
    both = look(here, "model", "device")
    assert "the model's weights are damaged" in both["model"].message
    assert "Install munsit-denoise again" in str(both["model"].remedy)
    assert both["device"].state is State.SKIPPED


def test_a_model_that_no_package_brings_is_found(here: Settings) -> None:
    finding = found(here.model_copy(update={"enhancer": "other"}), "model")
    assert "DENOISE_ENHANCER is other" in finding.message
    assert "docs/enhancers.md" in str(finding.remedy)


def test_a_device_that_is_not_there_is_found(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    finding = found(here.model_copy(update={"device": "cuda"}), "device")
    assert "DENOISE_DEVICE is cuda" in finding.message
    assert "DENOISE_DEVICE=auto or cpu" in str(finding.remedy)


def test_pytorch_that_is_not_there_is_found_where_it_is_needed(here: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("munsit_denoise.engine.weights", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    assert "PyTorch cannot be loaded" in found(here, "model").message
    web = here.model_copy(update={"database_url": "postgresql://nobody@host/none", "job_concurrency": 0})
    assert found(web, "model").message.startswith("Not needed here")


# a cluster


@pytest.fixture
def cluster(tmp_path: Path, postgres_server: Databases, s3_endpoint: str) -> Settings:
    url = postgres_server.new_database()
    upgrade(url)
    (tmp_path / "node").mkdir()
    bucket = new_bucket(s3_endpoint)
    return make_settings(
        tmp_path / "node", port=0, database_url=url, storage_url=bucket, s3_endpoint=s3_endpoint, job_concurrency=0
    )


def run(url: str, *statements: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


ADD_USER = "INSERT INTO users (id, name, created_at) VALUES ('u', 'anna', 1)"
ADD_JOB = """
INSERT INTO denoise_records (id, user_id, origin, secret, file_name, audio_format, source_type, audio_duration,
  audio_size, original_key, status, attempts, lease, created_at, updated_at, heartbeat_at)
VALUES ('j', 'u', 'munsit', 's', 'a.wav', 'wav', 'audio', 1, 1, 'j/original', 'pending', {attempts}, 1, 1, 1, {beat})
"""
ADD_WORKER = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())"


def test_a_cluster_that_is_well_and_its_queue_without_workers(cluster: Settings) -> None:
    states = look(cluster, "settings", "storage", "installation", "queue", "clock", "disk")
    assert {name for name, finding in states.items() if finding.state is not State.OK} == {"queue"}
    assert states["queue"].state is State.WARNING
    run(cluster.database, ADD_USER, ADD_JOB.format(attempts=0, beat="NULL"))
    finding = found(cluster, "queue")
    assert finding.message == "1 jobs wait, and no worker sends heartbeats."
    assert "Start munsit-denoise worker" in str(finding.remedy)
    run(cluster.database, ADD_WORKER, ADD_WORKER)
    finding = found(cluster, "queue")
    assert (finding.state, finding.message) == (State.OK, "1 jobs wait or run, 1 workers send heartbeats.")
    run(cluster.database, "UPDATE denoise_records SET attempts = 1, heartbeat_at = 1")
    assert "sent no heartbeat" in found(cluster, "queue").message


def test_clocks_that_differ_are_found(cluster: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.db.checkup.time.time", lambda: now_us() / 1e6 - 90)
    finding = found(cluster, "clock")
    assert "clock is 90 s behind the database's" in finding.message
    assert "NTP" in str(finding.remedy)


def test_a_database_that_is_not_reached_or_has_no_schema_is_found(
    cluster: Settings, postgres_server: Databases
) -> None:
    empty = cluster.model_copy(update={"database_url": postgres_server.new_database()})
    assert "The database has no schema" in found(empty, "schema").message
    closed = empty.model_copy(update={"database_url": "postgresql://anna:secret@127.0.0.1:1/none"})
    finding = found(closed, "database")
    assert "cannot be reached" in finding.message
    assert "secret" not in finding.message
    assert "pg_hba.conf" in str(finding.remedy)
    assert found(closed, "queue").state is State.SKIPPED


def test_a_database_that_lets_nobody_write_is_found(cluster: Settings, postgres_server: Databases) -> None:
    name = cluster.database.rpartition("/")[2]
    run(cluster.database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    finding = found(cluster, "database")
    assert "cannot execute UPDATE in a read-only transaction. Name the primary server" in finding.message
    user = f"user_of_{name}"
    run(postgres_server.new_database(), f"CREATE ROLE {user} LOGIN")
    theirs = postgres_server.new_database().replace("postgres@", f"{user}@")
    with pytest.raises(UnusableDatabase, match="permission denied for schema public"):
        upgrade(theirs)


def test_a_bucket_that_is_not_there_is_found(cluster: Settings) -> None:
    finding = found(cluster.model_copy(update={"storage_url": "s3://no-such-bucket/x"}), "storage")
    assert "The bucket of s3://no-such-bucket/x is not there" in finding.message
    assert "Create the bucket" in str(finding.remedy)


def test_what_is_silent_holds_nobody_up() -> None:
    forever = threading.Event()

    def hang(_: Settings) -> Finding:
        forever.wait()
        return fine("")

    settings = Settings(_env_file=None)
    checks = [
        Check("silent", hang, "Wake it up.", deadline_s=0.05),
        Check("behind", lambda _: fine(""), "", needs=("silent",)),
        Check("broken", lambda _: fine(str(1 // 0)), ""),
        Check("well", lambda _: fine("Well."), ""),
    ]
    states = examine(settings, checks)
    forever.set()
    assert states["silent"].message == "There was no answer within 0.05 s."
    assert states["silent"].remedy == "Wake it up."
    assert states["behind"].state is State.SKIPPED
    assert "ZeroDivisionError" in states["broken"].message
    assert states["well"].state is State.OK


def test_all_deadlines_together_are_less_than_a_minute() -> None:
    for settings in (Settings(_env_file=None), Settings(_env_file=None, database_url="postgresql://a@b/c")):
        ends: dict[str, float] = {}
        for check in all_checks(settings):
            ends[check.name] = max((ends[need] for need in check.needs), default=0) + check.deadline_s
        assert max(ends.values()) < 55


# the command


def test_a_silent_database_and_a_silent_store_end_the_command_with_what_to_do(tmp_path: Path) -> None:
    """As a process of its own: threads that wait for ever must not hold it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        environment = {
            "DENOISE_DATA_DIR": str(tmp_path),
            "DENOISE_DATABASE_URL": f"postgresql://anna@127.0.0.1:{port}/none",
            "DENOISE_STORAGE_URL": "s3://bucket/x",
            "DENOISE_S3_ENDPOINT": f"http://127.0.0.1:{port}",
        }
        aws = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
        done = run_program("doctor", "--quick", "--json", environment=os.environ | environment | aws)
    assert done.returncode == 1, done.stderr
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "no answer" in checks["database"]["message"]
    assert "DENOISE_S3_ENDPOINT" in checks["storage"]["remedy"]
    assert checks["disk"]["state"] == "ok"


def test_the_command_tells_a_wrong_setting_and_the_exit_code(
    here: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DENOISE_DATA_DIR", str(here.data_dir))
    done = CliRunner().invoke(app, ["doctor", "--quick"])
    assert (done.exit_code, done.output.count("ok ")) == (0, 3)
    no_storage(here)
    done = CliRunner().invoke(app, ["doctor", "--quick"])
    assert done.exit_code == 1
    assert "WRONG    storage" in done.output
    assert " -> Check DENOISE_STORAGE_URL" in done.output
    monkeypatch.setenv("DENOISE_PORT", "eighty")
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    assert "DENOISE_PORT='eighty' is wrong" in json.loads(done.output)["checks"][0]["message"]


def test_a_quick_look_loads_neither_the_model_nor_ffmpegs_parts(here: Settings) -> None:
    assert {check.name for check in quick_checks(here)} == {"database", "storage", "disk"}
    code = (
        "import sys, munsit_denoise.commands.doctor as d; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'munsit_denoise.media.ffmpeg')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
