"""The parts, built from the settings and running together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import anyio
from httpx2 import AsyncClient

from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.history import History as Pages
from munsit_denoise.db.installation import Installation
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.partial import PartialUploads
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.access import Access
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.deletion import Deletion
from munsit_denoise.jobs.health import Health
from munsit_denoise.jobs.history import History
from munsit_denoise.jobs.installation import belong_together
from munsit_denoise.jobs.intake import Examiner, Limits
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.jobs.partial import ResumableUploads
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.places import LAST_STEPS
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.submit import Submission
from munsit_denoise.jobs.supervisor import Supervisor
from munsit_denoise.jobs.watch import Patience
from munsit_denoise.jobs.watchers import Sources, Watchers
from munsit_denoise.lock import only_server
from munsit_denoise.metrics import Metrics
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage
from munsit_denoise.work import Work

GiveUp = Callable[[CannotGoOn], None]

STORAGES: dict[str, Callable[[str], Storage]] = {"file": lambda path: LocalStorage(Path(path))}
DATABASES: dict[str, Callable[[str], Database]] = {"sqlite": open_database}


@dataclass(kw_only=True)
class Services:
    """What the routes use: things of `jobs/`, whose leaves nobody else reaches."""

    settings: Settings
    access: Access
    admission: Admission
    submission: Submission
    resumable: ResumableUploads
    history: History
    watchers: Watchers
    deletion: Deletion
    health: Health
    metrics: Metrics
    stop: Callable[[], None]  # accept nothing new, let streams and jobs end: before connections are waited for


@asynccontextmanager
async def open_services(
    settings: Settings, metrics: Metrics, give_up: GiveUp, *, locked: bool = False
) -> AsyncIterator[Services]:
    """Open everything, go on with what a crash interrupted, run jobs while the block lasts.

    The database's schema must be current. `locked` says that the caller holds the data already; `give_up` is told
    why the server cannot go on. Raises AlreadyRunning, CannotGoOn, Unavailable's.
    """
    with nullcontext() if locked else only_server(settings):
        async with _leaves(settings) as leaves:
            parts = _parts(settings, leaves, metrics)
            await leaves.keys.learn_names()
            async with open_client(AddressPolicy(settings.networks)) as client, anyio.create_task_group() as tasks:
                supervisor = Supervisor(give_up)
                services, work = _assemble(settings, parts, leaves, Beside(metrics, supervisor, client))
                supervisor.start(tasks, "watchers", services.watchers.run_forever)
                supervisor.start(tasks, "clock", metrics.measure_lag)
                tasks.start_soon(work.run)
                yield services
                services.stop()
                await work.ended.wait()  # running jobs go back into the queue
                tasks.cancel_scope.cancel()


async def check_data(settings: Settings) -> None:
    """See to it that database and storage belong together, before a server starts on them. Raises CannotGoOn."""
    async with _leaves(settings):
        pass


@dataclass(frozen=True, kw_only=True)
class _Leaves:
    storage: Storage
    records: Records
    uploads: Uploads
    partial: PartialUploads
    keys: Keys
    pages: Pages


@dataclass(frozen=True)
class Beside:
    """What there is once beside the jobs' own parts."""

    metrics: Metrics
    supervisor: Supervisor
    client: AsyncClient


@asynccontextmanager
async def _leaves(settings: Settings) -> AsyncIterator[_Leaves]:
    scheme, _, _ = settings.database.partition(":")
    database = DATABASES[scheme](settings.database)
    try:
        leaves = _Leaves(
            storage=STORAGES["file"](str(settings.storage_root)),
            records=Records(database),
            uploads=Uploads(database),
            partial=PartialUploads(database),
            keys=Keys(database),
            pages=Pages(database),
        )
        both = (Installation(database), leaves.storage)
        await belong_together(*both, leaves.records, leaves.uploads, adopt=settings.adopt_storage)
        yield leaves
    finally:
        with anyio.CancelScope(shield=True):
            await database.close()


def _parts(settings: Settings, leaves: _Leaves, metrics: Metrics) -> Parts:
    metrics.watch_storage(settings.storage_root)
    bell = MemoryBell()
    return Parts(
        records=leaves.records,
        uploads=leaves.uploads,
        storage=leaves.storage,
        bell=bell,
        board=Board(bell),
        queue=LocalQueue(settings.job_concurrency + LAST_STEPS),
        journal=Journal(metrics, leaves.keys.name_of),
    )


def _assemble(settings: Settings, parts: Parts, leaves: _Leaves, beside: Beside) -> tuple[Services, Work]:
    limits = _limits(settings)
    admission = Admission(limits, parts.storage, parts.uploads, parts.records, (parts.queue, parts.inbox))
    examiner, deletion = Examiner(limits), Deletion(parts)
    resumable = ResumableUploads(parts, leaves.partial, admission, examiner, settings.upload_hours)
    health = Health(parts, admission, beside.supervisor)
    work = Work(
        settings=settings,
        parts=parts,
        limits=limits,
        examiner=examiner,
        deletion=deletion,
        resumable=resumable,
        health=health,
        supervisor=beside.supervisor,
        client=beside.client,
    )

    def stop() -> None:
        admission.stop()
        parts.bell.close()
        work.stop()

    services = Services(
        settings=settings,
        access=Access(leaves.keys),
        admission=admission,
        submission=Submission(parts, admission, examiner, limits),
        resumable=resumable,
        history=History(parts, leaves.pages),
        watchers=_watchers(settings, parts, leaves.keys),
        deletion=deletion,
        health=health,
        metrics=beside.metrics,
        stop=stop,
    )
    return services, work


def _watchers(settings: Settings, parts: Parts, keys: Keys) -> Watchers:
    sources = Sources(
        read=parts.records.get,
        bell=parts.bell,
        progress=parts.board.latest,
        standing=parts.standing,
        queue_changes=lambda: parts.queue.changes,
        is_valid=keys.is_valid,
    )
    return Watchers(sources, Patience(settings.sse_recheck_s, settings.sse_idle_timeout_s, settings.sse_ping_s))


def _limits(settings: Settings) -> Limits:
    return Limits(
        upload_mb=settings.max_upload_mb,
        duration_minutes=settings.max_duration_minutes,
        pending_jobs=settings.max_pending_jobs,
        pending_jobs_per_user=settings.max_pending_jobs_per_user,
        disk_reserve_mb=settings.disk_reserve_mb,
        uploads_per_user=settings.max_uploads_per_user,
        uploads_mb_per_user=settings.max_uploads_mb_per_user,
        result_mb_per_user=settings.max_result_mb_per_user,
    )
