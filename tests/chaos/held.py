"""What a server holds: descriptors, tasks, listeners, programs; once it has nothing to do, no more than before."""

import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.live import ServerProcess, children

PATIENCE_S = 45  # for connections that nobody closed, which the server cuts by itself after 30 s
SPARE_DESCRIPTORS = 16  # connections of the database, and of this client
SPARE_TASKS = 2  # of the connection that asks for them
GAUGE = r"^{}(?:{{[^}}]*}})? ([0-9.e+]+)$"


@dataclass(frozen=True)
class Held:
    """What a server has open at a moment."""

    descriptors: int
    tasks: int
    listeners: int
    programs: tuple[str, ...]  # their command lines
    memory_mib: float

    def beyond(self, before: "Held") -> list[str]:
        """Return what there is that there was not before."""
        found = [f"a program still runs: {line[:120]}" for line in self.programs]
        if self.descriptors > before.descriptors + SPARE_DESCRIPTORS:
            found.append(f"{self.descriptors} descriptors, {before.descriptors} before")
        if self.tasks > before.tasks + SPARE_TASKS:
            found.append(f"{self.tasks} tasks, {before.tasks} before")
        if self.listeners > before.listeners:
            found.append(f"{self.listeners} listeners, {before.listeners} before")
        return found


def held(server: ServerProcess) -> Held:
    """Look at a server."""
    metrics = httpx2.get(f"{server.url}/metrics").raise_for_status().text
    pids = ",".join(map(str, children(server.pid))) or "0"
    programs = subprocess.run(["ps", "-o", "args=", "-p", pids], capture_output=True, text=True).stdout
    return Held(
        descriptors=len(list(Path(f"/proc/{server.pid}/fd").iterdir())),
        tasks=_sum(metrics, "denoise_tasks"),
        listeners=_sum(metrics, "denoise_listeners"),
        programs=tuple(programs.splitlines()),
        memory_mib=_sum(metrics, "process_resident_memory_bytes") / 2**20,
    )


def leftovers(server: ServerProcess, before: Held) -> list[str]:
    """Return what a server that has nothing to do holds that it did not hold before, after some patience."""
    end = time.monotonic() + PATIENCE_S
    while (found := held(server).beyond(before)) and time.monotonic() < end:
        time.sleep(1.5)  # scrapes within a second get the same text
    return found


def _sum(metrics: str, name: str) -> int:
    values = re.findall(GAUGE.format(name), metrics, re.MULTILINE)
    assert values, f"{name} is not told"
    return round(sum(map(float, values)))
