"""The SQLite database: short transactions, durable commits, one writer at a time."""

import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from munsit_denoise.db.base import Database
from munsit_denoise.db.file_identity import FileIdentity
from munsit_denoise.db.readers import Questions, Readers
from munsit_denoise.db.trouble import Trouble
from munsit_denoise.errors import DatabaseBusy, InvalidKey

__all__ = ["Database", "SqliteDatabase", "now_us", "open_database", "prepare"]
BUSY_TIMEOUT_S = 5  # how long a request waits for another writer before it fails


class SqliteDatabase:
    """Parallel reads, sequential writes.

    SQLite has one writer. A deferred transaction that reads first and writes later can lose its update, so writers
    start with BEGIN IMMEDIATE, and they wait here instead of in the driver.
    """

    def __init__(self, engine: AsyncEngine, readers: Questions, file: FileIdentity, trouble: Trouble) -> None:
        self._engine, self._file, self._trouble = engine, file, trouble
        self.readers: Questions = readers
        self._writer = anyio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection with a consistent view of the database. Raises DatabaseBusy, DatabaseBroken."""
        with self._translated(), anyio.CancelScope(shield=True):
            async with self._engine.connect() as connection:
                self._check_file()
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection whose changes are durable when the block ends.

        Raises DatabaseBusy, StorageFull, and InvalidKey if it refers to a deleted user.
        """
        with anyio.move_on_after(BUSY_TIMEOUT_S) as waiting:
            await self._writer.acquire()
        if waiting.cancelled_caught:
            raise DatabaseBusy
        try:
            with self._translated(), anyio.CancelScope(shield=True):
                async with self._engine.execution_options(writes=True).begin() as connection:
                    self._check_file()
                    yield connection
        finally:
            self._writer.release()

    @asynccontextmanager
    async def alone(self, key: int) -> AsyncIterator[None]:
        """Let the block run: there is one server on a file, which is alone anyway."""
        yield

    def _check_file(self) -> None:
        if not self._file.is_kept():
            raise self._trouble.gone()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except NoConnection as error:  # all are in use for too long
            raise DatabaseBusy from error
        except DBAPIError as error:
            if isinstance(error, DatabaseError) and isinstance(error.orig, sqlite3.Error):
                if error.orig.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
                    raise InvalidKey from error  # only users are referred to: this one was deleted
                told = self._trouble.told(error.orig)
                if told is not None:
                    raise told from error
            if error.connection_invalidated:
                raise DatabaseBusy from error
            raise
        else:
            self._trouble.over()

    async def close(self) -> None:
        """Close all connections."""
        await self.readers.close()
        await self._engine.dispose()


def open_database(url: str) -> Database:
    """Open the database at a URL; its schema must be up to date."""
    if url.startswith("postgresql:"):
        from munsit_denoise.db.postgres import open_postgres  # needs the extra `cluster`

        return open_postgres(url)
    engine = create_async_engine(
        url.replace("sqlite:", "sqlite+aiosqlite:", 1),
        pool_size=8,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,  # errors may be logged, and parameters contain key hashes and secrets
    )
    prepare(engine.sync_engine)
    path = Path(make_url(url).database or "").absolute()
    file, trouble = FileIdentity(path), Trouble()
    return SqliteDatabase(engine, Readers(path, file, trouble), file, trouble)


def prepare(engine: Engine) -> None:
    """Make an engine's SQLite connections durable, checked, and free of the driver's implicit transactions."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # no implicit transactions: `_on_begin` starts them
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={int(BUSY_TIMEOUT_S * 1000)}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def now_us() -> int:
    """Return the current time in the unit of the tables."""
    return time.time_ns() // 1000
