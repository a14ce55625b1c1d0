"""What breaks around a server is no client's fault: it is told to come back, and what was accepted goes on."""

import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import httpx2
import pytest
import soundfile

from munsit_denoise.engine.weights import DEFAULT_WEIGHTS
from tests.acceptance.test_command_line import run
from tests.audio import write_noisy, write_silence
from tests.faults import frozen, full, locked, programs, read_only, said_to_come_back, small_disk, status, until
from tests.live import Live, ServerProcess, create_key

DISK_MB = 48
LONG_S = 35  # two windows of the model


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    folder = tmp_path_factory.mktemp("faults") / "data"
    with small_disk(folder, DISK_MB) as permitted:
        yield folder if permitted else None


@pytest.fixture(scope="module")
def server(disk: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all faults: each must leave it as it was."""
    server = ServerProcess(disk or tmp_path_factory.mktemp("faults") / "data", SSE_RECHECK_S="0.5")
    server.start("/readyz")
    yield server
    server.close()


@pytest.fixture(scope="module")
def live(server: ServerProcess) -> Iterator[Live]:
    live = Live(server.url, create_key(server.settings, "tester"), server.settings)
    yield live
    live.client.close()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("short") / "short.wav", 1)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_silence(tmp_path_factory.mktemp("long") / "long.wav", LONG_S)


def is_ready(live: Live) -> bool:
    return live.client.get(f"{live.url}/readyz").status_code == 200


def check_that_all_is_well(server: ServerProcess, live: Live) -> None:
    """The server is ready, keeps what its records name and nothing else, and no program runs any more."""
    until(lambda: is_ready(live))
    until(lambda: all(record["status"] != "pending" for record in live.client.get("/denoise").json()))
    until(lambda: not programs(server, "ffmpeg"))
    records = {record["id"] for record in live.client.get("/denoise").json()}
    until(lambda: {path.parent.name for path in live.files()} <= {*records, live.settings.storage_root.name})
    assert not [path for path in live.files() if path.suffix == ".part"]


@pytest.fixture
def well(server: ServerProcess, live: Live) -> Iterator[None]:
    until(lambda: is_ready(live))
    yield
    check_that_all_is_well(server, live)


@pytest.mark.parametrize("moment", ["before it runs", "in its midst"])
def test_a_full_disk_fails_no_job(
    moment: str, disk: Path | None, server: ServerProcess, live: Live, long: Path, short: Path, well: None
) -> None:
    if disk is None:
        pytest.skip("no disk of its own can be mounted here")
    job_id = live.upload(long)
    if moment == "in its midst":
        until(lambda: bool(programs(server, "encoder") or programs(server, "denoised-")))
    with full(disk):
        answer = live.client.post("/denoise", files={"audio": ("a.wav", short.read_bytes())})
        assert said_to_come_back(answer)
        until(lambda: not is_ready(live))
        time.sleep(2)
        assert status(live, job_id) != "failed"
    assert live.events(job_id)[-1]["stage"] == "done"


def test_deleting_makes_room_on_a_full_disk(
    disk: Path | None, server: ServerProcess, live: Live, long: Path, well: None
) -> None:
    if disk is None:
        pytest.skip("no disk of its own can be mounted here")
    job_id = live.upload(long)
    live.events(job_id)
    with full(disk):
        answer = live.client.post(f"{live.url}/v1/remove-noise/{job_id}/delete-results")
        assert answer.status_code == 200
        assert not (live.settings.storage_root / job_id[:2] / job_id).exists()


def test_a_read_only_storage(
    disk: Path | None, server: ServerProcess, live: Live, long: Path, short: Path, well: None
) -> None:
    if disk is None:
        pytest.skip("no disk of its own can be mounted here")
    ended = live.upload(short)
    live.events(ended)
    job_id = live.upload(long)
    with read_only(live.settings.storage_root):
        answer = live.client.post("/denoise", files={"audio": ("a.wav", short.read_bytes())})
        assert said_to_come_back(answer)
        until(lambda: not is_ready(live))
        answer = live.client.post(f"{live.url}/v1/remove-noise/{ended}/delete-results")
        assert said_to_come_back(answer)
        time.sleep(2)
        assert status(live, job_id) != "failed"
    assert live.events(job_id)[-1]["stage"] == "done"
    until(lambda: not (live.settings.storage_root / ended[:2] / ended).exists())


def one_of(server: ServerProcess, *words: str) -> int:
    """Wait for a program with these words in its command line and return its process id."""
    found: list[int] = []
    until(lambda: bool(found.extend(programs(server, *words)) or found))
    return found[0]


DECODER, ENCODER = ("original", "nut"), ("denoised-",)  # words of their command lines


@pytest.mark.parametrize(
    "hits",
    [[(DECODER, signal.SIGTERM), (ENCODER, signal.SIGKILL)], [(DECODER, signal.SIGKILL), (ENCODER, signal.SIGTERM)]],
)
def test_a_killed_program_is_tried_again_and_its_result_is_whole(
    hits: list[tuple[tuple[str, ...], signal.Signals]],
    server: ServerProcess,
    live: Live,
    long: Path,
    tmp_path: Path,
    well: None,
) -> None:
    job_id = live.upload(long)
    for words, number in hits:
        pid = one_of(server, *words)
        os.kill(pid, number)
        until(lambda pid=pid: pid not in programs(server, "ffmpeg"))
    assert live.events(job_id)[-1]["stage"] == "done"
    result = tmp_path / "result.wav"
    result.write_bytes(live.client.get(live.record(job_id)["audio_url"]).content)
    assert soundfile.info(result).frames == soundfile.info(long).frames


def test_a_locked_database_is_told_and_waited_for(
    server: ServerProcess, live: Live, short: Path, long: Path, well: None
) -> None:
    """A lock of more than the five seconds that a request waits, at an upload, a job's end, a deletion."""
    ended, running = live.upload(short), live.upload(long)
    assert live.events(ended)[-1]["stage"] == "done"
    answers: dict[str, httpx2.Response] = {}
    known = len(live.client.get("/denoise").json())

    def ask(path: str, **options: Any) -> None:
        with httpx2.Client(headers={"x-api-key": live.key}, timeout=60) as client:
            answers[path] = client.post(live.url + path, **options)

    sound = ("a.wav", short.read_bytes())
    asked = [
        threading.Thread(target=ask, args=(path,), kwargs=options)
        for path, options in (
            ("/api/v1/denoise", {"files": {"audio": sound}}),
            ("/v1/upload", {"files": {"file": sound}}),
            ("/v1/remove-noise", {"json": {"input": "http://127.0.0.1:1/a.wav"}}),
            (f"/v1/remove-noise/{ended}/delete-results", {}),
        )
    ]
    with locked(live.settings.database_path):
        for thread in asked:
            thread.start()
        assert live.record(running)["status"] == "pending"  # reading goes on
        for thread in asked:
            thread.join()
    assert [path for path, answer in answers.items() if not said_to_come_back(answer)] == []
    assert len(live.client.get("/denoise").json()) == known  # what was refused has left no record
    assert live.events(running)[-1]["stage"] == "done"


def test_few_descriptors_fail_no_job(server: ServerProcess, live: Live, short: Path, long: Path, well: None) -> None:
    job_id = live.upload(long)
    before = resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    address = live.url.removeprefix("http://").partition(":")[0], int(live.url.rpartition(":")[2])
    try:
        idle = [socket.create_connection(address) for _ in range(70)]
        until(lambda: len(list(Path(f"/proc/{server.pid}/fd").iterdir())) > 55)
        time.sleep(1)
        for connection in idle:
            connection.close()
        answer = live.client.post("/denoise", files={"audio": ("a.wav", short.read_bytes())})
        assert answer.status_code == 200 or said_to_come_back(answer)
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, before)
    assert live.events(job_id)[-1]["stage"] == "done"


