"""The parts, built from the settings and running together."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from httpx2 import AsyncClient

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.history import History
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.fetcher import Fetcher
from munsit_denoise.jobs.intake import Limits, Received
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.jobs.runner import MakeDenoiser, Runner
from munsit_denoise.jobs.service import DenoiseService
from munsit_denoise.jobs.sweeper import expire_uploads, requeue, sweep
from munsit_denoise.jobs.watch import Patience
from munsit_denoise.jobs.watchers import Sources, Watchers
from munsit_denoise.lock import only_server
from munsit_denoise.media.formats import media_type
from munsit_denoise.metrics import Metrics
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.download import fetch
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.remote.transfer import Patience as TransferPatience
from munsit_denoise.remote.transfer import deliver
from munsit_denoise.settings import Settings
from munsit_denoise.storage import LocalStorage

FETCHES_AT_ONCE = 4


@dataclass
class Services:
    """What the routes use."""

    settings: Settings
    keys: Keys
    denoise: DenoiseService
    history: History
    watchers: Watchers
    metrics: Metrics
    model_ready: bool = False

    def stop(self) -> None:
        """Accept nothing new and let the streams end: called before connections are waited for."""
        self.denoise.stop()


@asynccontextmanager
async def open_services(settings: Settings, metrics: Metrics, *, locked: bool = False) -> AsyncIterator[Services]:
    """Open everything, go on with what a crash interrupted, run jobs while the block lasts.

    The database's schema must be current. `locked` says that the caller holds the data already.
    Raises AlreadyRunning.
    """
    with nullcontext() if locked else only_server(settings):
        started_s = time.time()
        database = open_database(settings.database)
        service = DenoiseService(
            Records(database), Uploads(database), LocalStorage(settings.storage_root), MemoryBell(), _limits(settings)
        )
        metrics.watch_storage(settings.storage_root)
        keys = Keys(database)
        service.journal = Journal(metrics, keys.name_of)
        services = Services(settings, keys, service, History(database), _watchers(service, keys, settings), metrics)
        try:
            async with open_client(AddressPolicy(settings.networks)) as client, anyio.create_task_group() as tasks:
                await keys.learn_names()
                await requeue(service, tasks, settings.job_retry_delay_s)
                tasks.start_soon(metrics.measure_lag)
                tasks.start_soon(sweep, service, started_s)
                tasks.start_soon(expire_uploads, service, settings.upload_hours)
                fetcher = _fetcher(service, settings, client)
                for _ in range(FETCHES_AT_ONCE):
                    tasks.start_soon(fetcher.run_forever)
                tasks.start_soon(_run_jobs, services, client, tasks)
                tasks.start_soon(services.watchers.run_forever)
                yield services
                services.stop()
                tasks.cancel_scope.cancel()  # running jobs go back into the queue
        finally:
            with anyio.CancelScope(shield=True):
                await database.close()


def _watchers(service: DenoiseService, keys: Keys, settings: Settings) -> Watchers:
    sources = Sources(service.records.get, service.bell, service.standing, lambda: service.queue.changes, keys.is_valid)
    return Watchers(sources, Patience(settings.sse_recheck_s, settings.sse_idle_timeout_s, settings.sse_ping_s))


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_upload_mb,
        settings.max_duration_minutes,
        settings.max_pending_jobs,
        settings.max_pending_jobs_per_user,
        settings.disk_reserve_mb,
        settings.max_uploads_per_user,
        settings.max_uploads_mb_per_user,
    )


def _fetcher(service: DenoiseService, settings: Settings, client: AsyncClient) -> Fetcher:
    patience = TransferPatience(settings.transfer_timeout_s, service.limits.upload_bytes)

    async def download(url: str, path: Path) -> Received:
        found = await fetch(client, url, path, patience, service.limits.too_large)
        return Received(found.file_name, found.size_bytes)

    return Fetcher(
        service.records,
        service.storage,
        service.inbox,
        service.queue,
        service.bell,
        service.running,
        service.examiner,
        download,
        service.journal,
    )


async def _run_jobs(services: Services, client: AsyncClient, tasks: TaskGroup) -> None:
    make_denoiser = await load_engine(services.settings)
    services.model_ready = True
    service, patience = services.denoise, TransferPatience(services.settings.transfer_timeout_s)

    async def send(path: Path, url: str) -> str | None:
        return await deliver(client, path, url, media_type(path.suffix[1:]), patience)

    runner = Runner(
        service.records,
        service.storage,
        service.queue,
        service.bell,
        service.running,
        service.examiner.recall,
        make_denoiser,
        services.settings.job_max_attempts,
        send,
        tasks,
        service.journal,
    )
    for _ in range(services.settings.job_concurrency):
        tasks.start_soon(runner.run_forever)


async def load_engine(settings: Settings) -> MakeDenoiser:
    """Load PyTorch and the model in a thread; return a maker of denoisers, one a recording."""

    def load() -> MakeDenoiser:
        from munsit_denoise.engine.open import open_engine  # PyTorch is loaded here and by nobody else

        make = open_engine(settings.device, settings.threads, settings.precision, settings.job_concurrency)
        return lambda track, strength: make(track.sample_rate_hz, track.channels, strength)

    return await to_thread.run_sync(load)
