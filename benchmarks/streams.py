"""Thousands of listeners: missed ends, delays, cost of each, and the effect on other requests."""

import re
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.clients import Call, Heard, clients, listen, probe, silent, together
from benchmarks.harness import Served, resident_mib, serving, serving_bare
from benchmarks.report import late, line, percentile

CLIENTS = 2  # listening processes
REPLAYS = 500
SILENT = 100
IDLE = 2000
PAUSE_S = 0.05  # between two requests for the history by another client


def bench_memory(waiting: Path) -> None:
    """Measure the memory of a listener while nothing happens."""
    for name, serve in (("ours", serving(threads=1)), ("bare", serving_bare())):
        with clients(1) as pool, serve as server:  # the server's end closes the listeners
            calls = [bare_call()] * IDLE
            if server.key:
                upload(server, waiting)
                calls = [progress(server, upload(server, waiting))] * IDLE  # it waits for the first job
            time.sleep(5)
            before = resident_mib(server.pid)
            listening = pool.submit(listen, server.address, calls)
            time.sleep(8)
            each_kib = (resident_mib(server.pid) - before) * 1024 / IDLE
            line(f"memory a listener, {IDLE:,} that wait, {name}", f"{each_kib:.1f} KiB")
            if not server.key:
                httpx2.get(server.url + "/end")
        listening.result()


def bench_fan_out(speech: Path, listeners: int, jobs: int, silent_ones: int = 0) -> None:
    """Measure many listeners on running jobs, with a page of the history and a health check meanwhile."""
    with serving(threads=1, job_concurrency=jobs) as server, clients(CLIENTS + 2) as pool:
        ids = [upload(server, speech) for _ in range(jobs)]
        calls = [progress(server, ids[n % jobs]) for n in range(listeners)]
        mute = silent(server.address, progress(server, ids[0]), silent_ones)
        listening = [pool.submit(listen, server.address, calls[n::CLIENTS]) for n in range(CLIENTS)]
        page: Call = ("/api/v1/denoise?limit=20", server.headers)
        probes: list[Future[list[float]]] = []
        while not all(future.done() for future in listening):
            if all(future.done() for future in probes):  # one pair after the other: the rest of the pool listens
                probes += [
                    pool.submit(probe, server.address, page, 5.0, PAUSE_S),
                    pool.submit(probe, server.address, ("/healthz", {}), 5.0, PAUSE_S),
                ]
            time.sleep(0.2)
        heard: list[Heard] = together(listening)
        pages, signs = together(probes[0::2]), together(probes[1::2])
        ends = _ends(server)
        for client in mute:
            client.close()
    name = f"{listeners:,} listeners on {jobs} jobs, {silent_ones} more that never read"
    _report(name, heard, ends)
    line("  a page of the history meanwhile", late(pages))
    line("  /healthz meanwhile", late(signs))


def bench_bare_fan_out(listeners: int) -> None:
    """Measure the same with a bare route, where all listeners share a bell."""
    with serving_bare() as server, clients(CLIENTS) as pool:
        parts = [[bare_call()] * len(range(n, listeners, CLIENTS)) for n in range(CLIENTS)]
        listening = [pool.submit(listen, server.address, part) for part in parts]
        time.sleep(3 + listeners / 500)
        httpx2.get(server.url + "/ring")
        time.sleep(3)
        httpx2.get(server.url + "/end")
        heard = together(listening)
    line(f"bare route, {listeners:,} listeners, after the first who got it", late(_lateness(heard)))


def bench_replays(short: Path) -> None:
    """Open many streams of an ended job at the same time."""
    with serving(threads=1) as server, serving_bare() as bare, clients(1) as pool:
        job_id = upload(server, short)
        pool.submit(listen, server.address, [progress(server, job_id)]).result()
        for name, address, call in (
            ("ours", server.address, progress(server, job_id)),
            ("bare", bare.address, ("/replay", {})),
        ):
            for _ in range(3):  # the server must be warm; the last round counts
                heard = pool.submit(listen, address, [call] * REPLAYS).result()
            assert all(len(one.frames) == 1 and one.closed_s for one in heard)
            first = min(one.connected_s for one in heard)
            took = [one.closed_s - one.connected_s for one in heard]
            whole = max(one.closed_s for one in heard) - first
            line(f"{REPLAYS} replays at once, {name}", f"{late(took)}, all in {whole:.2f} s")


def _report(name: str, heard: Sequence[Heard], ends: dict[str, float]) -> None:
    bad = [one for one in heard if one.status != 200 or not one.closed_s or _end_count(one) != 1]
    fell = sum(_falls(one) for one in heard)
    live = [one for one in heard if len(one.frames) > 1]
    after = [one.frames[-1][0] - ends[one.path] for one in live if one.frames]
    events = percentile([len(one.frames) for one in heard], 50)
    line(name, f"{len(bad)} missed or doubled the end, {fell} saw a percentage fall, {len(heard) - len(live)} replayed")
    line("  events a listener", f"median {events:.0f}")
    line("  progress, after the first who got it", late(_lateness(heard)))
    line(
        "  end, after the commit",
        late(after),
    )


def _lateness(heard: Sequence[Heard]) -> list[float]:
    """Return how long after the first listener each one received each event, without its first."""
    first: dict[tuple[str, bytes], float] = {}
    for one in heard:
        for when, frame in one.frames[1:]:
            key = (one.path, frame)
            first[key] = min(first.get(key, when), when)
    return [when - first[one.path, frame] for one in heard for when, frame in one.frames[1:]]


def _end_count(one: Heard) -> int:
    return sum(b'"done"' in frame or b'"error"' in frame for _, frame in one.frames)


def _falls(one: Heard) -> bool:
    percents = [int(found[1]) for _, frame in one.frames if (found := re.search(rb'"pct":(\d+)', frame))]
    return percents != sorted(percents)


def _ends(server: Served) -> dict[str, float]:
    """Return when each job ended by its record, whose time is read just before the commit."""
    with sqlite3.connect(server.data_dir / "denoise.db") as database:
        rows: list[Any] = database.execute("SELECT id, updated_at FROM denoise_records").fetchall()
    return {f"/api/v1/denoise/{job_id}/progress": updated_us / 1e6 for job_id, updated_us in rows}


def upload(server: Served, path: Path) -> str:
    """Submit a file; return the job's id."""
    with server.client() as client, path.open("rb") as file:
        answer = client.post("/denoise", files={"audio": (path.name, file)})
        return str(answer.raise_for_status().json()["denoiseId"])


def progress(server: Served, job_id: str) -> Call:
    """Return the request for a job's events."""
    return f"/api/v1/denoise/{job_id}/progress", server.headers


def bare_call() -> Call:
    """Return the request for the events of the bare server."""
    return "/listen", {}
