"""Faults that last: a locked database, a server and a decoder that stand still."""

import os
import signal
import time
from pathlib import Path

from tests.chaos.books import Books
from tests.chaos.kills import listening, recordings, serving, uploading
from tests.faults import frozen, locked, programs, until


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
