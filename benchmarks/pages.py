"""Pages of a long history, complete lists, and uploads: rates and delays next to a bare route."""

import sqlite3
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx2

from benchmarks.clients import clients, hammer, post, probe
from benchmarks.harness import Served, forget_peak, peak_mib, resident_mib, serving, serving_bare
from benchmarks.report import late, line

CONNECTIONS = 8
SECONDS = 4.0
PAGE = "/api/v1/denoise?limit=20"
BOUNDARY = "------------------------d74496d66958873e"  # as long as curl's
FORM_TYPE = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
SIZES = ((50, 5), (1, 200))  # uploads at once, and MB of each


def bench_history(records: int, whole: bool) -> None:
    """Measure pages a second of a long history, and the delay at a hundred a second."""
    with serving(threads=1) as server, clients(2) as pool:
        fill(server, records)
        page = httpx2.get(server.url + PAGE, headers=server.headers)
        with serving_bare(page.content) as bare:
            rates = []
            for address, call in ((server.address, (PAGE, server.headers)), (bare.address, ("/page", {}))):
                took = pool.submit(hammer, address, call, CONNECTIONS, SECONDS).result()
                rates.append(len(took) / SECONDS)
        line(f"pages a second at {records:,} records", beside(rates, "a bare route"))
        for what, query, pause_s in (("the newest", "", 0.02), ("offset 1,000", "&offset=1000", 0.02)):
            _probe(server, pool, what, query, pause_s)
        _probe(server, pool, f"offset {records - 20:,}, three a second", f"&offset={records - 20}", 0.6)
        for what, query in (("words in no name", "&q=zzz"), ("a status that none has", "&status=failed")):
            _probe(server, pool, f"{what}, three a second", query, 0.6)
        known = server.headers | {"if-none-match": page.headers["etag"]}
        took = pool.submit(hammer, server.address, (PAGE, known), CONNECTIONS, SECONDS).result()
        line("  pages a second that the client has: 304", f"{len(took) / SECONDS:.0f}")
        if whole:
            _list_all(server, pool)


def _probe(server: Served, pool: ProcessPoolExecutor, what: str, query: str, pause_s: float) -> None:
    took = pool.submit(probe, server.address, (PAGE + query, server.headers), SECONDS, pause_s).result()
    line(f"  a hundred a second, {what}" if pause_s < 0.1 else f"  {what}", late(took))


def _list_all(server: Served, pool: ProcessPoolExecutor) -> None:
    forget_peak(server.pid)
    before, started, size = resident_mib(server.pid), time.perf_counter(), 0
    probing = pool.submit(probe, server.address, (PAGE, server.headers), SECONDS, 0.02)
    with httpx2.stream("GET", server.url + "/api/v1/denoise", headers=server.headers, timeout=600) as answer:
        for chunk in answer.iter_raw():
            size += len(chunk)
    took = probing.result()
    took_s, grown_mib = time.perf_counter() - started, peak_mib(server.pid) - before
    line("  all of it", f"{size / 1e6:.0f} MB in {took_s:.0f} s, memory +{grown_mib:.0f} MiB")
    line("  a page meanwhile, a hundred a second", late(took))


def bench_uploads(folder: Path) -> None:
    """Send many small uploads at once and a large one, next to a bare sink on the same disk."""
    for count, size_mb in SIZES:
        body, rates = write_form(folder, size_mb * 10**6), []
        with serving(threads=1) as server, serving_bare() as bare, clients(1) as pool:
            forget_peak(server.pid)
            before = peak_mib(server.pid)
            form = server.headers | FORM_TYPE
            for address, call in ((server.address, ("/v1/upload", form)), (bare.address, ("/sink", {}))):
                took = [pool.submit(post, address, call, str(body), count).result() for _ in range(3)]
                rates.append(count * size_mb / min(took))
            grown = peak_mib(server.pid) - before
        line(
            f"{count} uploads of {size_mb} MB at once, MB/s", f"{beside(rates, 'a bare sink')}; memory +{grown:.0f} MiB"
        )


def write_form(folder: Path, size_bytes: int) -> Path:
    """Write the form of a recording with this size, as FORM_TYPE says."""
    source, form = folder / f"{size_bytes}.wav", folder / f"{size_bytes}.form"
    noise = f"anoisesrc=d={size_bytes / 96_000}:r=48000"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", noise, "-y", str(source)], check=True)
    head = f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    form.write_bytes(head.encode() + source.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode())
    return form


def beside(rates: Sequence[float], other: str) -> str:
    """Return our rate, the other one, and their ratio."""
    return f"{rates[0]:.0f}, {other} {rates[1]:.0f}: {rates[0] / rates[1]:.0%}"


def fill(server: Served, records: int) -> None:
    """Give a server's first user a history with this many records."""
    columns = "id,user_id,origin,secret,file_name,audio_format,source_type,audio_duration,audio_size,original_key,"
    columns += "result_key,status,attempts,lease,created_at,updated_at,extension"
    now_us = time.time_ns() // 1000
    fixed = ("mp3", "audio", 61.5, 984_000, "original", "denoised-1.wav", "success", 1, 1)

    def rows(user_id: str) -> Iterator[tuple[object, ...]]:
        for n in range(records):
            name, created_us = f"interview {n}.mp3", now_us - n * 61_000_000
            times = (created_us, created_us + 3_210_000, "wav")
            yield (str(uuid.UUID(int=n)), user_id, "munsit", f"{n:032x}", name, *fixed, *times)

    with sqlite3.connect(server.data_dir / "denoise.db") as database:
        user_id = database.execute("SELECT id FROM users").fetchone()[0]
        marks = ",".join("?" * len(columns.split(",")))
        database.executemany(f"INSERT INTO denoise_records ({columns}) VALUES ({marks})", rows(user_id))
