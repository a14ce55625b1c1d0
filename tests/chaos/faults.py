"""Faults of what a server stands on: its database, its disk, its programs, its own process."""

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from tests.audio import write_noisy
from tests.chaos.books import Books
from tests.chaos.kills import listening, recordings, serving, uploading
from tests.faults import frozen, full, locked, programs, small_disk, until
from tests.live import children

DISK_MB = 400
FEW = {"MAX_PENDING_JOBS": "20", "JOB_MAX_ATTEMPTS": "100", "JOB_RETRY_DELAY_S": "0"}  # so that they end soon


def outlast(folder: Path, seconds: tuple[float, ...]) -> Books:
    """Let each fault last so many seconds while clients upload and listen, then compare the books."""
    books, paths = Books(), recordings(folder)
    with serving(folder) as (server, live):
        with uploading(live, books, paths, threads=2, pause_s=4), listening(live, books, threads=4):
            for fault_s in seconds:
                for fault in (locked(live.settings.database_path), frozen(server)):
                    with fault:
                        time.sleep(fault_s)
                    time.sleep(2)
        books.close(live, folder)
    return books


def stop_a_decoder(folder: Path) -> Books:
    """Let a decoder stand still in mid-job for longer than it may: the job is tried again."""
    books, paths = Books(), recordings(folder)
    with serving(folder) as (server, live):
        books.accept(live.upload(paths[-1]), paths[-1])
        until(lambda: bool(programs(server, "original", "nut")))
        os.kill(programs(server, "original", "nut")[0], signal.SIGSTOP)
        books.close(live, folder)
        if programs(server, "ffmpeg"):
            books.faults.append("a decoder still stands there")
    return books


def kill_programs(folder: Path, kills: int) -> Books:
    """Kill programs that the server runs, while clients upload and listen: no job fails, no recording is refused."""
    books, rng = Books(), random.Random(kills)
    paths = [*recordings(folder), write_noisy(folder / "a.flac", 3.0, 16_000)]  # which a program has to look at
    with serving(folder, **FEW) as (server, live):
        with uploading(live, books, paths, threads=3, pause_s=1), listening(live, books, threads=4):
            for _ in range(kills):
                until(lambda: bool(children(server.pid)))
                with suppress(ProcessLookupError, IndexError):  # it has ended meanwhile
                    os.kill(rng.choice(children(server.pid)), rng.choice((signal.SIGKILL, signal.SIGTERM)))
                time.sleep(rng.uniform(0, 0.5))
        books.close(live, folder)
    return books


def fill_a_disk(folder: Path, times: int) -> Books:
    """Let the disk be full for some seconds, again and again, while clients upload and listen."""
    books, rng, data = Books(), random.Random(times), folder / "data"
    with small_disk(data, DISK_MB) as permitted:
        if not permitted:
            books.faults.append("no disk can be mounted here: root has to run it")
            return books
        with serving(folder, **FEW) as (_, live):
            with uploading(live, books, recordings(folder), threads=2, pause_s=1), listening(live, books, threads=4):
                for _ in range(times):
                    time.sleep(rng.uniform(1, 3))
                    with full(data):
                        time.sleep(rng.uniform(1, 4))
            books.close(live, folder)
    return books
