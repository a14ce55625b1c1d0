"""Opens database and storage by the schemes of their URLs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from munsit_denoise.bounds import job_bounds_of, upload_bounds_of
from munsit_denoise.db.admin import Overview
from munsit_denoise.db.balance import Balances
from munsit_denoise.db.deliveries import Deliveries
from munsit_denoise.db.engine import open_database
from munsit_denoise.db.history import RecordPages
from munsit_denoise.db.holds import Holds
from munsit_denoise.db.idempotency import IdempotencyKeys
from munsit_denoise.db.installation import Installation
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.partial import PartialUploads
from munsit_denoise.db.records import Records
from munsit_denoise.db.retention import Retention
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.db.usage import Counts
from munsit_denoise.db.users import Users
from munsit_denoise.db.webhook_secrets import WebhookSecrets
from munsit_denoise.exchange import Exchange, open_exchange
from munsit_denoise.jobs.installation import belong_together
from munsit_denoise.jobs.limits import RateLimits, open_limits
from munsit_denoise.jobs.usage import UsageReader
from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storages import open_storage


@dataclass(frozen=True, kw_only=True)
class Leaves:
    """Everything that is built on the database and the storage."""

    storage: Storage
    records: Records
    uploads: Uploads
    partial: PartialUploads
    keys: Keys
    pages: RecordPages
    deliveries: Deliveries
    webhook_secrets: WebhookSecrets
    overview: Overview
    balances: Balances
    users: Users
    usage: UsageReader
    limits: RateLimits
    retention: Retention
    idempotency_keys: IdempotencyKeys
    exchange: Exchange
    holds: Holds | None  # if other servers take recordings as well


@asynccontextmanager
async def open_leaves(settings: Settings, *, serves: bool = True) -> AsyncIterator[Leaves]:
    """Yield everything on a database and a storage that belong together. Raises CannotGoOn and Unavailable.

    With `serves` false, for a process that only runs jobs, no events are received.
    """
    database = open_database(settings.database)
    exchange = open_exchange(settings, database, serves=serves)
    shared = settings.is_cluster  # a single server counts uploads in memory, before their body arrives
    jobs, uploads = (job_bounds_of(settings), upload_bounds_of(settings).check) if shared else (None, None)
    try:
        leaves = Leaves(
            storage=open_storage(settings),
            exchange=exchange,
            records=Records(database, balance=settings.balance == "on", announce=exchange.announce, bounds=jobs),
            uploads=Uploads(database, uploads),
            partial=PartialUploads(database, uploads),
            keys=Keys(database),
            pages=RecordPages(database),
            deliveries=Deliveries(database, shared=shared),
            webhook_secrets=WebhookSecrets(database),
            overview=Overview(database),
            balances=Balances(database),
            users=Users(database),
            retention=Retention(database),
            idempotency_keys=IdempotencyKeys(database),
            holds=Holds(database) if shared else None,
            limits=open_limits(settings.rate_limit, settings.rate_limit_url),
            usage=UsageReader(Counts(database), Balances(database) if settings.balance == "on" else None),
        )
        both = (Installation(database), leaves.storage)
        await belong_together(*both, leaves.records, leaves.uploads, adopt=settings.adopt_storage)
        yield leaves
    finally:
        with anyio.CancelScope(shield=True):
            await database.close()
