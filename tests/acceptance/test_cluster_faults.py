"""What a cluster goes through: a database that restarts, falls silent or is cut off, a store that fails, processes
that stand still. Every job ends once and is told; a client sees at worst a 503 that says when to come back."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from munsit_denoise.db.migrate import upgrade
from tests.audio import write_noisy
from tests.cluster import Ledger, Process, cluster, count_ends, key_for, left_over, rows, supervised
from tests.proxies import Proxy
from tests.services import Postgres, new_bucket, postgres

pytestmark = pytest.mark.slow
JOBS = 4


@dataclass
class Site:
    """Two webs and two workers that reach the database and the store through proxies."""

    server: Postgres
    database: Proxy
    store: Proxy
    url: str  # of the database, past the proxy
    storage: tuple[str, str]
    webs: list[Process]
    workers: list[Process]
    key: str
    short: Path
    long: Path

    def outlasts(self, fault: Callable[[], None], *, jobs: int = JOBS, source: Path | None = None) -> Ledger:
        """Submit on one web and follow on the other while a fault comes and goes."""
        ledger, (first, second) = Ledger(), self.webs
        for number in range(2 * jobs):
            if number == jobs:
                fault()
            job_id = ledger.submit(first.url, self.key, source or self.short)
            ledger.follow(second.url, self.key, job_id)
        ledger.wait()
        ledger.faults += left_over(self.url, self.storage, [*self.webs, *self.workers])
        return ledger

    def until_a_job_runs(self, worker: Process | None = None) -> None:
        """Wait until a job is worked on, by one worker or any."""
        until = time.monotonic() + 30
        running = "SELECT 1 FROM denoise_records WHERE status = 'pending' AND percent > 0"
        while not rows(self.url, running) and time.monotonic() < until:
            time.sleep(0.05)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("cluster")
    with postgres() as server:
        url, bucket = server.new_database(), new_bucket(s3_endpoint)
        upgrade(url)
        count_ends(url)
        database, store = Proxy(server.port), Proxy(int(s3_endpoint.rpartition(":")[2]))
        shared = {
            "DATABASE_URL": url.replace(f":{server.port}/", f":{database.port}/"),
            "STORAGE_URL": bucket,
            "S3_ENDPOINT": f"http://127.0.0.1:{store.port}",
        }
        key = key_for(folder / "key", url)
        short, long = write_noisy(folder / "short.wav", 0.3, 8_000), write_noisy(folder / "long.wav", 60, 16_000)
        try:
            with cluster(folder, shared) as processes, supervised(processes):
                yield Site(
                    server, database, store, url, (s3_endpoint, bucket), processes[:2], processes[2:], key, short, long
                )
        finally:
            database.close()
            store.close()


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_database_restarts(site: Site, mode: str) -> None:
    def restart() -> None:
        site.server.stop(mode)
        time.sleep(1)
        site.server.start()

    assert not site.outlasts(restart).faults


def test_every_connection_to_the_database_is_cut(site: Site) -> None:
    assert not site.outlasts(site.database.cut).faults


def test_connections_to_the_database_fall_silent_and_others_come_through(site: Site) -> None:
    def freeze() -> None:
        site.database.freeze()
        site.database.thaw()

    assert not site.outlasts(freeze).faults


def test_the_store_answers_500(site: Site) -> None:
    def break_it() -> None:
        with site.store.broken():
            time.sleep(3)

    assert not site.outlasts(break_it).faults


def test_the_store_hangs_for_ten_seconds(site: Site) -> None:
    assert not site.outlasts(lambda: site.store.hold(10)).faults


def test_a_worker_stands_still_for_longer_than_its_lease(site: Site) -> None:
    def stop() -> None:
        site.until_a_job_runs()
        for worker in site.workers[:1]:
            worker.send(signal.SIGSTOP)
        time.sleep(6)
        for worker in site.workers[:1]:
            worker.send(signal.SIGCONT)

    assert not site.outlasts(stop, jobs=2, source=site.long).faults


def test_a_web_stands_still(site: Site) -> None:
    def stop() -> None:
        for web in site.webs:
            web.send(signal.SIGSTOP)
            time.sleep(2)
            web.send(signal.SIGCONT)

    assert not site.outlasts(stop).faults
