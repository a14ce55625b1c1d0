"""The cost of a submission, without and with optional features."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from benchmarks.cost import process_s
from benchmarks.harness import serving
from benchmarks.report import line, percentile
from tests.live import children

TURNS, AT_A_TIME = 20, 5  # of each kind; so many of one kind follow each other
SIZES_S = (1, 20)  # of the recordings that are submitted
REST_S = 0.05  # after each of them: for work that goes on after an answer
IDLE_SHARE = 0.02  # of a core, which an idle server needs less than
PATIENCE_S = 60
Extras = Callable[[], tuple[dict[str, str], dict[str, str]]]  # headers, and fields of the form
KINDS: dict[str, Extras] = {
    "plain": lambda: ({}, {}),
    "with an Idempotency-Key": lambda: ({"Idempotency-Key": str(uuid.uuid4())}, {}),
    "with a webhook": lambda: ({}, {"webhook_url": "https://example.org/ended"}),
}


@dataclass
class Cost:
    """What submissions of one kind took."""

    waited_s: list[float] = field(default_factory=list)  # until the answer, each
    processor_s: list[float] = field(default_factory=list)  # of the server, for so many as follow each other


def bench_submissions(folder: Path, blocker: Path) -> None:
    """Submit in turns, plain and otherwise, while a job that stands still keeps the others waiting."""
    limits = {"max_pending_jobs": 0, "max_pending_jobs_per_user": 0, "max_result_mb_per_user": 0}
    for seconds in SIZES_S:
        source = folder / f"{seconds}.wav"
        noise = f"anoisesrc=d={seconds}:r=48000"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", noise, "-y", str(source)], check=True)
        costs = {kind: Cost() for kind in KINDS}
        with serving(threads=1, **limits) as server, server.client() as client:
            submit(client, blocker)
            with programs_halted(server.pid):
                for turn in range(-1, TURNS):  # the first one warms the server
                    for kind in rotated(list(KINDS), turn):
                        measure(client, server.pid, source, costs[kind] if turn >= 0 else Cost(), KINDS[kind])
        tell(f"a submission of {source.stat().st_size / 1e6:.1f} MB", costs)


def measure(client: httpx2.Client, pid: int, source: Path, cost: Cost, extras: Extras = KINDS["plain"]) -> None:
    """Submit a few times, and note what it took and what it cost the server's process."""
    before_s = process_s(pid)
    for _ in range(AT_A_TIME):
        began_s = time.perf_counter()
        submit(client, source, extras())
        cost.waited_s.append(time.perf_counter() - began_s)
    time.sleep(REST_S)
    cost.processor_s.append((process_s(pid) - before_s) / AT_A_TIME)


def tell(what: str, costs: dict[str, Cost]) -> None:
    """Print the medians of each kind, and how much they exceed those of the plain one."""
    medians = {kind: (percentile(each.waited_s, 50), percentile(each.processor_s, 50)) for kind, each in costs.items()}
    for kind, (waited_s, processor_s) in medians.items():
        more = [each / plain - 1 for each, plain in zip((waited_s, processor_s), medians["plain"], strict=True)]
        waited, processor = ("", "") if kind == "plain" else (f" ({share:+.1%})" for share in more)
        figure = f"{waited_s * 1000:.1f} ms{waited}, of the server's processor {processor_s * 1000:.2f} ms{processor}"
        line(f"{what}, {kind}", figure)


@contextmanager
def programs_halted(pid: int) -> Iterator[None]:
    """Let the programs of the running job stand still while the block lasts, once the server itself is idle."""
    give_up_s, halted, before_s = time.monotonic() + PATIENCE_S, set[int](), -1.0
    while not halted or process_s(pid) - before_s > IDLE_SHARE:
        assert time.monotonic() < give_up_s, "the server has no rest, or no job"
        halted |= _signalled(children(pid), signal.SIGSTOP)
        before_s = process_s(pid)
        time.sleep(1)
    try:
        yield
    finally:
        _signalled(halted, signal.SIGCONT)


def _signalled(pids: Iterable[int], number: signal.Signals) -> set[int]:
    """Send a signal to processes; return those that were there."""
    found = set()
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            found.add(pid)
    return found


def rotated(kinds: list[str], turn: int) -> list[str]:
    """Return the kinds in a different order each time, so that none is always the last."""
    start = turn % len(kinds)
    return kinds[start:] + kinds[:start]


def submit(client: httpx2.Client, path: Path, extras: tuple[dict[str, str], dict[str, str]] = ({}, {})) -> None:
    """Submit a file, with these headers and fields."""
    headers, fields = extras
    with path.open("rb") as file:
        answer = client.post("/denoise", files={"audio": (path.name, file)}, headers=headers, data=fields)
    answer.raise_for_status()
