"""Two web processes and two workers on one PostgreSQL and one object store; whoever is killed, every job ends once."""

import concurrent.futures
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from munsit_denoise.db.migrate import upgrade
from tests.live import create_key, make_settings, wait_ready
from tests.prepared import OURS, start
from tests.services import Postgres, free_port, new_bucket

JOBS = 12
QUICK = {"HEARTBEAT_S": "1", "LEASE_S": "3", "SWEEP_INTERVAL_S": "3", "SWEEP_AGE_S": "5", "JOB_RETRY_DELAY_S": "0"}


class Process:
    """One process of the cluster, to be killed and started again."""

    def __init__(self, folder: Path, command: str, **settings: str) -> None:
        self.url = ""
        if command == "serve":
            port = free_port()
            self.url, settings = f"http://127.0.0.1:{port}", {"PORT": str(port), "JOB_CONCURRENCY": "0", **settings}
        self._log = folder.parent / f"{folder.name}.log"
        own = {"DATA_DIR": str(folder), "THREADS": "1", "DISK_RESERVE_MB": "0", **QUICK, **settings}
        self._environment = os.environ | {f"DENOISE_{name}": value for name, value in own.items()}
        self._command = [OURS, command]
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = start(self._command, self._environment, log)

    def send(self, number: signal.Signals) -> None:
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.send(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)


@pytest.fixture
def shared(postgres_server: Postgres, s3_endpoint: str) -> dict[str, str]:
    url = postgres_server.new_database()
    upgrade(url)
    return {"DATABASE_URL": url, "STORAGE_URL": new_bucket(s3_endpoint), "S3_ENDPOINT": s3_endpoint}


@contextmanager
def cluster(folder: Path, shared: dict[str, str], webs: int = 2, workers: int = 2) -> Iterator[list[Process]]:
    processes = [Process(folder / f"web{n}", "serve", **shared) for n in range(webs)]
    processes += [Process(folder / f"worker{n}", "worker", **shared) for n in range(workers)]
    try:
        for web in processes[:webs]:
            wait_ready(web.url)
        yield processes
    finally:
        for process in processes:
            process.kill()


def key_for(folder: Path, shared: dict[str, str]) -> str:
    return create_key(make_settings(folder, database_url=shared["DATABASE_URL"]), "ann")


def follow(url: str, key: str, job_id: str) -> list[str]:
    """Return the stages that a stream told until its end, over as many connections as it takes."""
    until, ends = time.monotonic() + 90, []
    while not ends and time.monotonic() < until:
        with (
            suppress(httpx.TransportError),
            httpx.stream(
                "GET", f"{url}/api/v1/denoise/{job_id}/progress", headers={"x-api-key": key}, timeout=90
            ) as answer,
        ):
            ends = [line for line in answer.iter_lines() if '"done"' in line or '"error"' in line]
        time.sleep(0.2)
    return ends


def rows(shared: dict[str, str], query: str) -> list[Any]:
    with psycopg.connect(shared["DATABASE_URL"]) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
def test_whoever_is_killed_every_job_ends_once_and_is_told(
    tmp_path: Path, shared: dict[str, str], noisy_wav: Path
) -> None:
    key = key_for(tmp_path / "key", shared)
    with cluster(tmp_path, shared) as (first, second, *workers):
        with httpx.Client(base_url=first.url, headers={"x-api-key": key}, timeout=60) as client:

            def submit(_: int) -> str:
                with noisy_wav.open("rb") as file:
                    answer = client.post("/api/v1/denoise", files={"audio": ("noisy.wav", file)})
                return str(answer.raise_for_status().json()["denoiseId"])

            ids = [submit(number) for number in range(JOBS)]
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            followed = [pool.submit(follow, second.url, key, job_id) for job_id in ids]
            for worker in workers:
                time.sleep(1.5)
                worker.kill()
                worker.start()
            second.kill()
            second.start()
            ends = [future.result() for future in followed]
        assert [len(end) for end in ends] == [1] * JOBS
        assert all('"done"' in end[0] for end in ends)
        states = rows(shared, "SELECT status, count(*) FROM denoise_records GROUP BY status")
        assert states == [("success", JOBS)]
        until = time.monotonic() + 30
        while rows(shared, "SELECT 1 FROM procrastinate_jobs") and time.monotonic() < until:
            time.sleep(0.5)
        assert not rows(shared, "SELECT * FROM procrastinate_jobs")
        assert [worker.stop() for worker in workers] == [0, 0]


@pytest.mark.slow
def test_a_job_that_is_cancelled_on_a_server_stops_on_its_worker(
    tmp_path: Path, shared: dict[str, str], noisy_wav: Path
) -> None:
    key, headers = key_for(tmp_path / "key", shared), {}
    headers["x-api-key"] = key
    long = tmp_path / "long.flac"
    source = ["-f", "lavfi", "-i", "anoisesrc=d=600:c=pink:r=16000:a=0.1"]
    subprocess.run(["ffmpeg", "-v", "error", *source, "-y", str(long)], check=True)
    with (
        cluster(tmp_path, shared, webs=1, workers=1) as (web, _),
        httpx.Client(base_url=web.url + "/api/v1", headers=headers, timeout=60) as client,
    ):
        with long.open("rb") as file:
            job_id = client.post("/denoise", files={"audio": ("long.flac", file)}).json()["denoiseId"]
        until = time.monotonic() + 60
        while time.monotonic() < until and not rows(shared, "SELECT 1 FROM denoise_records WHERE lease > 0"):
            time.sleep(0.1)
        answer = client.post(f"/denoise/{job_id}/cancel")
        assert (answer.status_code, answer.json()["error"]) == (200, "The job was cancelled.")
        with noisy_wav.open("rb") as file:
            next_id = client.post("/denoise", files={"audio": ("noisy.wav", file)}).json()["denoiseId"]
        assert '"done"' in follow(web.url, key, next_id)[0]  # the only worker is free again
        assert rows(shared, "SELECT status, result_key FROM denoise_records WHERE status = 'failed'") == [
            ("failed", None)
        ]
