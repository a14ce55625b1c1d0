"""Run all of it, or the parts that are named: `python -m tests.chaos [kills] [stops] [calls] [crowd] ...`."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.chaos.books import Books
from tests.chaos.cluster import kill_processes, outlast_all
from tests.chaos.crowd import crowd
from tests.chaos.faults import fill_a_disk, kill_programs, outlast, stop_a_decoder
from tests.chaos.hostile import send_broken_inputs
from tests.chaos.kills import kill_at_random, kill_at_system_calls, stop_at_random
from tests.chaos.webhooks import kill_at_moments

PARTS: dict[str, tuple[str, Callable[[Path], Books]]] = {
    "kills": ("kill -9 at 100 random moments", lambda folder: kill_at_random(folder, 100)),
    "stops": ("20 stops of every process at once", lambda folder: stop_at_random(folder, 20)),
    "calls": ("kill -9 at 20 system calls around accept, 12 around the end", kill_at_system_calls),
    "crowd": ("50 clients at random for two minutes", lambda folder: crowd(folder, 50, 120)),
    "faults": (
        "a locked database, a server that stands still",
        lambda folder: outlast(folder, (10, 60)),
    ),
    "programs": ("40 programs that are killed under the server", lambda folder: kill_programs(folder, 40)),
    "disk": ("a disk that is full 10 times", lambda folder: fill_a_disk(folder, 10)),
    "webhooks": ("kill -9 at 20 moments around the ends of jobs", lambda folder: kill_at_moments(folder, 20)),
    "hostile": ("some 120 broken inputs", send_broken_inputs),
    "cluster": ("200 jobs while a cluster's workers and a web are killed", lambda folder: kill_processes(folder, 200)),
    "cluster-faults": ("all that can befall a cluster", lambda folder: outlast_all(folder, 10)),
    "decoder": ("a decoder that stands still", stop_a_decoder),
}


def main() -> int:
    """Print a line for each part; return 1 when anything was lost."""
    failed = False
    for name in sys.argv[1:] or PARTS:
        title, run = PARTS[name]
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            books = run(Path(folder))
        took_s = time.monotonic() - began
        print(
            f"{title}: {len(books.accepted)} jobs accepted, {books.requests} requests judged, "
            f"{len(books.faults)} faults, {took_s:.0f} s",
            flush=True,
        )
        for line in books.lines():
            print(f"  {line}", flush=True)
        for fault in books.faults[:20]:
            print(f"  {fault}", flush=True)
        failed = failed or bool(books.faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
