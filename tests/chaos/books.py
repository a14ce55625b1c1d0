"""What a server promised its clients, and whether it was kept."""

import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import soundfile

from tests.live import Live

STALLED_AFTER_S = 120  # without any job's end
COME_BACK = (429, 503)  # what a client may be told at any time, with when to come back
KNOWN = """
SELECT id FROM denoise_records WHERE deleted_at IS NULL
UNION SELECT id FROM uploads UNION SELECT id FROM partial_uploads
"""  # of all users


@dataclass
class Books:
    """Jobs that were accepted, with the files that they were made of, and what was answered."""

    accepted: dict[str, Path] = field(default_factory=dict)
    open_ended: set[str] = field(default_factory=set)  # jobs that may end either way, or be gone
    faults: list[str] = field(default_factory=list)
    requests: int = 0
    answers: Counter[int] = field(default_factory=Counter)  # by status
    ends: Counter[str] = field(default_factory=Counter)  # of the accepted jobs
    notes: list[str] = field(default_factory=list)  # what is worth a line besides
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, job_id: str, path: Path) -> None:
        """Note a job that the server answered for."""
        with self._lock:
            if job_id in self.accepted:
                self.faults.append(f"{job_id} was handed out twice")
            self.accepted[job_id] = path

    def judge(self, what: str, answer: httpx2.Response, *expected: int) -> httpx2.Response:
        """Note an answer that no client should get, or not this one, who is to get one of the `expected`, if any.

        Nobody should get a 5xx other than a 503, nor a 503 or a 429 that does not say when to come back.
        """
        status, again = answer.status_code, answer.headers.get("retry-after", "")
        with self._lock:
            self.requests += 1
            self.answers[status] += 1
        is_wrong = status >= 500 and not (status == 503 and again.isdigit())
        if is_wrong or (expected and status not in (*expected, *COME_BACK)):
            self.faults.append(f"{what}: {status} {answer.text[:200]!r}")
        if status == 429 and not again.isdigit():
            self.faults.append(f"{what}: 429 without Retry-After")
        return answer

    def lines(self) -> list[str]:
        """Return what is worth a line: how jobs ended, what was answered, and what was noted."""
        ends = ", ".join(f"{count} {state}" for state, count in sorted(self.ends.items()))
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(self.answers.items()))
        found = {"jobs that were accepted": ends, "answers": answers}
        return [f"{what}: {line}" for what, line in found.items() if line] + self.notes

    def add(self, other: "Books") -> None:
        """Take another user's books in."""
        self.accepted |= other.accepted
        self.open_ended |= other.open_ended
        self.faults += other.faults
        self.requests += other.requests
        self.answers += other.answers
        self.ends += other.ends

    def close(self, live: Live, folder: Path) -> None:
        """Wait until every job of the one user has ended, then compare promises, records and files."""
        self.settle(live, folder)
        self.check_data(live)

    def settle(self, live: Live, folder: Path) -> None:
        """Wait until every job of a user has ended, then compare what was promised with what there is."""
        records = _ended(live)
        self.faults += [
            f"{job_id} is lost" for job_id in self.accepted if job_id not in records and job_id not in self.open_ended
        ]
        self.faults += [
            f"{job_id} is {record['status']}: {record['error']}"
            for job_id, record in records.items()
            if record["status"] == "pending" or (record["status"] == "failed" and job_id not in self.open_ended)
        ]
        self.ends += Counter(records[job_id]["status"] if job_id in records else "deleted" for job_id in self.accepted)
        for job_id, path in self.accepted.items():
            if job_id in records and job_id not in self.open_ended and records[job_id]["status"] == "success":
                self._compare(records[job_id], path, live, folder)

    def check_data(self, live: Live) -> None:
        """Look for files that nothing names, and for damage; nothing comes in any more."""
        self.faults += [f"stray file {file.parent.name}/{file.name}" for file in _stray(live)]
        with closing(sqlite3.connect(live.settings.database_path)) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                self.faults.append("the database is damaged")

    def _compare(self, record: dict[str, str], path: Path, live: Live, folder: Path) -> None:
        if live.client.get(record["original_audio_url"]).content != path.read_bytes():
            self.faults.append(f"{record['id']}: its original is another file")
        result = folder / "result.wav"
        result.write_bytes(live.client.get(record["audio_url"]).content)
        if soundfile.info(result).frames != soundfile.info(path).frames:
            self.faults.append(f"{record['id']}: its result has another length")


def _stray(live: Live) -> list[Path]:
    with closing(sqlite3.connect(live.settings.database_path)) as database:
        known = {row[0] for row in database.execute(KNOWN)}
    return [file for file in live.files() if file.parent.name not in known or file.suffix == ".part"]


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
