"""What a cluster costs: jobs a second, how late a stream hears of progress, a submission, a start, and idling."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psycopg

from benchmarks import bare_queue
from benchmarks.events import follow
from benchmarks.harness import Served, serving
from benchmarks.report import late, line
from benchmarks.submitting import cost_of, submit_many
from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.records import Records
from munsit_denoise.exchange import open_exchange
from munsit_denoise.jobs.submit import blank_record
from munsit_denoise.records import Options, Origin
from munsit_denoise.settings import Settings
from tests.audio import write_noisy
from tests.live import create_key
from tests.services import AWS, Postgres, new_bucket, postgres, s3_server

WORKERS = (1, 2, 4)
JOBS = 300  # for each number of workers
USERS = 10
PAUSE_S = 0.02
IDLE_S = 20.0
SETTLED_S = 5.0
READY_S = 120.0
STARTS = 3
CLAIMED = "SELECT count(*) > 0 FROM denoise_records WHERE lease > 0"
LEFT = "SELECT count(*) FROM denoise_records WHERE status = 'pending'"
TRANSACTIONS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
UNLIMITED = {"max_pending_jobs": 0, "max_pending_jobs_per_user": 0, "max_result_mb_per_user": 0}
PLAIN, INSTANT, ENDLESS = ("munsit_denoise",), ("benchmarks.emptied", "instant"), ("benchmarks.emptied", "endless")


def main() -> None:
    """Run all parts, or those named on the command line."""
    with postgres() as server, tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or PARTS:
            PARTS[name](server, Path(folder))


def bench_jobs(server: Postgres, folder: Path) -> None:
    """Measure jobs a second with a model that takes no time, and the rate of the queue alone."""
    for count in WORKERS:
        settings = _settings(server, folder / f"jobs{count}")
        url = settings.database
        bare = [sys.executable, "-m", "benchmarks.bare_queue", url]
        ours = [sys.executable, "-m", *INSTANT, "worker"]
        tasks = Load(partial(_execute, url, bare_queue.ADD, JOBS), bare_queue.LEFT)
        alone = _rate([bare] * count, folder, settings, tasks)
        jobs = Load(partial(anyio.run, _accept_many, settings), LEFT)
        whole = _rate([ours] * count, folder, settings, jobs)
        line(f"jobs a second, {count} workers, the bare queue", f"{alone:.0f}")
        line(f"jobs a second, {count} workers, a model that costs nothing", f"{whole:.0f}, {whole / alone:.0%}")


def bench_events(server: Postgres, folder: Path) -> None:
    """Measure the delay from a worker's progress to a stream of another process."""
    settings = _settings(server, folder / "events")
    with _web(settings) as web:
        took_s, end_s = anyio.run(follow, web, settings.database)
    line("progress, from its note to a stream of another process", late(took_s))
    line("the end, from its commit to the same stream", f"{end_s * 1000:.1f} ms")


def bench_submissions(server: Postgres, folder: Path) -> None:
    """Measure the cost of a submission on one machine and in a cluster, whose jobs wait meanwhile."""
    source = write_noisy(folder / "short.wav", 0.3, 8_000)
    os.environ.update(AWS)
    with s3_server() as endpoint:
        stored = {"storage_url": new_bucket(endpoint), "s3_endpoint": endpoint}
        places: dict[str, dict[str, Any]] = {"PostgreSQL and a folder": {}, "PostgreSQL and an S3 server": stored}
        with serving(ENDLESS, threads=1, **UNLIMITED) as alone:
            plain = submit_many(alone, source)
        line("a submission, one machine", cost_of(plain))
        for name, values in places.items():
            settings = _settings(server, folder / name)
            with _web(settings, **UNLIMITED, **values) as web:
                cost = submit_many(web, source)
            ratio = f"{cost[0] / plain[0]:.1f} times the time, {cost[1] / plain[1]:.1f} times the server's CPU"
            line(f"a submission, {name}", f"{cost_of(cost)}: {ratio}")


def bench_idle(server: Postgres, folder: Path) -> None:
    """Count the transactions of idle processes."""
    settings = _settings(server, folder / "idle")
    with _web(settings):
        line("transactions a second of a web that has nothing to do", f"{_transactions(settings.database):.1f}")
    with _processes([[sys.executable, "-m", *INSTANT, "worker"]], folder, settings):
        line("transactions a second of a worker that has nothing to do", f"{_transactions(settings.database):.1f}")


