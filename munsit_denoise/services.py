"""The parts, built from the settings and running together."""

import fcntl
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from httpx import AsyncClient

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.fetcher import Fetcher
from munsit_denoise.jobs.intake import Limits
from munsit_denoise.jobs.runner import MakeDenoiser, Runner
from munsit_denoise.jobs.service import DenoiseService
from munsit_denoise.jobs.sweeper import expire_uploads, requeue, sweep
from munsit_denoise.media.types import media_type
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.remote.transfer import Patience, deliver, fetch
from munsit_denoise.settings import Settings
from munsit_denoise.storage import LocalStorage

log = logging.getLogger(__name__)
FETCHES_AT_ONCE = 4


class AlreadyRunning(Exception):
    """Another server works on the same data."""


@dataclass
class Services:
    """What the routes use."""

    settings: Settings
    keys: Keys
    denoise: DenoiseService
    model_ready: bool = False

    def stop(self) -> None:
        """Accept nothing new and let the streams end: called before connections are waited for."""
        self.denoise.stop()


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open everything, go on with what a crash interrupted, run jobs while the block lasts.

    The database's schema must be current. Raises AlreadyRunning.
    """
    with _only_server(settings.data_dir):
        started_s = time.time()
        database = open_database(settings.database)
        service = DenoiseService(
            Records(database), Uploads(database), LocalStorage(settings.storage_root), MemoryBell(), _limits(settings)
        )
        services = Services(settings, Keys(database), service)
        try:
            async with open_client(AddressPolicy(settings.networks)) as client, anyio.create_task_group() as tasks:
                await requeue(service, tasks, settings.job_retry_delay_s)
                tasks.start_soon(sweep, service, started_s)
                tasks.start_soon(expire_uploads, service, settings.upload_hours)
                fetcher = _fetcher(service, settings, client)
                for _ in range(FETCHES_AT_ONCE):
                    tasks.start_soon(fetcher.run_forever)
                tasks.start_soon(_run_jobs, services, client, tasks)
                yield services
                services.stop()
                tasks.cancel_scope.cancel()  # running jobs go back into the queue
        finally:
            with anyio.CancelScope(shield=True):
                await database.close()


def _limits(settings: Settings) -> Limits:
    return Limits(
        settings.max_upload_mb,
        settings.max_duration_minutes,
        settings.max_pending_jobs,
        settings.max_pending_jobs_per_user,
        settings.disk_reserve_mb,
    )


def _fetcher(service: DenoiseService, settings: Settings, client: AsyncClient) -> Fetcher:
    patience = Patience(settings.transfer_timeout_s, service.limits.upload_bytes)

    async def download(url: str, path: Path) -> int:
        return await fetch(client, url, path, patience, service.limits.too_large)

    return Fetcher(
        service.records,
        service.storage,
        service.inbox,
        service.queue,
        service.bell,
        service.running,
        service.examiner,
        download,
    )


async def _run_jobs(services: Services, client: AsyncClient, tasks: TaskGroup) -> None:
    make_denoiser = await load_engine(services.settings)
    services.model_ready = True
    service, patience = services.denoise, Patience(services.settings.transfer_timeout_s)

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


@contextmanager
def _only_server(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "server.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(f"Another server is already running on the data in {data_dir}") from None
        yield
