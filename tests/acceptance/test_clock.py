"""A wall clock that is set by an hour, forwards and backwards, while a server runs: nothing begins or ends by it."""

import sqlite3
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.audio import write_noisy, write_silence
from tests.faults import until
from tests.live import Live, ServerProcess, create_key

HOUR_S = 3_600


class Clock:
    """How far a server's wall clock is off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(0)

    def set(self, off_s: float) -> None:
        """Set the clock; whoever runs by it hears it at once."""
        content = struct.pack("<q", int(off_s * 1e9))
        if not self.path.exists():
            self.path.write_bytes(content)
        with self.path.open("r+b") as file:
            file.write(content)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def server(clock: Clock, tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "data", UPLOAD_HOURS="24", SSE_PING_S="0.2", JOB_RETRY_DELAY_S="0.2")
    server.module = "tests.clock"
    server.environment |= {"TEST_CLOCK": str(clock.path)}
    server.start("/readyz")
    yield server
    server.close()


@pytest.fixture
def live(server: ServerProcess) -> Iterator[Live]:
    live = Live(server.url, create_key(server.settings, "tester"), server.settings)
    yield live
    live.client.close()


class Listener(threading.Thread):
    """Follows a job to the stream's end."""

    def __init__(self, live: Live, job_id: str) -> None:
        super().__init__()
        self._live, self._job_id, self.events = live, job_id, list[dict[str, Any]]()
        self.start()

    def run(self) -> None:
        """Note each event; a server that is killed ends the stream as well."""
        with suppress(httpx2.TransportError):
            for event in self._live.follow(self._job_id):
                self.events.append(event)

    def hears_more(self) -> None:
        """Wait for an event that is yet to come, which must not be the end of a stream that was cut off."""
        before = len(self.events)
        until(lambda: len(self.events) > before or not self.is_alive())
        assert len(self.events) > before, "the stream was closed early"


def hours_of(record: dict[str, Any]) -> float:
    """Return by how many hours a record was created later than now."""
    created = datetime.fromisoformat(record["created_at"])
    return (created.timestamp() - time.time()) / HOUR_S


def attempts(server: ServerProcess) -> dict[str, int]:
    with closing(sqlite3.connect(server.settings.database_path)) as database:
        return dict(database.execute("SELECT id, attempts FROM denoise_records").fetchall())


def upload_for_later(live: Live, path: Path) -> str:
    answer = live.client.post(f"{live.url}/v1/upload", files={"file": (path.name, path.read_bytes())})
    return str(answer.json()["fileId"])


def make_job(live: Live, file_id: str) -> int:
    return live.client.post(f"{live.url}/v1/remove-noise", json={"input": file_id}).status_code


def test_a_clock_that_is_set_begins_and_ends_nothing(
    clock: Clock, server: ServerProcess, live: Live, tmp_path: Path
) -> None:
    """Forwards by an hour in the midst of a job, then back by two, then a kill and a start in the past, then a day.

    Only that day does something: it is the time that an upload waits for a job.
    """
    long, short = write_silence(tmp_path / "long.wav", 300), write_noisy(tmp_path / "short.wav", 0.5)
    file_id = upload_for_later(live, short)
    running = live.upload(long)
    waiting = live.upload(short)
    listener, second = Listener(live, running), Listener(live, waiting)
    until(lambda: any(event["stage"] == "processing" for event in listener.events))
    submitted = [running, waiting]
    for off_s in (HOUR_S, -HOUR_S):
        clock.set(off_s)
        submitted.append(live.upload(short))
        listener.hears_more()
        assert live.client.get("/denoise").status_code == 200  # keys are as good as before
    assert attempts(server)[running] == 1  # it was not taken for one that has stopped
    records = live.client.get("/denoise").json()
    assert [record["id"] for record in records] == submitted[::-1]
    assert [round(hours_of(record)) for record in records] == [1, 1, 0, 0]  # the fourth just behind the third
    server.kill()
    server.start("/readyz")
    listener.join()
    second.join()
    until(lambda: attempts(server)[running] == 2)  # the kill alone made another attempt
    assert live.client.post(f"{live.url}/v1/remove-noise/{running}/delete-results").status_code == 200
    assert [live.events(job_id)[-1]["stage"] for job_id in submitted[1:]] == ["done"] * 3
    assert make_job(live, file_id) == 200  # it has 24 hours
    server.kill()
    clock.set(25 * HOUR_S)
    server.start()
    until(lambda: not (live.settings.storage_root / file_id[:2] / file_id).exists())
    assert make_job(live, file_id) == 404
    ended = {record["id"]: record["status"] for record in live.client.get("/denoise").json()}
    assert [ended[job_id] for job_id in submitted[1:]] == ["success"] * 3