def bench_starts(server: Postgres, folder: Path) -> None:
    """Measure from the start of a process until it takes its first job, or answers that it is ready."""
    settings = [_settings(server, folder / f"starts{number}") for number in range(STARTS)]
    for each in settings:
        anyio.run(_accept_many, each, 1)
    command = [[sys.executable, "-m", *PLAIN, "worker"]]
    worker_s = [
        _took_s(partial(_processes, command, folder, each), partial(_wait_for_claim, each)) for each in settings
    ]
    line("seconds until a worker takes its first job", f"{statistics.median(worker_s):.1f}")
    web_s = [_took_s(partial(serving, PLAIN, **_as_web(each))) for each in settings]
    line("seconds until a web is ready", f"{statistics.median(web_s):.1f}")
    line("seconds until one machine is ready, with its model", f"{_took_s(serving):.1f}")


def _took_s(run: Callable[[], AbstractContextManager[object]], wait: Callable[[], object] = bool) -> float:
    """Return how long it takes until something runs, and something else is so."""
    began_s = time.monotonic()
    with run():
        wait()
        return time.monotonic() - began_s


def _wait_for_claim(settings: Settings) -> None:
    while not _execute(settings.database, CLAIMED):
        time.sleep(PAUSE_S)


def _settings(server: Postgres, folder: Path) -> Settings:
    """Return the settings of a cluster with its own database."""
    url = server.new_database()
    upgrade(url)
    return Settings(
        _env_file=None,  # type: ignore[call-arg] # of pydantic-settings
        database_url=url,
        storage_url=f"file://{folder}/files",
        data_dir=folder,
        disk_reserve_mb=0,
    )


def _as_web(settings: Settings) -> dict[str, Any]:
    return {"database_url": settings.database_url, "storage_url": settings.storage_url, "job_concurrency": 0}


@contextmanager
def _web(settings: Settings, **more: Any) -> Iterator[Served]:
    """Run a web host and create a key."""
    with serving(PLAIN, threads=1, **_as_web(settings) | more) as web:
        yield replace(web, key=create_key(settings, "bench"))


def _execute(url: str, query: str, *values: object) -> Any:
    with psycopg.connect(url) as connection:
        found = connection.execute(query.encode(), values)
        row = found.fetchone() if found.description else None
        return row[0] if row else None


def _transactions(url: str) -> float:
    time.sleep(SETTLED_S)
    before, began_s = _execute(url, TRANSACTIONS), time.monotonic()
    time.sleep(IDLE_S)
    return float(_execute(url, TRANSACTIONS) - before) / (time.monotonic() - began_s)


@contextmanager
def _processes(commands: Sequence[list[str]], folder: Path, settings: Settings) -> Iterator[list[int]]:
    """Run processes with the same settings; yield their ids once all of them are ready."""
    values = {"DATABASE_URL": settings.database_url, "STORAGE_URL": settings.storage_url, "DISK_RESERVE_MB": "0"}
    with ExitStack() as stack:
        logs, running = [], []
        for command in commands:
            name = uuid.uuid4().hex
            own = {f"DENOISE_{key}": value for key, value in {**values, "DATA_DIR": f"{folder}/{name}"}.items()}
            logs.append(folder / f"{name}.log")
            log = stack.enter_context(logs[-1].open("wb"))
            running.append(subprocess.Popen(command, env=os.environ | own, stdout=log, stderr=log))
            stack.callback(running[-1].wait)
            stack.callback(running[-1].kill)
        until = time.monotonic() + READY_S
        while not all(bare_queue.READY in log.read_text() for log in logs):
            if time.monotonic() > until or any(process.poll() is not None for process in running):
                raise TimeoutError("\n".join(log.read_text()[-500:] for log in logs))
            time.sleep(0.1)
        yield [process.pid for process in running]


@dataclass(frozen=True)
class Load:
    """A function that makes jobs, and a query that counts the remaining ones."""

    make: Callable[[], object]
    left: str


def _rate(commands: Sequence[list[str]], folder: Path, settings: Settings, load: Load) -> float:
    """Return the jobs per second of some workers, which are stopped until all jobs wait."""
    with _processes(commands, folder, settings) as pids, psycopg.connect(settings.database) as database:
        database.autocommit = True
        time.sleep(1)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        load.make()
        began_s = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        while database.execute(load.left.encode()).fetchone() != (0,):
            time.sleep(PAUSE_S)
        return JOBS / (time.monotonic() - began_s)


async def _user(database: Database, name: str) -> str:
    keys = Keys(database)
    found = await keys.find_user(await keys.create(name))
    assert found
    return found


async def _accept_many(settings: Settings, count: int = JOBS) -> None:
    database = open_database(settings.database)
    records = Records(database, announce=open_exchange(settings, database).announce)
    users = [await _user(database, f"user {number}") for number in range(USERS)]
    for number in range(count):
        await records.insert(blank_record(users[number % USERS], Origin.MUNSIT, Options()))
    await database.close()


PARTS = {
    "jobs": bench_jobs,
    "events": bench_events,
    "submissions": bench_submissions,
    "starts": bench_starts,
    "idle": bench_idle,
}

if __name__ == "__main__":
    main()
