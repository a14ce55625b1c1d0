"""Finds files and records whose retention time is over; the row is changed before they are deleted."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, delete, select, true, update

from munsit_denoise.db.engine import Database
from munsit_denoise.db.tables import deliveries
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.records import Status

BATCH = 200  # rows that are changed in one transaction
LOOK = 5000  # rows that one question looks at: no table is too large for it


@dataclass(frozen=True)
class Span:
    """Ids behind one and up to another; to the end where there is no other."""

    after: str
    until: str | None


@dataclass(frozen=True)
class File:
    """One of a record's files: the columns of its key, and of the time of its deletion."""

    key: ColumnElement[Any]
    gone_at: ColumnElement[Any]

    @property
    def kept_key(self) -> ColumnElement[Any]:
        """The key while the file is kept, then NULL."""
        return case((self.gone_at.is_(None), self.key))


ORIGINAL, RESULT = File(t.c.original_key, t.c.original_gone_at), File(t.c.result_key, t.c.result_gone_at)
# The pictures show both sounds, and are deleted with the first of them.
KEPT_TILES_KEY = case((ORIGINAL.gone_at.is_(None) & RESULT.gone_at.is_(None), t.c.tiles_key))
KEPT_TILES_BYTES = case((KEPT_TILES_KEY.is_not(None), t.c.tiles_bytes), else_=0)


@dataclass(frozen=True)
class ExpiredFiles:
    """Files that are deleted together: a sound and its pictures."""

    record_id: str
    key: str
    tiles_key: str | None

    @property
    def keys(self) -> tuple[str, ...]:
        """The storage keys of the files."""
        return (self.key, self.tiles_key) if self.tiles_key else (self.key,)


class Retention:
    """Finds what is due for deletion. Every method may raise DatabaseBusy, and those that write also StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def spans(self) -> AsyncIterator[Span]:
        """Yield all ids in spans of bounded size."""
        after: str | None = ""
        while after is not None:
            query = select(t.c.id).where(t.c.id > after).order_by(t.c.id).offset(LOOK - 1).limit(1)
            async with self._database.read() as connection:
                until = await connection.scalar(query)
            yield Span(after, until)
            after = until

    async def files(self, file: File, ended_before_us: int, span: Span) -> Sequence[ExpiredFiles]:
        """Return files of some records in a span, of jobs that ended before a time."""
        there = (file.key.is_not(None), file.gone_at.is_(None), t.c.deleted_at.is_(None))
        query = _ended(ended_before_us, span).add_columns(file.key, t.c.tiles_key).where(*there)
        async with self._database.read() as connection:
            return [ExpiredFiles(*row) for row in await connection.execute(query)]

    async def records(self, ended_before_us: int, span: Span) -> Sequence[str]:
        """Return some ids in a span, of jobs that ended before a time."""
        async with self._database.read() as connection:
            return list(await connection.scalars(_ended(ended_before_us, span)))

    async def let_go(self, file: File, ids: Sequence[str], now_us: int) -> None:
        """Write that files are deleted; they are not offered any more."""
        change = {file.gone_at: now_us}
        async with self._database.write() as connection:
            await connection.execute(update(t).where(t.c.id.in_(ids), file.gone_at.is_(None)).values(change))

    async def mark_removed(self, ids: Sequence[str], now_us: int) -> None:
        """Hide records whose jobs have ended."""
        ended = (t.c.id.in_(ids), t.c.status != Status.PENDING, t.c.removed_at.is_(None))
        async with self._database.write() as connection:
            await connection.execute(update(t).where(*ended).values(removed_at=now_us))

    async def forget(self, ids: Sequence[str]) -> None:
        """Delete the rows of hidden records."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.id.in_(ids), t.c.removed_at.is_not(None)))

    async def forget_deliveries(self, before_us: int) -> None:
        """Delete finished deliveries from before a time."""
        over = deliveries.c.delivered_at.is_not(None) | deliveries.c.failed_at.is_not(None)
        some = select(deliveries.c.id).where(deliveries.c.created_at < before_us, over).limit(BATCH).correlate(None)
        deleted = BATCH
        while deleted >= BATCH:
            async with self._database.write() as connection:
                deleted = (await connection.execute(delete(deliveries).where(deliveries.c.id.in_(some)))).rowcount


def _ended(before_us: int, span: Span) -> Any:
    ended = (t.c.status != Status.PENDING, t.c.updated_at < before_us, t.c.removed_at.is_(None))
    inside = (t.c.id > span.after, true() if span.until is None else t.c.id <= span.until)
    return select(t.c.id).where(*ended, *inside).order_by(t.c.id).limit(BATCH)
