"""Faults for a running server: a disk that is full or read-only, a locked database, programs that are killed."""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from tests.live import Live, ServerProcess, children

WITHIN_S = 60


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[bool]:
    """Let a folder be a disk of its own while the block lasts; yields whether that is permitted here."""
    folder.mkdir()
    options = f"size={size_mb}m,mode=700"
    is_mounted = _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    try:
        yield is_mounted
    finally:
        if is_mounted:
            _run("umount", "-l", str(folder))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Let a folder be read-only for everybody while the block lasts; root alone can.

    It becomes so at another place first: where a server works already, a file that it has just opened would forbid it.
    """
    with tempfile.TemporaryDirectory() as aside:
        try:
            assert _run("mount", "--bind", str(folder), aside)
            assert _run("mount", "-o", "remount,bind,ro", aside)
            assert _run("mount", "--bind", aside, str(folder))
            try:
                yield
            finally:
                _run("umount", "-l", str(folder))
        finally:
            _run("umount", "-l", aside)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Let a disk have no byte left while the block lasts."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(min(2**20, max(shutil.disk_usage(disk).free, 4096))))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def locked(database: Path, readers_too: bool = False) -> Iterator[None]:
    """Hold a database's lock as another process would, while the block lasts."""
    other = sqlite3.connect(database, isolation_level=None, timeout=WITHIN_S)
    other.execute("BEGIN EXCLUSIVE" if readers_too else "BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextmanager
def frozen(server: ServerProcess) -> Iterator[None]:
    """Let a server stand still while the block lasts."""
    server.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.signal(signal.SIGCONT)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


def programs(server: ServerProcess, *words: str) -> list[int]:
    """Return the programs of a server whose command line has all of these words."""
    found = []
    for pid in children(server.pid):
        with suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            if all(word in line for word in words):
                found.append(pid)
    return found


def said_to_come_back(answer: httpx2.Response) -> bool:
    """Say whether a client was told that it is not its fault and when to try again."""
    return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0


def status(live: Live, job_id: str) -> str:
    """Return what has become of a job."""
    return str(live.record(job_id)["status"])


def _run(*command: str) -> bool:
    if os.geteuid() != 0 or shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
