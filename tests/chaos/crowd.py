"""Fifty clients who do everything at random for a while; then all that they were promised has to be there."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.audio import write_noisy
from tests.chaos.books import Books
from tests.chaos.held import held, leftovers
from tests.chaos.kills import serving
from tests.chaos.visitor import User, Visitor
from tests.live import Live

SOUNDS_S = (0.3, 1.0, 2.5)  # short ones: what is tested is not the model
BOUNDS = {  # what waits when the clients stop is done within a minute on two slow cores
    "MAX_PENDING_JOBS": "80",
    "MAX_PENDING_JOBS_PER_USER": "40",
    "JOB_CONCURRENCY": "2",
    "ALLOWED_NETWORKS": "127.0.0.0/8",  # a server that fetches what it has itself
}
ALONE = 3  # every third client is a user of its own; the others share one
REPORT_S = 10


def crowd(folder: Path, clients: int, seconds: float) -> Books:
    """Let clients do everything at random, then compare the books; nothing may be left open."""
    books, paths = Books(), [write_noisy(folder / f"{sound_s}.wav", sound_s, 16_000) for sound_s in SOUNDS_S]
    with serving(folder, **BOUNDS) as (server, live):
        live.events(live.upload(paths[0]))
        before = held(server)
        users = _users(live, 1 + len(range(0, clients, ALONE)))
        visitors = [Visitor(*_one_of(users, number), paths, number) for number in range(clients)]
        with _reporting(live, users):
            _visit(visitors, seconds)
            _settle(users, books, folder)
        books.check_data(live)
        settled_s = time.monotonic()
        books.faults += leftovers(server, before)
        books.notes += [f"before: {before}", f"{time.monotonic() - settled_s:.0f} s after the last job: {held(server)}"]
    return books


def _users(live: Live, count: int) -> list[User]:
    others = [Live(live.url, live.new_key(f"visitor {number}"), live.settings) for number in range(1, count)]
    return [User(live), *map(User, others)]


def _one_of(users: list[User], number: int) -> tuple[User, list[User]]:
    """Return the user of a client, and all others."""
    own = users[0 if number % ALONE else 1 + number // ALONE]
    return own, [user for user in users if user is not own]


def _visit(visitors: list[Visitor], seconds: float) -> None:
    end_s = time.monotonic() + seconds

    def visit(visitor: Visitor) -> None:
        while time.monotonic() < end_s:
            visitor.act()
        visitor.leave()

    threads = [threading.Thread(target=visit, args=(visitor,)) for visitor in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _settle(users: list[User], books: Books, folder: Path) -> None:
    """Wait for each user's jobs, and put all books together."""
    for user in users:
        user.books.settle(user.live, folder)
        books.add(user.books)
        if user is not users[0]:
            user.live.client.close()


@contextmanager
def _reporting(live: Live, users: list[User]) -> Iterator[None]:
    """Print every few seconds how far it is, while the block lasts."""
    stop, began_s = threading.Event(), time.monotonic()

    def report() -> None:
        while not stop.wait(REPORT_S):
            requests = sum(user.books.requests for user in users)
            faults = sum(len(user.books.faults) for user in users)
            line = f"{requests} requests judged, {faults} faults, jobs: {_jobs(live)}"
            print(f"  {time.monotonic() - began_s:.0f} s: {line}", flush=True)

    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _jobs(live: Live) -> str:
    """Return how many jobs there are in each state."""
    with closing(sqlite3.connect(live.settings.database_path)) as database:
        rows = database.execute("SELECT status, count(*) FROM denoise_records GROUP BY status").fetchall()
    return ", ".join(f"{count} {state}" for state, count in rows)
