"""The outbox of webhooks: a row is inserted in the transaction that ends a job, so none is lost."""

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.rows import to_row
from munsit_denoise.db.tables import deliveries as t
from munsit_denoise.errors import NotFound
from munsit_denoise.records import HISTORY_COLUMNS, DenoiseRecord

WEBHOOK = "webhook"
CLAIM_US = 60 * 10**6  # how long a process may take to deliver before another one tries
OPEN = (t.c.delivered_at.is_(None), t.c.failed_at.is_(None))


@dataclass(frozen=True)
class DueDelivery:
    """A delivery that is due."""

    id: str
    user_id: str
    host: str


@dataclass(frozen=True)
class WebhookDelivery:
    """A message to deliver, with the number of attempts so far."""

    id: str
    job_id: str
    user_id: str
    url: str
    base: str
    values: Sequence[Any]  # of HISTORY_COLUMNS, when the job ended
    created_at_us: int
    attempts: int


@dataclass(frozen=True)
class Logged:
    """The state of a delivery, for the log."""

    id: str
    job_id: str
    url: str
    status: str  # pending, delivered, failed
    attempts: int
    last_status: int | None
    error: str | None
    next_try_at_us: int | None
    created_at_us: int


class Deliveries:
    """The outbox in SQL. Every method may raise DatabaseBusy, and those that write also StorageFull."""

    def __init__(self, database: Database, *, shared: bool = False) -> None:
        """With `shared`, other processes deliver from the same outbox."""
        self._database, self._shared = database, shared

    async def ready(
        self, but_not: Collection[str], full_hosts: Collection[str], per_host: int
    ) -> Sequence[DueDelivery]:
        """Return some due deliveries, users in turn, for each user the longest overdue first.

        Leaves out the given ids, hosts with enough deliveries in progress, and more than `per_host` of one user.
        """
        open_now = (*OPEN, t.c.due_at <= now_us(), t.c.id.not_in(but_not), t.c.host.not_in(full_hosts))
        of_host = func.row_number().over(partition_by=(t.c.user_id, t.c.host), order_by=(t.c.due_at, t.c.id))
        inner = select(t.c.id, t.c.user_id, t.c.host, t.c.due_at, of_host.label("of_host")).where(*open_now).subquery()
        of_user = func.row_number().over(partition_by=inner.c.user_id, order_by=(inner.c.of_host, inner.c.due_at))
        outer = select(inner, of_user.label("of_user")).where(inner.c.of_host <= per_host).subquery()
        query = select(outer.c.id, outer.c.user_id, outer.c.host).order_by(outer.c.of_user, outer.c.due_at).limit(100)
        async with self._database.read() as connection:
            return [DueDelivery(*row) for row in await connection.execute(query)]

    async def next_due_in_s(self, after_us: int) -> float | None:
        """Return the seconds until the next delivery that was not due at a time; None if there is none."""
        async with self._database.read() as connection:
            due_at = await connection.scalar(select(func.min(t.c.due_at)).where(*OPEN, t.c.due_at > after_us))
        return None if due_at is None else (due_at - now_us()) / 1e6

    async def get(self, delivery_id: str) -> WebhookDelivery | None:
        """Return a delivery, or None if it has ended or another process has claimed it."""
        if self._shared and not await self._claim(delivery_id):
            return None
        columns = (t.c.id, t.c.job_id, t.c.user_id, t.c.url, t.c.base, t.c.snapshot, t.c.created_at, t.c.attempts)
        async with self._database.read() as connection:
            row = (await connection.execute(select(*columns).where(t.c.id == delivery_id, *OPEN))).one_or_none()
        return (
            None if row is None else WebhookDelivery(*row[:5], json.loads(row.snapshot), row.created_at, row.attempts)
        )

    async def _claim(self, delivery_id: str) -> bool:
        now = now_us()
        query = update(t).where(t.c.id == delivery_id, *OPEN, t.c.due_at <= now).values(due_at=now + CLAIM_US)
        async with self._database.write() as connection:
            return bool((await connection.execute(query)).rowcount)

    async def delivered(self, delivery_id: str, status: int | None) -> None:
        """Write that a message was delivered, and the receiver's status."""
        await self._change(delivery_id, status, delivered_at=now_us(), error=None)

    async def put_off(self, delivery_id: str, status: int | None, error: str, delay_s: float) -> None:
        """Write why a delivery failed, and when to try again."""
        await self._change(delivery_id, status, error=error, due_at=now_us() + int(delay_s * 1e6))

    async def give_up(self, delivery_id: str, status: int | None, error: str) -> None:
        """Write why a delivery has failed for good."""
        await self._change(delivery_id, status, error=error, failed_at=now_us())

    async def log(
        self, user_id: str, offset: int, limit: int, before: tuple[int, str] | None = None
    ) -> Sequence[Logged]:
        """Return a page of a user's log, newest first; with `before`, only entries older than a time and an id."""
        query = select(t).where(t.c.user_id == user_id)
        if before is not None:
            query = query.where(tuple_(t.c.created_at, t.c.id) < before)
        query = query.order_by(t.c.created_at.desc(), t.c.id.desc()).offset(offset).limit(limit)
        async with self._database.read() as connection:
            return [_logged(row) for row in await connection.execute(query)]

    async def tell_again(self, user_id: str, delivery_id: str) -> Logged:
        """Make a delivery due again now, whatever its state. Raises NotFound."""
        change = {"due_at": now_us(), "delivered_at": None, "failed_at": None}
        query = update(t).where(t.c.id == delivery_id, t.c.user_id == user_id).values(change).returning(t)
        async with self._database.write() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise NotFound("There is no such delivery.")
            return _logged(row)

    async def _change(self, delivery_id: str, status: int | None, **change: object) -> None:
        values = {"attempts": t.c.attempts + 1, "last_status": status, **change}
        async with self._database.write() as connection:
            await connection.execute(update(t).where(t.c.id == delivery_id, *OPEN).values(values))


async def note_delivery(connection: AsyncConnection, record: DenoiseRecord, kind: str, url: str) -> None:
    """Insert a delivery, in the transaction of a connection."""
    row, now = to_row(record), now_us()
    values = {"job_id": record.id, "user_id": record.user_id, "kind": kind, "url": url, "host": _host(url)}
    values["snapshot"] = json.dumps([row[name] for name in HISTORY_COLUMNS])
    values["base"] = record.options.webhook_base or ""
    await connection.execute(insert(t).values(id=str(uuid.uuid4()), **values, created_at=now, due_at=now))


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def _logged(row: Row[Any]) -> Logged:
    status = "delivered" if row.delivered_at is not None else "failed" if row.failed_at is not None else "pending"
    return Logged(
        id=row.id,
        job_id=row.job_id,
        url=row.url,
        status=status,
        attempts=row.attempts,
        last_status=row.last_status,
        error=row.error,
        next_try_at_us=row.due_at if status == "pending" else None,
        created_at_us=row.created_at,
    )
