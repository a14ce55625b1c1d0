"""Processes of a cluster on one PostgreSQL and one object store, and what must be so when all is over."""

import concurrent.futures
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx2
import psycopg

from tests.live import create_key, make_settings, wait_ready
from tests.prepared import OURS, start
from tests.services import free_port

QUICK = {"HEARTBEAT_S": "1", "LEASE_S": "3", "SWEEP_INTERVAL_S": "3", "SWEEP_AGE_S": "5", "JOB_RETRY_DELAY_S": "0"}
FOLLOWED_S = 180  # until a job must have ended, whatever happens
TIDY_S = 60  # until nothing must be left of it
COUNT_ENDS = """
CREATE TABLE IF NOT EXISTS ends (job_id text, status text);
CREATE OR REPLACE FUNCTION note_end() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO ends VALUES (NEW.id, NEW.status); RETURN NEW; END $$;
CREATE OR REPLACE TRIGGER note_end AFTER UPDATE OF status ON denoise_records FOR EACH ROW EXECUTE FUNCTION note_end();
"""


class Process:
    """One process of the cluster, to be stopped, killed and started again."""

    def __init__(self, folder: Path, command: str, **settings: str) -> None:
        self.url, self.folder = "", folder
        if command == "serve":
            port = free_port()
            self.url, settings = f"http://127.0.0.1:{port}", {"PORT": str(port), "JOB_CONCURRENCY": "0", **settings}
        self._log = folder.parent / f"{folder.name}.log"
        own = {"DATA_DIR": str(folder), "THREADS": "1", "DISK_RESERVE_MB": "0", **QUICK, **settings}
        self._environment = os.environ | {f"DENOISE_{name}": value for name, value in own.items()}
        self._command = [OURS, command]
        self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

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

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def scratch(self) -> list[Path]:
        """Return what is worked on at present."""
        return list(self.folder.glob("scratch/*/*"))


@contextmanager
def cluster(folder: Path, shared: dict[str, str], webs: int = 2, workers: int = 2) -> Iterator[list[Process]]:
    """Run so many webs, then so many workers."""
    processes = [Process(folder / f"web{n}", "serve", **shared) for n in range(webs)]
    processes += [Process(folder / f"worker{n}", "worker", **shared) for n in range(workers)]
    try:
        for web in processes[:webs]:
            wait_ready(web.url)
        yield processes
    finally:
        for process in processes:
            process.kill()


