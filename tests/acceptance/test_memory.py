"""A job works in the memory that the last one left, program starts and threads notwithstanding."""

import sys
from pathlib import Path

import pytest

from tests.audio import write_noisy
from tests.live import Live, ServerProcess, create_key

JOBS = 5  # at most, until each buffer has found its place
PAGES = 12_000  # 47 MiB; 24 on an idle machine, 8,200 on a busy one; with forks and a heap a thread 34,000 and more


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_job_takes_few_new_pages(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    server.afresh = True  # it is the memory of a process that shares none with another
    try:
        server.start("/readyz")
        live = Live(server.url, create_key(server.settings, "tester"), server.settings)
        path = write_noisy(tmp_path / "a.wav", 20, 48_000)
        taken: list[int] = []
        while len(taken) < JOBS and min(taken, default=PAGES) >= PAGES:
            before = server.page_faults()
            live.events(live.upload(path))
            taken.append(server.page_faults() - before)
        live.client.close()
    finally:
        server.close()
    assert min(taken) < PAGES, taken
