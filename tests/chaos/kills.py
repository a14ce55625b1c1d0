"""kill -9 at random moments and at chosen system calls; a stop of every process at once, as systemd does it."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2

from tests.audio import write_noisy, write_silence
from tests.chaos.books import Books
from tests.live import Live, ServerProcess, create_key

SYSTEM_CALLS = ("fsync", "fdatasync", "rename", "unlink", "link", "mkdir", "pwrite64", "sendto", "write")
CALLS_OF_AN_END = ("fsync", "fdatasync", "rename", "unlink")
LONG_S = 60  # of a job whose end is waited for
UNBOUNDED = {"MAX_PENDING_JOBS": "0", "MAX_PENDING_JOBS_PER_USER": "0"}


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[tuple[ServerProcess, Live]]:
    """Run a server on a folder and give a client for it."""
    server = ServerProcess(folder / "data", **(UNBOUNDED | environment))
    try:
        server.start("/readyz")
        live = Live(server.url, create_key(server.settings, "tester"), server.settings)
        yield server, live
        live.client.close()
    finally:
        server.close()


@contextmanager
def uploading(live: Live, books: Books, paths: list[Path], threads: int, pause_s: float) -> Iterator[threading.Event]:
    """Upload in threads while the block lasts; the event is set whenever an upload begins."""
    stop, begun = threading.Event(), threading.Event()

    def upload(seed: int) -> None:
        rng = random.Random(seed)
        while not stop.is_set():
            path = rng.choice(paths)
            begun.set()
            with suppress(httpx2.TransportError), path.open("rb") as file:
                answer = books.judge("upload", live.client.post("/denoise", files={"audio": (path.name, file)}), 200)
                if answer.status_code == 200:
                    books.accept(answer.json()["denoiseId"], path)
            stop.wait(rng.uniform(0, pause_s))

    workers = [threading.Thread(target=upload, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield begun
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def kill_at_random(folder: Path, kills: int) -> Books:
    """Kill -9 the server during uploads and jobs, start it again, and so on."""
    books, rng = Books(), random.Random(kills)
    paths = recordings(folder)
    with serving(folder) as (server, live):
        with uploading(live, books, paths, threads=4, pause_s=4):
            for _ in range(kills):
                time.sleep(rng.uniform(0, 2))
                server.kill()
                server.start()
        books.close(live, folder)
    return books


def stop_at_random(folder: Path, stops: int) -> Books:
    """Send TERM to every process of the server at once while uploads and streams are open."""
    books, rng = Books(), random.Random(stops)
    paths = recordings(folder)
    with serving(folder) as (server, live):
        with uploading(live, books, paths, threads=4, pause_s=2), listening(live, books):
            for _ in range(stops):
                time.sleep(rng.uniform(0.5, 3))
                server.signal_group(signal.SIGTERM)
                code = server.wait(30)
                if code != 0:
                    books.faults.append(f"a stop ended with exit code {code}")
                server.start("/readyz")
        books.close(live, folder)
    return books


@contextmanager
def listening(live: Live, books: Books, threads: int = 8) -> Iterator[None]:
    """Hold streams on accepted jobs open while the block lasts."""
    stop = threading.Event()

    def listen(seed: int) -> None:
        rng = random.Random(seed)
        while not stop.is_set():
            ids = list(books.accepted)
            with suppress(httpx2.TransportError, AssertionError):
                if ids:
                    list(live.follow(rng.choice(ids)))
            stop.wait(0.2)

    workers = [threading.Thread(target=listen, args=(seed,)) for seed in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        for worker in workers:
            worker.join()


def kill_at_system_calls(folder: Path, accepts: int = 20, ends: int = 12) -> Books:
    """Kill -9 the server at the nth of each of the system calls around an upload's and a job's end."""
    books = Books()
    if shutil.which("strace") is None:
        books.faults.append("strace is not installed: apt-get install strace")
        return books
    short, long = recordings(folder)[0], write_silence(folder / "long.wav", LONG_S)
    with serving(folder) as (server, live):
        for call, number in _occasions(SYSTEM_CALLS, accepts):
            with _killed_at(server, call, number), suppress(httpx2.TransportError):
                _submit_and_follow(live, books, short)
            server.kill()
            server.start("/readyz")
        for call, number in _occasions(CALLS_OF_AN_END, ends):
            job_id = live.upload(long)
            books.accept(job_id, long)
            with _killed_at(server, call, number), suppress(httpx2.TransportError):
                live.events(job_id)
            server.kill()
            server.start("/readyz")
        books.close(live, folder)
    return books


def _occasions(calls: Sequence[str], count: int) -> Iterator[tuple[str, int]]:
    for occasion in range(count):
        yield calls[occasion % len(calls)], 1 + occasion // len(calls)


def _submit_and_follow(live: Live, books: Books, path: Path) -> None:
    answer = live.client.post("/denoise", files={"audio": (path.name, path.read_bytes())})
    if answer.status_code == 200:
        books.accept(answer.json()["denoiseId"], path)
        live.events(answer.json()["denoiseId"])


@contextmanager
def _killed_at(server: ServerProcess, call: str, number: int) -> Iterator[None]:
    injection = f"inject={call}:signal=KILL:when={number}"
    command = ["strace", "-qq", "-f", "-o", os.devnull, "-e", f"trace={call}", "-e", injection, "-p", str(server.pid)]
    strace = subprocess.Popen(command, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    time.sleep(0.5)  # until it has attached to every thread
    try:
        yield
    finally:
        strace.kill()  # it does not hear a TERM while what it traced is a zombie
        strace.wait()


def recordings(folder: Path) -> list[Path]:
    """Write three short recordings."""
    return [write_noisy(folder / f"{seconds}.wav", seconds, 16_000) for seconds in (1.5, 4.0, 9.0)]
