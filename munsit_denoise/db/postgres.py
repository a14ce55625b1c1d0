"""PostgreSQL, for several machines; each query has a deadline, so a dead connection holds up nobody."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import anyio
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from munsit_denoise.db.readers import Query, Questions, Row
from munsit_denoise.errors import DatabaseBusy, InvalidKey, OutcomeUnknown

log = logging.getLogger(__name__)
CONNECTIONS = 10
DEADLINE_S = 12.0  # of one transaction, including the wait for a connection and the commit
IDLE_S = 8.0  # after which the server ends a transaction of a silent client and releases its locks
CONNECT_S = 5
NO_SUCH_KEY = "23503"  # SQLSTATE of a foreign key that leads nowhere
LARGE_ROWS = 200  # of an answer that is digested in a thread
UNHURRIED = (  # a transaction that takes its time, and ends soon after its client's machine has died
    "statement_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
    "tcp_keepalives_idle = 5",
    "tcp_keepalives_interval = 2",
    "tcp_keepalives_count = 3",
)
KEEPALIVE = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}

Answer = TypeVar("Answer")


class PostgresDatabase:
    """Parallel reads and writes. If the server is unreachable or silent, methods raise DatabaseBusy."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.readers: Questions = PostgresReaders(self)
        self.answered_at_s = time.monotonic()  # the last answer of the server

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection with a consistent view of the database. Raises DatabaseBusy."""
        with self._translated():
            async with self._deadline(), self._engine.connect() as connection:
                yield connection
                self.answered_at_s = time.monotonic()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection whose changes are durable when the block ends.

        Raises DatabaseBusy, OutcomeUnknown where they may be although nobody said so, and InvalidKey where a user is
        named that has been deleted.
        """
        committing = False
        try:
            with self._translated():
                async with self._deadline(), self._engine.begin() as connection:
                    yield connection
                    committing = True
        except DatabaseBusy as error:
            if committing:
                raise OutcomeUnknown from error
            raise
        self.answered_at_s = time.monotonic()

    @asynccontextmanager
    async def alone(self, key: int) -> AsyncIterator[None]:
        """Keep out other processes that name this key while the block lasts, however long. Raises DatabaseBusy."""
        async with AsyncExitStack() as stack:
            with self._translated():
                connection = await stack.enter_async_context(self._engine.connect())
                for setting in UNHURRIED:
                    await connection.execute(text(f"SET LOCAL {setting}"))
                await connection.execute(select(func.pg_advisory_xact_lock(key)))
            yield

    async def close(self) -> None:
        """Close all connections; later calls open new ones."""
        with anyio.move_on_after(CONNECT_S, shield=True):
            await self._engine.dispose()

    @asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        """End what takes too long, and replace all connections, because they may be dead."""
        with anyio.move_on_after(DEADLINE_S, shield=True) as scope:
            yield
        if scope.cancelled_caught:
            await self.close()
            raise DatabaseBusy

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except NoConnection as error:
            raise DatabaseBusy from error
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) == NO_SUCH_KEY:
                raise InvalidKey from error  # all such keys are those of users: this one has been deleted
            raise  # a refusal that the caller knows
        except ProgrammingError:
            raise  # a mistake of ours
        except (DBAPIError, OSError) as error:
            log.warning("the database does not answer: %s", type(error).__name__)
            raise DatabaseBusy from error


class PostgresReaders:
    """Answers queries over the database's own connections."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def ask(self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]) -> Answer:
        """Return what `digest` makes of the rows. Raises DatabaseBusy."""
        async with self._database.read() as connection:
            rows = [tuple(row) for row in await connection.execute(query.statement, dict(values))]
        return digest(rows) if len(rows) < LARGE_ROWS else await asyncio.to_thread(digest, rows)

    async def ask_much(
        self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]
    ) -> Answer:
        """Do the same as `ask`."""
        return await self.ask(query, values, digest)

    async def close(self) -> None:
        """Do nothing; no connections are held here."""


def open_postgres(url: str) -> PostgresDatabase:
    """Open the database at a URL `postgresql://user@host/name`; its schema must be up to date."""
    engine = create_async_engine(
        url.replace("postgresql:", "postgresql+psycopg:", 1),
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=CONNECT_S,
        pool_recycle=300,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_S, "application_name": "munsit-denoise", **KEEPALIVE},
    )
    event.listen(engine.sync_engine, "connect", _bound)
    event.listen(engine.sync_engine, "before_cursor_execute", _without_nul, retval=True)
    return PostgresDatabase(engine)


def _bound(connection: Any, _: Any) -> None:
    """Set the server's time limits on a connection; as statements, because PgBouncer accepts no start options."""
    cursor = connection.cursor()
    cursor.execute(f"SET statement_timeout = '{DEADLINE_S:g}s'")
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_S:g}s'")
    cursor.close()
    connection.commit()


def _without_nul(*call: Any) -> tuple[str, Any]:
    """Replace NUL in text, which PostgreSQL cannot store, by another character."""
    _, _, statement, parameters, _, executemany = call
    if executemany:
        return statement, [_cleaned(each) for each in parameters]
    return statement, _cleaned(parameters)


def _cleaned(parameters: Any) -> Any:
    if not isinstance(parameters, dict):
        return parameters
    return {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in parameters.items()
    }
