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

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.records import Records
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.runner import MakeDenoiser, Runner
from munsit_denoise.jobs.service import DenoiseService, Limits
from munsit_denoise.jobs.sweeper import requeue, sweep
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.settings import Settings
from munsit_denoise.storage import LocalStorage

log = logging.getLogger(__name__)


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
        records, storage, queue, bell = (
            Records(database),
            LocalStorage(settings.storage_root),
            LocalQueue(),
            MemoryBell(),
        )
        limits = Limits(
            settings.max_upload_mb,
            settings.max_duration_minutes,
            settings.max_pending_jobs,
            settings.max_pending_jobs_per_user,
            settings.disk_reserve_mb,
        )
        services = Services(settings, Keys(database), DenoiseService(records, storage, queue, bell, limits))
        try:
            async with anyio.create_task_group() as tasks:
                await requeue(records, queue, tasks, settings.job_retry_delay_s)
                tasks.start_soon(sweep, records, storage, started_s)
                tasks.start_soon(_run_jobs, services, tasks)
                yield services
                services.stop()
                tasks.cancel_scope.cancel()  # running jobs go back into the queue
        finally:
            with anyio.CancelScope(shield=True):
                await database.close()


async def _run_jobs(services: Services, tasks: TaskGroup) -> None:
    make_denoiser = await load_engine(services.settings)
    services.model_ready = True
    service = services.denoise
    runner = Runner(
        service.records,
        service.storage,
        service.queue,
        service.bell,
        make_denoiser,
        services.settings.job_max_attempts,
    )
    for _ in range(services.settings.job_concurrency):
        tasks.start_soon(runner.run_forever)


async def load_engine(settings: Settings) -> MakeDenoiser:
    """Load PyTorch and the model in a thread; return a maker of denoisers, one a recording."""

    def load() -> MakeDenoiser:
        from munsit_denoise.engine.open import open_engine  # PyTorch is loaded here and by nobody else

        make = open_engine(settings.device, settings.threads)
        return lambda track: make(track.sample_rate_hz, track.channels)

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
