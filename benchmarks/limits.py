"""The cost of limits: a submission with a rate limit, a balance or CORS, next to one without."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.harness import Served, serving
from benchmarks.submissions import Cost, measure, programs_halted, rotated, submit, tell
from munsit_denoise.serve import FIRST_USER

TURNS = 20
UNBOUNDED = {"threads": 1, "max_pending_jobs": 0, "max_pending_jobs_per_user": 0, "max_result_mb_per_user": 0}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "with a rate limit": {"rate_limit": 10**6},
    "with a balance": {"balance": "on"},
    "with CORS": {"cors_origins": "https://example.org"},
}


def bench_limits(short: Path, blocker: Path) -> None:
    """Submit in turns to a server of each kind, while a job that stands still keeps the others waiting."""
    costs = {kind: Cost() for kind in KINDS}
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(serving(**UNBOUNDED, **settings)) for kind, settings in KINDS.items()}
        _credit(servers["with a balance"])
        clients = {kind: stack.enter_context(server.client()) for kind, server in servers.items()}
        for kind, server in servers.items():
            submit(clients[kind], blocker)
            stack.enter_context(programs_halted(server.pid))
        for turn in range(-1, TURNS):  # the first one warms the servers
            for kind in rotated(list(KINDS), turn):
                measure(clients[kind], servers[kind].pid, short, costs[kind] if turn >= 0 else Cost())
    tell("a submission", costs)


def _credit(server: Served) -> None:
    command = [sys.executable, "-m", "munsit_denoise", "users", "credit", FIRST_USER, "100000"]
    environment = os.environ | {"DENOISE_DATA_DIR": str(server.data_dir)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