def test_a_server_that_stood_still_goes_on(server: ServerProcess, live: Live, long: Path, well: None) -> None:
    job_id = live.upload(long)
    with live.client.stream("GET", f"/denoise/{job_id}/progress") as answer:
        lines = answer.iter_lines()
        next(lines)
        with frozen(server):
            time.sleep(3)
        told = [line for line in lines if line.startswith("data: ")]
    assert '"done"' in told[-1]


def test_a_stop_of_every_process_at_once_fails_nothing(
    server: ServerProcess, live: Live, short: Path, long: Path, well: None
) -> None:
    """As a service manager stops a unit: while a job runs, one is followed, and one is on its way."""
    job_ids = [live.upload(long), live.upload(short)]
    ends: list[str] = []

    def follow() -> None:
        ends.extend(str(event["stage"]) for event in live.follow(job_ids[0]))

    def send_half() -> None:
        def half() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n' + short.read_bytes()
            until(lambda: server.has_ended)

        with suppress(httpx2.TransportError), httpx2.Client(headers={"x-api-key": live.key}, timeout=60) as client:
            headers = {"content-type": "multipart/form-data; boundary=x"}
            answer = client.post(f"{live.url}/api/v1/denoise", content=half(), headers=headers)
            assert said_to_come_back(answer)

    threads = [threading.Thread(target=follow), threading.Thread(target=send_half)]
    for thread in threads:
        thread.start()
    until(lambda: bool(programs(server, *DECODER)) and bool(ends))
    server.signal_group(signal.SIGTERM)
    assert server.wait() == 0
    for thread in threads:
        thread.join()
    assert ends[-1] == "processing"
    server.start("/readyz")
    assert [live.events(job_id)[-1]["stage"] for job_id in job_ids] == ["done", "done"]


