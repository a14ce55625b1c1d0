"""What a server promised its clients, and whether it was kept."""

import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import soundfile

from tests.live import Live, ServerProcess

STALLED_AFTER_S = 120  # without any job's end


@dataclass
class Books:
    """Jobs that were accepted, with the files that they were made of; deleted ones may end either way."""

    accepted: dict[str, Path] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    requests: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, job_id: str, path: Path) -> None:
        """Note a job that the server answered for."""
        with self._lock:
            if job_id in self.accepted:
                self.faults.append(f"{job_id} was handed out twice")
            self.accepted[job_id] = path

    def judge(self, what: str, answer: httpx.Response) -> httpx.Response:
        """Note an answer that no client should get: a 5xx other than a 503 that says when to come back."""
        self.requests += 1
        again = answer.headers.get("retry-after", "")
        if answer.status_code >= 500 and not (answer.status_code == 503 and again.isdigit()):
            self.faults.append(f"{what}: {answer.status_code} {answer.text[:200]!r}")
        if answer.status_code == 429 and not again.isdigit():
            self.faults.append(f"{what}: 429 without Retry-After")
        return answer

    def close(self, live: Live, folder: Path) -> None:
        """Wait until every job has ended, then compare promises, records and files."""
        records = _ended(live)
        self.faults += [f"{job_id} is lost" for job_id in self.accepted if job_id not in records]
        self.faults += [
            f"{job_id} is {record['status']}: {record['error']}"
            for job_id, record in records.items()
            if record["status"] != "success" and job_id not in self.deleted
        ]
        for job_id, path in self.accepted.items():
            if job_id in records and job_id not in self.deleted and records[job_id]["status"] == "success":
                self._compare(records[job_id], path, live, folder)
        self._count_files(live)
        with closing(sqlite3.connect(live.settings.database.removeprefix("sqlite:///"))) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                self.faults.append("the database is damaged")

    def _compare(self, record: dict[str, str], path: Path, live: Live, folder: Path) -> None:
        if live.client.get(record["original_audio_url"]).content != path.read_bytes():
            self.faults.append(f"{record['id']}: its original is another file")
        result = folder / "result.wav"
        result.write_bytes(live.client.get(record["audio_url"]).content)
        if soundfile.info(result).frames != soundfile.info(path).frames:
            self.faults.append(f"{record['id']}: its result has another length")

    def _count_files(self, live: Live) -> None:
        with closing(sqlite3.connect(live.settings.database.removeprefix("sqlite:///"))) as database:
            query = "SELECT id FROM uploads UNION SELECT id FROM denoise_records WHERE deleted_at IS NULL"
            known = {row[0] for row in database.execute(query)}  # of all users
        stray = [file for file in live.files() if file.parent.name not in known]
        stray += [file for file in live.files() if file.suffix == ".part"]
        self.faults += [f"stray file {file.parent.name}/{file.name}" for file in stray]


def _ended(live: Live) -> dict[str, dict[str, str]]:
    left, moved_s = -1, time.monotonic()
    while True:
        records = {record["id"]: record for record in live.client.get("/denoise").json()}
        pending = sum(record["status"] == "pending" for record in records.values())
        if pending != left:
            left, moved_s = pending, time.monotonic()
        if not pending or time.monotonic() - moved_s > STALLED_AFTER_S:
            return records
        time.sleep(0.5)


def leftovers(server: ServerProcess, descriptors_before: int) -> list[str]:
    """Return what a server that has nothing to do holds that it did not hold before: descriptors, programs."""
    time.sleep(3)
    found = []
    descriptors = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
    if descriptors > descriptors_before + 16:  # connections of the database and of this client
        found.append(f"{descriptors} descriptors, {descriptors_before} before")
    programs = subprocess.run(["ps", "-o", "args=", "--ppid", str(server.pid)], capture_output=True, text=True)
    found += [f"a program still runs: {line[:120]}" for line in programs.stdout.splitlines()]
    return found
