"""What has to be told to other people's servers: noted in the transaction that ends a job, so that none is lost."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.rows import to_row
from munsit_denoise.db.tables import deliveries as t
from munsit_denoise.records import HISTORY_COLUMNS, DenoiseRecord

WEBHOOK = "webhook"
OPEN = (t.c.delivered_at.is_(None), t.c.failed_at.is_(None))


@dataclass(frozen=True)
class Due:
    """One thing to tell; `attempts` of it failed so far."""

    id: str
    job_id: str
    user_id: str
    kind: str
    url: str
    base: str
    values: Sequence[Any]  # of HISTORY_COLUMNS, when the job ended
    created_at_us: int
    attempts: int


class Deliveries:
    """The list in SQL. Every method may raise DatabaseBusy; those that write, StorageFull as well."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, limit: int) -> Sequence[Due]:
        """Return what is to be told by now, the longest overdue first."""
        columns = (t.c.id, t.c.job_id, t.c.user_id, t.c.kind, t.c.url, t.c.base)
        query = select(*columns, t.c.snapshot, t.c.created_at, t.c.attempts)
        query = query.where(*OPEN, t.c.due_at <= now_us()).order_by(t.c.due_at).limit(limit)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [Due(*row[:6], json.loads(row.snapshot), row.created_at, row.attempts) for row in rows]

    async def delivered(self, delivery_id: str) -> None:
        """Note that it was told."""
        await self._change(delivery_id, delivered_at=now_us(), error=None)

    async def put_off(self, delivery_id: str, error: str, delay_s: float) -> None:
        """Note why it could not be told, and try again after a while."""
        await self._change(delivery_id, error=error, due_at=now_us() + int(delay_s * 1e6))

    async def give_up(self, delivery_id: str, error: str) -> None:
        """Note why it will never be told."""
        await self._change(delivery_id, error=error, failed_at=now_us())

    async def _change(self, delivery_id: str, **change: object) -> None:
        query = update(t).where(t.c.id == delivery_id, *OPEN).values(attempts=t.c.attempts + 1, **change)
        async with self._database.write() as connection:
            await connection.execute(query)


async def note_delivery(connection: AsyncConnection, record: DenoiseRecord, kind: str, url: str) -> None:
    """Put something to tell on the list, in the transaction of a connection."""
    row, now = to_row(record), now_us()
    values = {"job_id": record.id, "user_id": record.user_id, "kind": kind, "url": url}
    values["snapshot"] = json.dumps([row[name] for name in HISTORY_COLUMNS])
    values["base"] = record.options.webhook_base or ""
    await connection.execute(insert(t).values(id=str(uuid.uuid4()), **values, created_at=now, due_at=now))
