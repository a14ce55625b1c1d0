"""`make bench-api`: a thousand listeners on running jobs; a page of a long history beside a bare route."""

import argparse
import multiprocessing
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import anyio
import httpx
import numpy as np
import soundfile
import uvloop
from anyio.abc import SocketStream

from benchmarks.harness import Served, serving
from benchmarks.speed import write_speech

JOBS = 10
JOB_S = 60
BLOCKER_S = 480
RECORDS = 100_000
PAGES = 1500
CONNECTIONS = 8
BARE_APP = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
body = open(sys.argv[1], "rb").read()
async def page(request):
    return Response(body, media_type="application/json")
uvicorn.run(Starlette(routes=[Route("/", page)]), port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description=__doc__)
    parser.add_argument("--listeners", type=int, default=1000)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    arguments = parser.parse_args()
    bench_listeners(arguments)
    bench_history()


def bench_listeners(arguments: argparse.Namespace) -> None:
    """Many streams on a few jobs: who misses the end, and how late it comes after the commit."""
    with tempfile.TemporaryDirectory() as folder, serving(threads=1) as server, server.client() as client:
        speech = write_speech(arguments.shared / "audio" / "dev" / "noisy", Path(folder, "speech.wav"), JOB_S)
        samples, rate_hz = soundfile.read(speech)
        blocker = speech.with_name("blocker.wav")  # runs while the listeners connect
        soundfile.write(blocker, np.tile(samples, BLOCKER_S // JOB_S), rate_hz)
        client.post("/denoise", files={"audio": ("blocker.wav", blocker.read_bytes())}).raise_for_status()
        ids = [
            client.post("/denoise", files={"audio": ("a.wav", speech.read_bytes())}).json()["jobId"]
            for _ in range(JOBS)
        ]
        listeners = [ids[n % JOBS] for n in range(arguments.listeners)]
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # the client must not share our interpreter
            heard = pool.apply(listen, (server.url, server.key, listeners))
        commits = _commit_times(server)
    ends = [(job_id, at) for job_id, at, events in heard if events > 0]
    live = [(job_id, at) for job_id, at, events in heard if events > 1]  # the others came after the end
    late_ms = sorted(1000 * (at - commits[job_id]) for job_id, at in live)
    print(f"\n{len(listeners)} listeners on {JOBS} running jobs: {len(listeners) - len(ends)} missed the end")
    print(f"{len(live)} of them listened before it, the others had it replayed")
    print(f"events a listener: median {statistics.median(events for _, _, events in heard):.0f}")
    print(f"commit to client: p50 {_percentile(late_ms, 50):.0f} ms, p99 {_percentile(late_ms, 99):.0f} ms")


def listen(url: str, key: str, job_ids: list[str]) -> list[tuple[str, float, int]]:
    """Follow jobs at the same time; return id, time of the end and number of events (0: no end came)."""
    heard: list[tuple[str, float, int]] = []
    host, port = url.removeprefix("http://").split(":")

    async def follow(job_id: str, limiter: anyio.CapacityLimiter) -> None:
        async with limiter:
            stream: SocketStream = await anyio.connect_tcp(host, int(port))
        async with stream:
            path = f"/api/v1/denoise/{job_id}/progress"
            await stream.send(f"GET {path} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\n\r\n".encode())
            events, tail = 0, b""
            try:
                while b'"done"' not in tail:
                    tail = tail[-64:] + await stream.receive()
                    events += tail.count(b"data: ")
                heard.append((job_id, time.time(), events))
            except anyio.EndOfStream:
                heard.append((job_id, time.time(), 0))

    async def follow_all() -> None:
        limiter = anyio.CapacityLimiter(100)  # connections being made at the same time
        async with anyio.create_task_group() as tasks:
            for job_id in job_ids:
                tasks.start_soon(follow, job_id, limiter)

    anyio.run(follow_all, backend_options={"use_uvloop": bool(uvloop)})
    return heard


def _commit_times(server: Served) -> dict[str, float]:
    """Return when each job was settled, by the record's own clock (taken just before the commit)."""
    with sqlite3.connect(server.data_dir / "denoise.db") as database:
        return {row[0]: row[1] / 1e6 for row in database.execute("SELECT id, updated_at FROM denoise_records")}


def bench_history() -> None:
    """Requests a second for the newest page of a long history, as a share of a bare route with the same bytes."""
    with serving(threads=1) as server, tempfile.TemporaryDirectory() as folder:
        _fill(server)
        headers = {"x-api-key": server.key}
        ours = _requests_a_second(server.url + "/api/v1/denoise?limit=20", headers)
        deep = _latency_ms(server.url + "/api/v1/denoise?limit=20&offset=99980", headers)
        near = _latency_ms(server.url + "/api/v1/denoise?limit=20&offset=1000", headers)
        body = Path(folder, "body")
        body.write_bytes(httpx.get(server.url + "/api/v1/denoise?limit=20", headers=headers).content)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        bare = subprocess.Popen([sys.executable, "-c", BARE_APP, str(body), str(port)])
        try:
            time.sleep(3)
            bare_speed = _requests_a_second(f"http://127.0.0.1:{port}/", {})
        finally:
            bare.terminate()
            bare.wait()
    print(f"\nGET /denoise?limit=20 at {RECORDS:,} records: {ours:.0f} requests/s, a bare route {bare_speed:.0f}")
    print(f"share of the bare route: {ours / bare_speed:.0%}")
    print(f"offset 1,000: p99 {near:.1f} ms; offset 99,980: p99 {deep:.1f} ms")


def _fill(server: Served) -> None:
    with sqlite3.connect(server.data_dir / "denoise.db") as database:
        user_id = database.execute("SELECT id FROM users").fetchone()[0]
        columns = "id,user_id,origin,secret,file_name,audio_format,source_type,audio_duration,audio_size,original_key,"
        columns += "result_key,status,attempts,lease,created_at,updated_at"
        now_us = time.time_ns() // 1000
        fixed = ("mp3", "audio", 61.5, 984_000, "original", "denoised-1.wav", "success", 1, 1)
        rows = [
            (str(uuid.UUID(int=n)), user_id, "munsit", f"{n:032x}", f"interview {n}.mp3", *fixed, now_us - n, now_us)
            for n in range(RECORDS)
        ]
        marks = ",".join("?" * len(rows[0]))
        database.executemany(f"INSERT INTO denoise_records ({columns}) VALUES ({marks})", rows)


def _requests_a_second(url: str, headers: dict[str, str]) -> float:
    """Return the rate over several connections, the client in processes of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_hammer, (url, headers)))


def _hammer(url: str, headers: dict[str, str]) -> float:
    """Send requests over raw connections: a full client library would be slower than the server."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, port = host.split(":")
    lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    request = f"GET /{path} HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n".encode()

    async def worker(count: int) -> None:
        async with await anyio.connect_tcp(name, int(port)) as stream:
            for _ in range(count):
                await stream.send(request)
                received = await stream.receive()
                head, _, body = received.partition(b"\r\n\r\n")
                size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                assert head.startswith(b"HTTP/1.1 200")
                while len(body) < size:
                    body += await stream.receive()

    async def all_workers(each: int) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(CONNECTIONS):
                tasks.start_soon(worker, each)

    options = {"use_uvloop": True}
    anyio.run(all_workers, 10, backend_options=options)
    started = time.perf_counter()
    anyio.run(all_workers, PAGES // CONNECTIONS, backend_options=options)
    return PAGES / (time.perf_counter() - started)


def _latency_ms(url: str, headers: dict[str, str]) -> float:
    times = []
    with httpx.Client(headers=headers) as client:
        for _ in range(100):
            started = time.perf_counter()
            client.get(url).raise_for_status()
            times.append(1000 * (time.perf_counter() - started))
    return _percentile(sorted(times), 99)


def _percentile(ordered: list[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
