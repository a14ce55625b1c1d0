"""Whatever was accepted ends well, however the server ends."""

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import soundfile

from tests.audio import write_noisy, write_silence
from tests.live import Live, ServerProcess, create_key

KILLS = 3  # `make chaos` kills a hundred times
SEED = 20


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    """A server that is yet to start; a parameter gives it settings."""
    server = ServerProcess(tmp_path / "data", **getattr(request, "param", {}))
    yield server
    server.close()


@pytest.fixture
def live(server: ServerProcess) -> Iterator[Live]:
    """A client of the server, which starts here."""
    server.start("/readyz")
    live = Live(server.url, create_key(server.settings, "tester"), server.settings)
    yield live
    live.client.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_kill_at_random_moments_loses_nothing(server: ServerProcess, live: Live, tmp_path: Path) -> None:
    """Kill -9 again and again during uploads and jobs: every id that was answered succeeds, nothing else stays."""
    rng = random.Random(SEED)
    paths = [write_noisy(tmp_path / f"{seconds}.wav", seconds, 16_000) for seconds in (1.5, 4.0, 9.0)]
    started = time.monotonic()
    live.events(live.upload(paths[1]))
    reach_s = 2 * (time.monotonic() - started)  # on this machine, now: kills shall hit uploads and jobs alike
    promised: dict[str, Path] = {}
    stop, begun = threading.Event(), threading.Event()

    def upload_for_ever() -> None:
        while not stop.is_set():
            path = rng.choice(paths)
            begun.set()
            try:
                promised[live.upload(path)] = path
            except httpx2.TransportError:
                time.sleep(0.02)
            stop.wait(rng.uniform(0, reach_s))

    uploaders = [threading.Thread(target=upload_for_ever) for _ in range(2)]
    for thread in uploaders:
        thread.start()
    kills = 0
    while kills < KILLS or len(promised) < KILLS / 2:
        begun.clear()
        assert begun.wait(30)  # the moment lies in an upload, or in a job that follows it
        time.sleep(rng.uniform(0, reach_s))
        server.kill()
        server.start()
        kills += 1
    stop.set()
    for thread in uploaders:
        thread.join()
    for job_id in promised:
        assert live.events(job_id)[-1]["stage"] == "done"
    check_everything(live, promised, tmp_path)


def check_everything(live: Live, promised: dict[str, Path], folder: Path) -> None:
    records = {record["id"]: record for record in live.client.get("/denoise").json()}
    assert {record["status"] for record in records.values()} == {"success"}
    assert set(promised) <= set(records)  # an answer may be lost on the way, a record behind an answer not
    for job_id, path in promised.items():
        assert live.client.get(records[job_id]["original_audio_url"]).content == path.read_bytes()
        (folder / "result.wav").write_bytes(live.client.get(records[job_id]["audio_url"]).content)
        assert soundfile.read(folder / "result.wav")[0].shape == soundfile.read(path)[0].shape
    assert {file.parent.name for file in live.files()} == set(records)
    assert len([file for file in live.files() if not file.name.startswith("tiles-")]) == 2 * len(records)
    database = sqlite3.connect(live.settings.database.removeprefix("sqlite:///"))
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_sigterm_with_open_streams_is_quick_and_loses_nothing(
    server: ServerProcess, live: Live, tmp_path: Path
) -> None:
    job_ids = [live.upload(write_silence(tmp_path / f"{seconds}.wav", seconds)) for seconds in (90, 1)]
    live.client.close()
    limits, headers = httpx2.Limits(max_connections=100), {"x-api-key": live.key}
    live.client = httpx2.Client(base_url=live.url + "/api/v1", headers=headers, timeout=60, limits=limits)
    listening = threading.Semaphore(0)
    streams: list[list[dict[str, object]]] = []

    def listen(job_id: str) -> None:
        events = []
        for event in live.follow(job_id):
            events.append(event)
            if len(events) == 1:
                listening.release()
        streams.append(events)

    threads = [threading.Thread(target=listen, args=(job_ids[n % 2],)) for n in range(50)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert listening.acquire(timeout=30)
    server.signal(signal.SIGTERM)
    code = server.wait(15)  # raises where a stream keeps it up
    for thread in threads:
        thread.join()
    assert code == 0
    assert len(streams) == 50  # every stream ended in order, none was broken off
    assert all(events[-1]["stage"] == "processing" for events in streams)
    server.start("/readyz")
    for job_id in job_ids:
        assert live.events(job_id)[-1]["stage"] == "done"
        assert live.record(job_id)["status"] == "success"
    attempts = sqlite3.connect(live.settings.database.removeprefix("sqlite:///"))
    assert attempts.execute("SELECT max(attempts) FROM denoise_records").fetchone() == (1,)
    attempts.close()


@pytest.mark.parametrize("server", [{"JOB_RETRY_DELAY_S": "0.2", "JOB_MAX_ATTEMPTS": "2"}], indirect=True)
def test_a_file_that_kills_the_server_is_given_up(server: ServerProcess, live: Live, tmp_path: Path) -> None:
    """Runs that never came back, as many as it may have: the next start ends the job and runs the others."""
    poison = live.upload(write_silence(tmp_path / "long.wav", 890))
    other = live.upload(write_noisy(tmp_path / "a.wav", 1))
    for attempt in (1, 2):
        while attempts_of(server, poison) < attempt:
            time.sleep(0.02)
        server.kill()
        server.start("/readyz")
    end = {"stage": "error", "message": "The file could not be processed after 2 attempts."}
    assert live.events(poison)[-1] == end
    assert live.record(poison)["error"] == end["message"]
    assert live.events(other)[-1]["stage"] == "done"


def attempts_of(server: ServerProcess, job_id: str) -> int:
    with closing(sqlite3.connect(server.settings.database.removeprefix("sqlite:///"))) as database:
        found: int = database.execute("SELECT attempts FROM denoise_records WHERE id = ?", (job_id,)).fetchone()[0]
    return found
