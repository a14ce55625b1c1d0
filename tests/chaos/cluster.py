"""A cluster whose processes are killed at random, and all that can befall one, one after the other."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.books import Books
from tests.cluster import Ledger
from tests.services import AWS, s3_server
from tests.site import FAULTS, Site, site

WORKERS = 3
PAUSES_S = (3.0, 6.0)
WITHIN_S = 1800.0  # of a job's submission, until it must have been told its end
ENVIRONMENT = {"JOB_MAX_ATTEMPTS": "100", "MAX_PENDING_JOBS_PER_USER": "0"}


def kill_processes(folder: Path, jobs: int, pauses_s: tuple[float, float] = PAUSES_S) -> Books:
    """Submit to one web and follow on the other, while workers, and one web once, are killed and started again.

    `pauses_s` are the shortest and the longest time between two kills.
    """
    rng, ledger = random.Random(jobs), Ledger(within_s=WITHIN_S)
    with _here(folder) as found:

        def submit() -> None:
            for _ in range(jobs):
                found.submit(ledger, found.short)

        thread = threading.Thread(target=submit)
        thread.start()
        web_at_s = time.monotonic() + 2 * pauses_s[1]
        while thread.is_alive() or not ledger.has_ended():
            time.sleep(rng.uniform(*pauses_s))
            rng.choice(found.workers).kill()  # whoever has ended is started again
            if web_at_s and time.monotonic() > web_at_s:
                found.webs[-1].kill()
                web_at_s = 0
        thread.join()
        return _books(found.judged(ledger), found)


def outlast_all(folder: Path, jobs: int) -> Books:
    """Let each fault befall a cluster while jobs come in."""
    books = Books()
    with _here(folder) as found:
        for name, fault in FAULTS.items():
            one = _books(found.outlasts(fault, jobs), found)
            books.accepted |= one.accepted
            books.requests += one.requests
            books.faults += [f"{name}: {each}" for each in one.faults]
    return books


@contextmanager
def _here(folder: Path) -> Iterator[Site]:
    os.environ.update(AWS)
    with s3_server() as endpoint, site(folder, endpoint, WORKERS, **ENVIRONMENT) as found:
        yield found


def _books(ledger: Ledger, found: Site) -> Books:
    accepted = dict.fromkeys(ledger.accepted, found.short)
    return Books(accepted=accepted, requests=len(accepted) + ledger.refused, faults=ledger.faults)