def test_a_database_that_is_gone_takes_nothing_in(
    server: ServerProcess, live: Live, short: Path, tmp_path: Path, well: None
) -> None:
    """Its open file would take jobs that nobody finds again. Put back, all is as it was."""
    job_id = live.upload(short)
    assert live.events(job_id)[-1]["stage"] == "done"
    database = live.settings.database_path
    aside = database.with_name("aside.db")
    database.rename(aside)
    try:
        assert said_to_come_back(live.client.post("/denoise", files={"audio": ("a.wav", short.read_bytes())}))
        until(lambda: not is_ready(live))
        assert live.client.get("/denoise").status_code in (200, 503)
    finally:
        aside.rename(database)
    assert live.record(job_id)["status"] == "success"
    assert live.events(live.upload(short))[-1]["stage"] == "done"


def test_a_lost_database_deletes_no_recording(server: ServerProcess, live: Live, short: Path, well: None) -> None:
    job_id = live.upload(short)
    assert live.events(job_id)[-1]["stage"] == "done"
    files = {path: path.read_bytes() for path in live.files()}
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    database = live.settings.database_path
    aside = database.rename(database.with_name("aside.db"))
    with pytest.raises(subprocess.CalledProcessError):
        server.start()
    assert "The storage holds recordings that this database does not know" in server.told()
    aside.rename(database)
    server.start("/readyz")
    assert {path: path.read_bytes() for path in live.files()} == files


def test_another_servers_storage_is_left_alone(
    server: ServerProcess, live: Live, short: Path, tmp_path: Path, well: None
) -> None:
    job_id = live.upload(short)
    assert live.events(job_id)[-1]["stage"] == "done"
    files = {path: path.read_bytes() for path in live.files()}
    done = run("serve", "--port", "0", data=tmp_path / "own", STORAGE_URL=f"file://{live.settings.storage_root}")
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert "Another server is already using the recordings" in done.stderr
    assert {path: path.read_bytes() for path in live.files()} == files


def test_damaged_weights_end_the_server_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "damaged.safetensors"
    weights = resources.files("munsit_denoise.engine") / "weights" / DEFAULT_WEIGHTS
    damaged.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr("munsit_denoise.engine.weights.DEFAULT_WEIGHTS", str(damaged))
    done = run("serve", "--port", "0", data=tmp_path / "data")
    assert done.exit_code == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("munsit-denoise: ")]
    assert len(said) == 1
    assert "The model cannot be loaded" in said[0]
    assert "Traceback" not in done.output