@contextmanager
def supervised(processes: list[Process]) -> Iterator[None]:
    """Start processes that end by themselves again while the block lasts, as a service manager does."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(0.5):
            for process in processes:
                if process.has_ended():
                    process.start()

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def key_for(folder: Path, database_url: str, user: str = "ann") -> str:
    return create_key(make_settings(folder, database_url=database_url), user)


def rows(database_url: str, query: str) -> list[Any]:
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def count_ends(database_url: str) -> None:
    """Let the database itself note each end of a job."""
    with psycopg.connect(database_url) as connection:
        connection.execute(COUNT_ENDS)


@dataclass
class Ledger:
    """What clients were told, and what was wrong with it."""

    within_s: float = FOLLOWED_S
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    _pool: concurrent.futures.ThreadPoolExecutor = field(
        default_factory=lambda: concurrent.futures.ThreadPoolExecutor(256)
    )
    _followed: list["concurrent.futures.Future[None]"] = field(default_factory=list)

    def submit(self, url: str, key: str, source: Path) -> str:
        """Submit until it is accepted; only a 503 that tells when to come back may come before."""
        until = time.monotonic() + self.within_s
        while time.monotonic() < until:
            try:
                answer = httpx2.post(
                    f"{url}/api/v1/denoise",
                    headers={"x-api-key": key},
                    files={"audio": (source.name, source.read_bytes())},
                    timeout=90,
                )
            except httpx2.TransportError:  # the web itself is away
                time.sleep(0.2)
                continue
            if answer.status_code == 200:
                job_id = str(answer.json()["denoiseId"])
                self.accepted.append(job_id)
                return job_id
            self.refused += 1
            if answer.status_code != 503 or not answer.headers.get("retry-after", "").isdigit():
                self.faults.append(f"submission: {answer.status_code} {answer.text[:200]}")
            time.sleep(0.3)
        raise AssertionError("nothing is accepted any more")

    def follow(self, url: str, key: str, job_id: str) -> None:
        """Follow a job in a thread, over as many streams as it takes."""
        self._followed.append(self._pool.submit(self._follow, url, key, job_id))

    def has_ended(self) -> bool:
        """Say whether nobody follows a job any more."""
        return all(future.done() for future in self._followed)

    def wait(self) -> None:
        """Return when every job that is followed has ended."""
        for future in self._followed:
            future.result()
        self._followed.clear()

    def _follow(self, url: str, key: str, job_id: str) -> None:
        path, until = f"{url}/api/v1/denoise/{job_id}/progress", time.monotonic() + self.within_s
        while time.monotonic() < until:
            events: list[dict[str, Any]] = []
            try:
                with httpx2.stream("GET", path, headers={"x-api-key": key}, timeout=120) as answer:
                    if answer.status_code != 200:
                        again = answer.headers.get("retry-after", "")
                        if answer.status_code != 503 or not again.isdigit():
                            self.faults.append(f"stream: {answer.status_code}")
                    else:
                        for line in answer.iter_lines():
                            if line.startswith("data: "):
                                events.append(json.loads(line[6:]))
            except httpx2.TransportError:
                pass  # whoever is killed tells nothing
            if self._judge(job_id, events):
                return
            time.sleep(0.2)
        self.faults.append(f"{job_id} was not told its end")

    def _judge(self, job_id: str, events: list[dict[str, Any]]) -> bool:
        """Look at one stream; say whether it told the end."""
        told = [event["pct"] for event in events if event["stage"] == "processing"]
        if told != sorted(told):
            self.faults.append(f"{job_id} fell back: {told}")
        ends = [event for event in events if event["stage"] != "processing"]
        if len(ends) > 1 or (ends and events[-1] is not ends[0]):
            self.faults.append(f"{job_id} was told {len(ends)} ends")
        if ends and ends[0]["stage"] != "done":
            self.faults.append(f"{job_id} failed: {ends[0].get('message')}")
        return bool(ends)


def left_over(database_url: str, storage: tuple[str, str], processes: list[Process]) -> list[str]:
    """Return what is wrong once all jobs have ended; things that go by themselves are waited for.

    `storage` is the store's endpoint and the bucket's URL.
    """
    faults = [f"{row} did not end well" for row in rows(database_url, NOT_WELL)]
    faults += [f"{row[0]} ended {row[1]} times" for row in rows(database_url, NOT_ONCE)]
    searches: list[tuple[str, Callable[[], list[Any]]]] = [
        ("in the queue", lambda: rows(database_url, "SELECT id, status, args FROM procrastinate_jobs")),
        ("in the bucket", lambda: _strays(database_url, *storage)),
        ("in scratch", lambda: [path for process in processes for path in process.scratch()]),
    ]
    until = time.monotonic() + TIDY_S
    for place, search in searches:
        while (found := search()) and time.monotonic() < until:
            time.sleep(0.3)
        faults += [f"left {place}: {each}" for each in found[:5]]
    return faults


NOT_WELL = "SELECT id, status, error FROM denoise_records WHERE status <> 'success'"
NOT_ONCE = (
    "SELECT r.id, count(e.job_id) FROM denoise_records r LEFT JOIN ends e ON e.job_id = r.id"
    " GROUP BY r.id HAVING count(e.job_id) <> 1"
)
NAMED = "SELECT unnest(ARRAY[original_key, result_key, tiles_key]) FROM denoise_records"


def _strays(database_url: str, endpoint: str, storage_url: str) -> list[str]:
    """Return the objects that no row names, and what rows name and is not there."""
    bucket, _, prefix = storage_url.removeprefix("s3://").partition("/")
    store = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    there = {one["Key"].removeprefix(f"{prefix}/") for page in pages for one in page.get("Contents", ())}
    named = {row[0] for row in rows(database_url, NAMED) if row[0]}
    uploads = store.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    of_jobs = {key for key in there if not key.startswith(("installation/", "probe/"))}
    strays = [f"{key} is named by no row" for key in of_jobs - named]
    strays += [f"{key} is not there" for key in named - there]
    return strays + [f"{one['Key']} was never completed" for one in uploads]
