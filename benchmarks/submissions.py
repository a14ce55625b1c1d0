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

import httpx

from benchmarks.cost import process_s
from benchmarks.harness import serving
from benchmarks.report import line, percentile

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
            _submit(client, blocker, ({}, {}))
            with _programs_halted(server.pid):
                for turn in range(-1, TURNS):  # the first one warms the server
                    for kind in _rotated(turn):
                        _measure(client, server.pid, source, KINDS[kind], costs[kind] if turn >= 0 else Cost())
        _tell(f"a submission of {source.stat().st_size / 1e6:.1f} MB", costs)


def _measure(client: httpx.Client, pid: int, source: Path, extras: Extras, cost: Cost) -> None:
    before_s = process_s(pid)
    for _ in range(AT_A_TIME):
        began_s = time.perf_counter()
        _submit(client, source, extras())
        cost.waited_s.append(time.perf_counter() - began_s)
    time.sleep(REST_S)
    cost.processor_s.append((process_s(pid) - before_s) / AT_A_TIME)


def _tell(what: str, costs: dict[str, Cost]) -> None:
    medians = {kind: (percentile(each.waited_s, 50), percentile(each.processor_s, 50)) for kind, each in costs.items()}
    for kind, (waited_s, processor_s) in medians.items():
        more = [each / plain - 1 for each, plain in zip((waited_s, processor_s), medians["plain"], strict=True)]
        waited, processor = ("", "") if kind == "plain" else (f" ({share:+.1%})" for share in more)
        figure = f"{waited_s * 1000:.1f} ms{waited}, of the server's processor {processor_s * 1000:.2f} ms{processor}"
        line(f"{what}, {kind}", figure)


@contextmanager
def _programs_halted(pid: int) -> Iterator[None]:
    """Let the programs of the running job stand still while the block lasts, once the server itself is idle."""
    give_up_s, halted, before_s = time.monotonic() + PATIENCE_S, set[int](), -1.0
    while not halted or process_s(pid) - before_s > IDLE_SHARE:
        assert time.monotonic() < give_up_s, "the server has no rest, or no job"
        halted |= _signalled(_below(pid), signal.SIGSTOP)
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


def _below(pid: int) -> list[int]:
    """Return every process below one; Linux alone."""
    found = [int(child) for each in Path(f"/proc/{pid}/task").glob("*/children") for child in each.read_text().split()]
    return found + [below for child in found for below in _below(child)]


def _rotated(turn: int) -> list[str]:
    """Return the kinds in a different order each time, so that none is always the last."""
    kinds = list(KINDS)
    start = turn % len(kinds)
    return kinds[start:] + kinds[:start]


def _submit(client: httpx.Client, path: Path, extras: tuple[dict[str, str], dict[str, str]]) -> None:
    headers, fields = extras
    with path.open("rb") as file:
        answer = client.post("/denoise", files={"audio": (path.name, file)}, headers=headers, data=fields)
    answer.raise_for_status()
