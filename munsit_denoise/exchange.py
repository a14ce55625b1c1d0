"""How a process announces jobs and hears of them: in memory, or through a shared database."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio

from munsit_denoise.db.engine import Database
from munsit_denoise.db.records import Beside
from munsit_denoise.db.users import Users
from munsit_denoise.errors import Unavailable
from munsit_denoise.events.base import Bell
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.parts import FETCHES_PER_USER
from munsit_denoise.jobs.places import LAST_STEPS
from munsit_denoise.jobs.recall import LeaseSource
from munsit_denoise.queue.base import JobQueue
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import DenoiseRecord
from munsit_denoise.settings import Settings

FETCHERS = 2 * FETCHES_PER_USER

Loop = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Exchange:
    """The bell and the queues of one process, and the loops behind them."""

    bell: Bell
    queue: JobQueue  # jobs that are ready to run
    inbox: JobQueue  # jobs whose original has to be downloaded
    announce: Beside | None = None  # adds a job to the shared queue, in the transaction that accepts it
    pending: Callable[[], int] | None = None  # the number of unfinished jobs, if other processes run some of them
    leases: LeaseSource | None = None  # knows the state of jobs elsewhere; None if this process knows all
    loops: dict[str, Loop] = field(default_factory=dict)
    tell_moves_to: Callable[[Callable[[], None]], None] | None = None  # sets what to call when jobs have changed


def open_exchange(settings: Settings, database: Database, *, serves: bool = True) -> Exchange:
    """Return the exchange for the database; a process without requests receives no events."""
    return _shared(settings, database, serves=serves) if settings.is_cluster else _alone(settings, Users(database))


def _alone(settings: Settings, users: Users) -> Exchange:
    queue = LocalQueue(settings.job_concurrency + LAST_STEPS, users.priorities)
    return Exchange(MemoryBell(), queue, LocalQueue(FETCHES_PER_USER, users.priorities))


def _shared(settings: Settings, database: Database, *, serves: bool) -> Exchange:
    from munsit_denoise.db.entries import Entries  # needs the extra `cluster`
    from munsit_denoise.db.turns import Turns
    from munsit_denoise.events.postgres import PostgresBell
    from munsit_denoise.queue.postgres import FETCHES, JOBS, PostgresQueue
    from munsit_denoise.queue.shared import SharedQueue

    url, lease_s, listens = settings.database, settings.lease_s, settings.database_listen
    bell = PostgresBell(url, listens=listens) if serves else PostgresBell(url, hears=False)

    def queue_of(name: str, places: int) -> tuple[PostgresQueue, Turns]:
        fetches = name == FETCHES
        turns = Turns(database, fetches=fetches, lease_s=lease_s, retry_delay_s=settings.job_retry_delay_s)
        shared = SharedQueue(url, name, turns, Entries(database, name), listens)
        return PostgresQueue(shared, places=places, lease_s=lease_s), turns

    works = settings.job_concurrency > 0
    queue, turns = queue_of(JOBS, settings.job_concurrency)
    inbox, _ = queue_of(FETCHES, FETCHERS if works else 0)

    async def announce(connection: Any, record: DenoiseRecord) -> DenoiseRecord:
        await (inbox if record.source_url else queue).announce(connection, record.id)
        return record

    async def sweep_forever() -> None:
        while True:
            await anyio.sleep(lease_s / 3)
            with suppress(Unavailable):  # the next round does the same
                await queue.sweep()
                await inbox.sweep()

    loops: dict[str, Loop] = {
        "events": bell.run_forever,
        "queue": queue.run_forever,
        "inbox": inbox.run_forever,
        "stalled jobs": sweep_forever,
    }
    for each in (queue, inbox):
        bell.tell_moves_to(each.stir)
    return Exchange(bell, queue, inbox, announce, lambda: len(queue) + len(inbox), turns, loops, bell.tell_moves_to)
