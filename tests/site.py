"""A cluster that reaches its database and its store through proxies, and what can befall it."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from munsit_denoise.db.migrate import upgrade
from tests.audio import write_noisy
from tests.cluster import Ledger, Process, cluster, count_ends, key_for, left_over, rows, supervised
from tests.proxies import Proxy
from tests.services import Postgres, new_bucket, postgres

WITHIN_S = 30.0


@dataclass
class Site:
    """Webs and workers, what they stand on, and a key for them."""

    server: Postgres
    database: Proxy
    store: Proxy
    url: str  # of the database, past the proxy
    storage: tuple[str, str]  # the store's endpoint, past the proxy, and the bucket's URL
    webs: list[Process]
    workers: list[Process]
    key: str
    short: Path
    long: Path

    def outlasts(self, fault: "Fault", jobs: int) -> Ledger:
        """Submit on one web and follow on the other, so many jobs before a fault and as many after it.

        The jobs that a fault of a worker's is to meet are long ones.
        """
        ledger = Ledger()
        for number in range(2 * jobs):
            if number == jobs:
                fault.strike(self)
            self.submit(ledger, self.long if fault.meets_runs and number < jobs else self.short)
        return self.judged(ledger)

    def submit(self, ledger: Ledger, source: Path) -> None:
        """Submit a recording on the first web and follow it on the last."""
        ledger.follow(self.webs[-1].url, self.key, ledger.submit(self.webs[0].url, self.key, source))

    def judged(self, ledger: Ledger) -> Ledger:
        """Wait until every job has ended, then look at what is left."""
        ledger.wait()
        ledger.faults += left_over(self.url, self.storage, [*self.webs, *self.workers])
        return ledger

    def stop_one_that_works(self) -> Process:
        """Let a worker stand still in mid-job; return which."""
        until = time.monotonic() + WITHIN_S
        while time.monotonic() < until:
            for worker in self.workers:
                if worker.scratch():
                    worker.send(signal.SIGSTOP)
                    if worker.scratch():
                        return worker
                    worker.send(signal.SIGCONT)
            time.sleep(0.02)
        raise AssertionError("no worker works")

    def runs(self) -> int:
        """Return how many runs of jobs have begun so far, of jobs that have begun more than one."""
        return int(rows(self.url, "SELECT coalesce(sum(lease), 0) FROM denoise_records WHERE lease > 1")[0][0])


@contextmanager
def site(folder: Path, s3_endpoint: str, workers: int = 2, **settings: str) -> Iterator[Site]:
    """Run two webs and some workers on a PostgreSQL of their own; whoever ends by itself is started again."""
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
            with cluster(folder, shared | settings, 2, workers) as processes, supervised(processes):
                webs, rest = processes[:2], processes[2:]
                yield Site(server, database, store, url, (s3_endpoint, bucket), webs, rest, key, short, long)
        finally:
            database.close()
            store.close()


@dataclass(frozen=True)
class Fault:
    """What befalls a site; `strike` returns when it is over."""

    strike: Callable[[Site], None]
    meets_runs: bool = False


def _restart(mode: str) -> Callable[[Site], None]:
    def strike(site: Site) -> None:
        site.server.stop(mode)
        time.sleep(1)
        site.server.start()

    return strike


def _fall_silent(site: Site) -> None:
    site.database.freeze()
    site.database.thaw()


def _answer_500(site: Site) -> None:
    with site.store.broken():
        time.sleep(3)


def _stop_a_worker(site: Site) -> None:
    """Let a worker stand still in mid-job until another one has its job."""
    runs, stopped = site.runs(), site.stop_one_that_works()
    until = time.monotonic() + WITHIN_S
    while site.runs() == runs:
        assert time.monotonic() < until, "nobody takes the job of a worker that stands still"
        time.sleep(0.1)
    stopped.send(signal.SIGCONT)


def _stop_webs(site: Site) -> None:
    for web in site.webs:
        web.send(signal.SIGSTOP)
        time.sleep(2)
        web.send(signal.SIGCONT)


FAULTS: dict[str, Fault] = {
    "the database restarts": Fault(_restart("fast")),
    "the database dies and recovers": Fault(_restart("immediate")),
    "every connection to the database is cut": Fault(lambda site: site.database.cut()),
    "connections to the database fall silent, and others come through": Fault(_fall_silent),
    "the store answers 500": Fault(_answer_500),
    "the store hangs for ten seconds": Fault(lambda site: site.store.hold(10)),
    "a worker stands still for longer than its lease": Fault(_stop_a_worker, meets_runs=True),
    "webs stand still": Fault(_stop_webs),
}
