"""Limits on idle connections and stalled readers, and the file descriptors for them."""

import asyncio
import resource
from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

RESERVED_DESCRIPTORS = 256  # for files, programs and the database
ENOUGH_DESCRIPTORS = 2**16
STALLED_TIMEOUT_S = 25  # a client that accepts nothing for this long is dropped
LOOK_S = 5  # interval of the checks


def raise_descriptor_limit() -> int:
    """Raise this process's limit on open files as far as allowed; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return ENOUGH_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def most_connections(descriptors: int) -> int:
    """Return the largest number of connections that leaves enough descriptors for jobs."""
    few = descriptors < 2 * RESERVED_DESCRIPTORS
    return max(descriptors // 4, 1) if few else descriptors - RESERVED_DESCRIPTORS


class Connection(Protocol):
    """A connection that can be closed."""

    def drop(self) -> None:
        """Close at once, without sending what is buffered."""
        ...


class IdleConnections:
    """Connections without a request, the oldest first; they are closed to make room for others."""

    def __init__(self, trusted: str, max_per_address: int) -> None:
        self._trusted, self._max = ProxyHeadersMiddleware(_nothing, trusted).trusted_hosts, max_per_address
        self._all: OrderedDict[Connection, str] = OrderedDict()
        self._by_address: dict[str, OrderedDict[Connection, None]] = {}
        self._most = most_connections(raise_descriptor_limit())

    def add(self, connection: Connection, address: str) -> None:
        """Add a connection; if its address has too many, the oldest one of them is closed."""
        self.discard(connection)
        own = self._by_address.setdefault(address, OrderedDict())
        self._all[connection] = address
        own[connection] = None
        if len(own) > self._max and address not in self._trusted:
            self._close(next(iter(own)))

    def discard(self, connection: Connection) -> None:
        """Remove a connection that has a request again, or is closed."""
        address = self._all.pop(connection, None)
        if address is not None:
            del self._by_address[address][connection]
            if not self._by_address[address]:
                del self._by_address[address]

    def make_room(self, connections: int) -> bool:
        """Return whether a new connection may stay; if there are too many, the oldest idle one is closed for it."""
        if connections <= self._most:
            return True
        if self._all:
            self._close(next(iter(self._all)))
            return True
        return False

    def _close(self, connection: Connection) -> None:
        self.discard(connection)
        connection.drop()


async def _nothing(*_: object) -> None:
    """An app for the middleware, of which only the list of proxies is used."""


class ReaderWatch(asyncio.Protocol):
    """Drops a connection whose client accepts nothing; a base class before one of uvicorn's protocols."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _timer: asyncio.TimerHandle | None = None
    _unwritten_bytes = 0  # when the client last accepted something,
    _taken_at_s = 0.0  # and when that was

    def pause_writing(self) -> None:
        """Start to check whether the client accepts anything."""
        super().pause_writing()
        self._unwritten_bytes, self._taken_at_s = self.transport.get_write_buffer_size(), self.loop.time()
        self._timer = self.loop.call_later(LOOK_S, self._look)

    def resume_writing(self) -> None:
        """Stop checking."""
        self._stop_watching()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop checking."""
        self._stop_watching()
        super().connection_lost(exc)

    def _look(self) -> None:
        unwritten_bytes = self.transport.get_write_buffer_size()
        if unwritten_bytes < self._unwritten_bytes:
            self._unwritten_bytes, self._taken_at_s = unwritten_bytes, self.loop.time()
        elif self.loop.time() - self._taken_at_s >= STALLED_TIMEOUT_S:
            self.transport.abort()
            return
        self._timer = self.loop.call_later(LOOK_S, self._look)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
