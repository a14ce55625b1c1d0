"""The cost of limits: a submission with rate limit and balance, next to one without."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import httpx

from benchmarks.harness import Served, serving
from benchmarks.report import line
from munsit_denoise.serve import FIRST_USER

SUBMISSIONS = 150
LIMITS = {"rate_limit": 10**6, "balance": "on", "cors_origins": "https://example.org"}


def bench_limits(short: Path) -> None:
    """Submit in turn to a server without limits and to one with all of them."""
    most = {"threads": 1, "max_pending_jobs": 0, "max_pending_jobs_per_user": 0}
    with serving(**most) as without, serving(**most, **LIMITS) as with_limits:
        _credit(with_limits)
        with without.client() as plain, with_limits.client() as limited:
            took_s: tuple[list[float], list[float]] = ([], [])
            for _ in range(SUBMISSIONS):
                for client, seconds in zip((plain, limited), took_s, strict=True):
                    seconds.append(_submit(client, short))
    before_s, after_s = map(statistics.median, took_s)
    figure = f"{before_s * 1000:.1f} ms without, {after_s * 1000:.1f} ms with: {after_s / before_s - 1:+.1%}"
    line("a submission, with rate limit, balance and CORS", figure)


def _submit(client: httpx.Client, path: Path) -> float:
    began_s = time.perf_counter()
    with path.open("rb") as file:
        client.post("/denoise", files={"audio": (path.name, file)}).raise_for_status()
    return time.perf_counter() - began_s


def _credit(server: Served) -> None:
    command = [sys.executable, "-m", "munsit_denoise", "users", "credit", FIRST_USER, "100000"]
    environment = os.environ | {"DENOISE_DATA_DIR": str(server.data_dir)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
