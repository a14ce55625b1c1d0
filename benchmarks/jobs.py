"""What two hundred short jobs leave behind in a server, and what each of them costs beside the model."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.cost import process_s
from benchmarks.harness import denoise, peak_mib, resident_mib, serving
from benchmarks.report import line

JOBS, AT_ONCE = 200, 4
REST_S = 5  # until a server that has nothing to do has given back what it can
UNLIMITED = {"max_pending_jobs": 0, "max_pending_jobs_per_user": 0}


def bench_jobs(short: Path) -> None:
    """Memory of an idle server before and after, and the time of a job."""
    with serving(threads=1, **UNLIMITED) as server, server.client() as client, ThreadPoolExecutor(AT_ONCE) as pool:
        time.sleep(REST_S)
        idle_mib = resident_mib(server.pid)
        denoise(client, short)
        time.sleep(REST_S)
        first_mib, before_s, began_s = resident_mib(server.pid), process_s(server.pid), time.monotonic()
        list(pool.map(lambda _: denoise(client, short), range(JOBS - 1)))
        took_s, used_s = time.monotonic() - began_s, process_s(server.pid) - before_s
        time.sleep(REST_S)
        after_mib, peak = resident_mib(server.pid), peak_mib(server.pid)
    line("memory of an idle server", f"{idle_mib:.0f} MiB")
    line("  after one job, after two hundred, at most", f"{first_mib:.0f} MiB, {after_mib:.0f} MiB, {peak:.0f} MiB")
    line(
        "a job of two seconds, the server's processor, and all in all",
        f"{used_s / (JOBS - 1) * 1000:.0f} ms, {took_s / (JOBS - 1) * 1000:.0f} ms",
    )
