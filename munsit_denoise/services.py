"""Builds the parts from the settings and runs them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import anyio
from httpx2 import AsyncClient

from munsit_denoise.bounds import keep_of, limits_of, qualities_of
from munsit_denoise.db.keys import Keys
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.jobs.access import Access
from munsit_denoise.jobs.admin import Admin, AdminLeaves
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.cancel import Cancellation
from munsit_denoise.jobs.deletion import Deletion
from munsit_denoise.jobs.delivery_log import DeliveryLog
from munsit_denoise.jobs.health import Health
from munsit_denoise.jobs.history import History
from munsit_denoise.jobs.holdings import Holdings
from munsit_denoise.jobs.idempotency import Idempotency
from munsit_denoise.jobs.intake import Examiner
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.jobs.limits import RateLimits
from munsit_denoise.jobs.partial import Ledger, ResumableUploads
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.removal import Removal
from munsit_denoise.jobs.report import Reports
from munsit_denoise.jobs.residual import Residuals
from munsit_denoise.jobs.retention import Keeper
from munsit_denoise.jobs.submit import Submission
from munsit_denoise.jobs.supervisor import Supervisor
from munsit_denoise.jobs.tiles import Tiles
from munsit_denoise.jobs.upload_locks import UploadLocks
from munsit_denoise.jobs.usage import UsageReader
from munsit_denoise.jobs.watch import WatchTimes
from munsit_denoise.jobs.watchers import Watchers, WatchSources
from munsit_denoise.jobs.webhooks import Outgoing, Webhooks, Write
from munsit_denoise.leaves import Leaves, open_leaves
from munsit_denoise.lock import only_server
from munsit_denoise.metrics import Metrics
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.remote.webhook import post
from munsit_denoise.settings import Settings
from munsit_denoise.work import Work

GiveUp = Callable[[CannotGoOn], None]


@dataclass(kw_only=True)
class Services:
    """What the routes use: objects of `jobs/`, which hide the leaves."""

    settings: Settings
    access: Access
    admin: Admin
    limits: RateLimits
    usage: UsageReader
    admission: Admission
    submission: Submission
    idempotency: Idempotency
    resumable: ResumableUploads
    history: History
    watchers: Watchers
    deletion: Deletion
    deliveries: DeliveryLog
    cancellation: Cancellation
    removal: Removal
    reports: Reports
    residuals: Residuals
    tiles: Tiles
    health: Health
    metrics: Metrics
    stop: Callable[[], None]  # refuse new work and end streams and jobs, before waiting for connections


@asynccontextmanager
async def open_services(
    settings: Settings,
    metrics: Metrics,
    give_up: GiveUp,
    *,
    write_webhook: Write,
    locked: bool = False,
    answered: Callable[[], None] | None = None,
) -> AsyncIterator[Services]:
    """Open everything, continue what a crash interrupted, and run jobs during the block.

    The database must have this version's schema. `write_webhook` encodes webhooks. `locked` means that the caller holds
    the lock on the data. `give_up` is called with the reason if the server cannot continue. `answered` is for a worker,
    which leaves housekeeping to servers; it is called whenever the shared database has answered. Raises AlreadyRunning,
    CannotGoOn and Unavailable.
    """
    with nullcontext() if locked else only_server(settings):
        async with open_leaves(settings, serves=answered is None) as leaves:
            parts = _parts(settings, leaves, metrics)
            await leaves.keys.learn_names()
            async with _beside(settings, metrics, give_up) as beside, anyio.create_task_group() as tasks:
                services, work = _assemble(settings, parts, leaves, beside, write_webhook)
                if answered is not None:
                    work.keeps_house, work.answered = False, answered
                supervisor = beside.supervisor
                supervisor.start(tasks, "watchers", services.watchers.run_forever)
                supervisor.start(tasks, "uses of keys", services.access.note_uses_forever)
                supervisor.start(tasks, "clock", metrics.measure_lag)
                tasks.start_soon(work.run)
                yield services
                services.stop()
                await work.ended.wait()  # running jobs go back into the queue
                tasks.cancel_scope.cancel()


async def check_data(settings: Settings) -> None:
    """Check that database and storage belong together, before a server starts. Raises CannotGoOn."""
    async with open_leaves(settings):
        pass


@dataclass(frozen=True)
class Beside:
    """Parts that are not specific to jobs."""

    metrics: Metrics
    supervisor: Supervisor
    client: AsyncClient
    webhook_client: AsyncClient  # separate, so that slow receivers use no connections of downloads


@asynccontextmanager
async def _beside(settings: Settings, metrics: Metrics, give_up: GiveUp) -> AsyncIterator[Beside]:
    policy = AddressPolicy(settings.networks)
    async with open_client(policy) as client, open_client(policy) as webhook_client:
        yield Beside(metrics, Supervisor(give_up), client, webhook_client)


def _parts(settings: Settings, leaves: Leaves, metrics: Metrics) -> Parts:
    metrics.watch_storage(settings.storage_root)
    exchange = leaves.exchange
    return Parts(
        records=leaves.records,
        uploads=leaves.uploads,
        storage=leaves.storage,
        bell=exchange.bell,
        board=Board(exchange.bell),
        queue=exchange.queue,
        inbox=exchange.inbox,
        journal=Journal(metrics, leaves.keys.name_of, exchange.pending),
    )


def _assemble(
    settings: Settings, parts: Parts, leaves: Leaves, beside: Beside, write_webhook: Write
) -> tuple[Services, Work]:
    limits = limits_of(settings)
    admission = Admission(limits, parts.storage, parts.uploads, parts.records, (parts.queue, parts.inbox))
    examiner, deletion, removal = Examiner(limits), Deletion(parts), Removal(parts)
    holdings = Holdings(leaves.holds) if leaves.holds else None
    ledger = Ledger(leaves.partial, UploadLocks(holdings))
    resumable = ResumableUploads(parts, ledger, admission, examiner, settings.upload_hours)
    health = Health(parts, admission, beside.supervisor)
    idempotency = Idempotency(leaves.idempotency_keys, holdings)
    webhooks = _webhooks(leaves, beside, write_webhook)
    parts.journal.tell_ends_to(lambda *_: webhooks.ring())
    if leaves.exchange.tell_moves_to:
        leaves.exchange.tell_moves_to(webhooks.stir)
    work = Work(
        settings=settings,
        parts=parts,
        limits=limits,
        examiner=examiner,
        deletion=deletion,
        removal=removal,
        idempotency=idempotency,
        resumable=resumable,
        holdings=holdings,
        health=health,
        supervisor=beside.supervisor,
        client=beside.client,
        exchange=leaves.exchange,
        webhooks=webhooks,
        keeper=Keeper(leaves.retention, parts.storage, keep_of(settings)),
    )

    def stop() -> None:
        admission.stop()
        parts.bell.close()
        work.stop()

    services = Services(
        settings=settings,
        access=Access(leaves.keys),
        admin=_admin(settings, parts, leaves),
        limits=leaves.limits,
        usage=leaves.usage,
        admission=admission,
        submission=Submission(parts, admission, examiner, limits, qualities_of(settings)),
        idempotency=idempotency,
        resumable=resumable,
        history=History(parts, leaves.pages),
        watchers=_watchers(settings, parts, leaves.keys),
        deletion=deletion,
        deliveries=DeliveryLog(leaves.deliveries, webhooks.ring),
        cancellation=Cancellation(parts),
        removal=removal,
        reports=Reports(parts),
        residuals=Residuals(parts),
        tiles=Tiles(parts),
        health=health,
        metrics=beside.metrics,
        stop=stop,
    )
    return services, work


def _webhooks(leaves: Leaves, beside: Beside, write: Write) -> Webhooks:
    outgoing = Outgoing(
        deliveries=leaves.deliveries,
        secrets=leaves.webhook_secrets,
        write=write,
        post=partial(post, beside.webhook_client),
        name_of=leaves.keys.name_of,
    )
    return Webhooks(outgoing)


def _admin(settings: Settings, parts: Parts, leaves: Leaves) -> Admin:
    lease_s = settings.lease_s if settings.is_cluster else None
    return Admin(parts, leaves.keys, AdminLeaves(leaves.overview, leaves.balances, leaves.users, lease_s))


def _watchers(settings: Settings, parts: Parts, keys: Keys) -> Watchers:
    sources = WatchSources(
        read=parts.records.get,
        bell=parts.bell,
        progress=parts.board.latest,
        standing=parts.standing,
        queue_changes=lambda: parts.queue.changes,
        is_valid=keys.is_valid,
    )
    times = WatchTimes(settings.sse_recheck_s, settings.sse_idle_timeout_s, settings.sse_ping_s)
    return Watchers(sources, times, settings.max_streams_per_key)
