"""What submissions of one small file cost a server: time, and CPU."""

import os
import statistics
import time
from pathlib import Path

from benchmarks.harness import Served

SUBMISSIONS = 100


def submit_many(server: Served, source: Path) -> tuple[float, float]:
    """Return the median time of a submission, and the server's CPU for each, in seconds."""
    took = []
    with server.client() as client:
        for number in range(SUBMISSIONS + 10):
            if number == 10:
                before_s = _cpu_s(server.pid)
            began_s = time.perf_counter()
            client.post("/denoise", files={"audio": ("a.wav", source.read_bytes())}).raise_for_status()
            took.append(time.perf_counter() - began_s)
    return statistics.median(took[10:]), (_cpu_s(server.pid) - before_s) / SUBMISSIONS


def _cpu_s(pid: int) -> float:
    """Return what a process and the programs that it has waited for have computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def cost_of(cost: tuple[float, float]) -> str:
    """Return it for people."""
    return f"{cost[0] * 1000:.1f} ms, {cost[1] * 1000:.1f} ms of CPU"
