"""The processor time that requests cost the server; unlike rates and delays, it hardly depends on the machine's load.

Each figure is the server's own time, of all threads, next to that of a bare Starlette route. For streams, it is the
time of the event loop's thread, because a job runs in other threads.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import httpx2

from benchmarks.clients import Call, clients, hammer, listen, post
from benchmarks.harness import Served, denoise, serving, serving_bare
from benchmarks.pages import FORM_TYPE, PAGE, fill, write_form
from benchmarks.report import line
from benchmarks.streams import bare_call, progress, upload

CONNECTIONS = 8
WARM_S, SECONDS = 0.5, 2.0
RECORDS = 1000
LOG_ROUNDS = 5
LISTENERS, CONNECT_TIMEOUT_S = 500, 60
UPLOADS = ((5_000_000, 10), (50_000, 40))  # bytes of each, and number at once
LISTENING = b'denoise_listeners{kind="stream"} '
SCHEDULED = 2  # a kind of clock (CPUCLOCK_SCHED), beside a process id: the time of its threads together
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def bench_cost(folder: Path, short: Path, long: Path) -> None:
    """Measure microseconds of processor time for each request, delivery and upload."""
    with clients(1) as pool:
        _requests(pool, short)
        _streams(pool, long)
        for size_bytes, count in UPLOADS:
            _uploads(pool, write_form(folder, size_bytes), count)


def _requests(pool: ProcessPoolExecutor, short: Path) -> None:
    with serving(threads=1) as server, server.client() as client:
        denoise(client, short)
        replay = progress(server, client.get("/denoise").json()[0]["id"])
        fill(server, RECORDS)
        page = httpx2.get(server.url + PAGE, headers=server.headers)
        known = server.headers | {"if-none-match": page.headers["etag"]}
        with serving_bare(page.content) as bare:
            sign, whole = _request_us(pool, bare, ("/replay", {})), _request_us(pool, bare, ("/page", {}))
            for what, call, bare_us in (
                ("/healthz", ("/healthz", {}), sign),
                ("a page of 20", (PAGE, server.headers), whole),
                ("a page that the client has, 304", (PAGE, known), sign),
                ("a replay", replay, sign),
            ):
                _tell(what, _request_us(pool, server, call), bare_us)


def bench_access_log() -> None:
    """Microseconds of processor for the line that a request leaves in the log: a server that writes it, by turns."""
    call: Call = ("/healthz", {})
    with clients(1) as pool, serving(threads=1) as telling, serving(threads=1, log_level="warning") as silent:
        pairs = [[_request_us(pool, server, call) for server in (telling, silent)] for _ in range(LOG_ROUNDS)]
    with_us, without_us = (median(each) for each in zip(*pairs, strict=True))
    more_us = median(one - other for one, other in pairs)
    line("/healthz with a line in the log, without", f"{with_us:.0f} us, {without_us:.0f} us: {more_us:+.0f} us a line")


def _request_us(pool: ProcessPoolExecutor, server: Served, call: Call) -> float:
    pool.submit(hammer, server.address, call, CONNECTIONS, WARM_S).result()
    before_s = process_s(server.pid)
    answers = pool.submit(hammer, server.address, call, CONNECTIONS, SECONDS).result()
    return (process_s(server.pid) - before_s) / len(answers) * 1e6


def _streams(pool: ProcessPoolExecutor, long: Path) -> None:
    with serving(threads=1) as server, serving_bare() as bare, server.client() as client:
        upload(server, long)
        job_id = upload(server, long)  # it waits for the first job, and can be cancelled

        def connected() -> bool:
            found = httpx2.get(server.url + "/metrics").content.partition(LISTENING)[2].split()
            return bool(found) and float(found[0]) == LISTENERS

        cancel = f"/denoise/{job_id}/cancel"
        ours = _stream_us(pool, server, progress(server, job_id), connected, lambda: client.post(cancel))
        began_s = time.monotonic()
        others = _stream_us(
            pool, bare, bare_call(), lambda: time.monotonic() > began_s + 3, lambda: httpx2.get(bare.url + "/end")
        )
    for what, ours_us, bare_us in zip(("a stream's begin, first event", "a stream's end"), ours, others, strict=True):
        _tell(f"{what}, of {LISTENERS}", ours_us, bare_us)


def _stream_us(
    pool: ProcessPoolExecutor, server: Served, call: Call, connected: Callable[[], bool], end: Callable[[], object]
) -> tuple[float, float]:
    """Return the cost for the loop to start a stream, and to end it."""
    before_s = loop_s(server.pid)
    listening = pool.submit(listen, server.address, [call] * LISTENERS)
    give_up_s = time.monotonic() + CONNECT_TIMEOUT_S
    while not connected():
        assert time.monotonic() < give_up_s, "the listeners did not connect"
        time.sleep(0.2)
    begun_s = loop_s(server.pid)
    end()
    heard = listening.result()
    assert all(len(each.frames) == 2 and each.closed_s for each in heard)
    return (begun_s - before_s) / LISTENERS * 1e6, (loop_s(server.pid) - begun_s) / LISTENERS * 1e6


def _uploads(pool: ProcessPoolExecutor, form: Path, count: int) -> None:
    with serving(threads=1) as server, serving_bare() as bare:
        kind = server.headers | FORM_TYPE
        figures = []
        for each, call in ((server, ("/v1/upload", kind)), (bare, ("/sink", {}))):
            pool.submit(post, each.address, call, str(form), 1).result()
            before_s, programs_s = process_s(each.pid), process_s(each.pid, children=True)
            pool.submit(post, each.address, call, str(form), count).result()
            figures.append((process_s(each.pid) - before_s) / count * 1e6)
            figures.append((process_s(each.pid, children=True) - programs_s) / count * 1e6)
    _tell(f"an upload of {form.stat().st_size / 1000:.0f} kB", figures[0], figures[2])
    line("  programs that it starts", f"{figures[1]:.0f} us")


def process_s(pid: int, *, children: bool = False) -> float:
    """Return the processor's time that a process has used, or its children that have ended; Linux alone."""
    if not children:
        return time.clock_gettime(~pid << 3 | SCHEDULED)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS_A_SECOND


def loop_s(pid: int) -> float:
    """Return the processor time of a process's first thread, which runs the event loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def _tell(what: str, ours_us: float, bare_us: float) -> None:
    line(what, f"{ours_us:.0f} us, a bare route {bare_us:.0f}: {ours_us / bare_us:.1f} times")
