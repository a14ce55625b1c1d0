"""The cost of a submission, without and with optional features."""

import itertools
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.harness import serving
from benchmarks.report import line, percentile

TURNS = 100  # of each kind, one after the other
SIZES_S = (1, 20)  # durations of the submitted recordings
Extras = Callable[[], tuple[dict[str, str], dict[str, str]]]  # headers, and fields of the form
KINDS: dict[str, Extras] = {
    "plain": lambda: ({}, {}),
    "with an Idempotency-Key": lambda: ({"Idempotency-Key": str(uuid.uuid4())}, {}),
    "with a webhook": lambda: ({}, {"webhook_url": "https://example.org/ended"}),
}


def bench_submissions(folder: Path, blocker: Path) -> None:
    """Submit without and with each feature in turn, while a long job keeps the others waiting."""
    limits = {"max_pending_jobs": 0, "max_pending_jobs_per_user": 0, "max_result_mb_per_user": 0}
    for seconds in SIZES_S:
        source = folder / f"{seconds}.wav"
        noise = f"anoisesrc=d={seconds}:r=48000"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", noise, "-y", str(source)], check=True)
        took = dict[str, list[float]]((kind, []) for kind in KINDS)
        with serving(threads=1, **limits) as server, server.client() as client:
            _submit(client, blocker, ({}, {}))
            for kind, _ in itertools.product(KINDS, range(5)):
                _submit(client, source, KINDS[kind]())
            for turn in range(TURNS):
                for kind in _rotated(turn):
                    began_s = time.perf_counter()
                    _submit(client, source, KINDS[kind]())
                    took[kind].append(time.perf_counter() - began_s)
        plain_s = percentile(took["plain"], 50)
        for kind, times_s in took.items():
            median_s = percentile(times_s, 50)
            share = "" if kind == "plain" else f", {median_s / plain_s - 1:+.1%}"
            line(f"a submission of {source.stat().st_size / 1e6:.1f} MB, {kind}", f"{median_s * 1000:.1f} ms{share}")


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
