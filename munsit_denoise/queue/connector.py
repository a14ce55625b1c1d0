"""Procrastinate's connections to PostgreSQL, with deadlines, so that a broken one neither blocks nor ends a worker."""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import psycopg
from procrastinate import PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException

log = logging.getLogger(__name__)
CONNECTIONS = 4
CONNECTION_S = 5.0  # for a connection, including a new one
QUERY_S = 10.0  # of one query; a connection silent for this long is dead, whatever the system reports
SIGN_S = 15.0  # between two heartbeats of the connection that listens for entries
AGAIN_S = 1.0  # before the next connection
OPTIONS: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "munsit-denoise queue",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


class Connector(PsycopgConnector):
    """Procrastinate's connections with a deadline for each query, and a listening connection that is replaced."""

    def __init__(self, url: str) -> None:
        super().__init__(conninfo=url, kwargs=OPTIONS, min_size=0, max_size=CONNECTIONS, timeout=CONNECTION_S)
        self._url = url

    async def execute_query_async(self, query: Any, **arguments: Any) -> None:
        """Run a statement, ignoring a held entry that was swept. Raises TimeoutError, ConnectorException."""
        try:
            with anyio.fail_after(QUERY_S):
                await super().execute_query_async(query, **arguments)
        except ConnectorException as error:
            if not isinstance(error.__cause__, psycopg.errors.RaiseException):
                raise

    async def execute_query_one_async(self, query: Any, **arguments: Any) -> dict[str, Any]:
        """Return one row. Raises TimeoutError, ConnectorException."""
        with anyio.fail_after(QUERY_S):
            row: dict[str, Any] = await super().execute_query_one_async(query, **arguments)
            return row

    async def execute_query_all_async(self, query: Any, **arguments: Any) -> list[dict[str, Any]]:
        """Return all rows. Raises TimeoutError, ConnectorException."""
        with anyio.fail_after(QUERY_S):
            rows: list[dict[str, Any]] = await super().execute_query_all_async(query, **arguments)
            return rows

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Report notifications of new entries without end; a connection that breaks or falls silent is replaced."""
        while True:
            try:
                async with self._listening(channels) as connection:
                    while True:
                        async for notice in connection.notifies(timeout=SIGN_S):
                            await on_notification(channel=notice.channel, payload=notice.payload)
                        with anyio.fail_after(QUERY_S):
                            await connection.execute("SELECT 1")
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.debug("the connection that hears of entries broke: %s", type(error).__name__)
            await anyio.sleep(AGAIN_S)

    @asynccontextmanager
    async def _listening(self, channels: Iterable[str]) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, **OPTIONS)
        try:
            with anyio.fail_after(QUERY_S):
                for channel in channels:
                    await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
            yield connection
        finally:
            with anyio.CancelScope(shield=True):
                await connection.close()
