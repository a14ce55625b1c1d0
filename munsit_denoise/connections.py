"""Idle connections, connections whose reader has stopped reading, and the descriptors that all of them need."""

import asyncio
import resource
from collections import OrderedDict
from contextlib import suppress
from typing import Protocol

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

RESERVED_DESCRIPTORS = 256  # for files, programs and the database
ENOUGH_DESCRIPTORS = 2**16
STALLED_TIMEOUT_S = 25  # a reader that takes nothing for so long is dropped
LOOK_S = 5  # how often is looked


def raise_descriptor_limit() -> int:
    """Let this process open as many files and connections as it may; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
    return ENOUGH_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def most_connections(descriptors: int) -> int:
    """Return how many connections there may be, so that jobs have descriptors for what they open."""
    few = descriptors < 2 * RESERVED_DESCRIPTORS
    return max(descriptors // 4, 1) if few else descriptors - RESERVED_DESCRIPTORS


class Connection(Protocol):
    """What can be closed to make room."""

    def drop(self) -> None:
        """Close at once, whatever has not been written yet."""
        ...


class IdleConnections:
    """The connections that ask for nothing at present, the oldest first: they make room for others."""

    def __init__(self, trusted: str, max_per_address: int) -> None:
        self._trusted, self._max = ProxyHeadersMiddleware(_nothing, trusted).trusted_hosts, max_per_address
        self._all: OrderedDict[Connection, str] = OrderedDict()
        self._by_address: dict[str, OrderedDict[Connection, None]] = {}
        self._most = most_connections(raise_descriptor_limit())

    def add(self, connection: Connection, address: str) -> None:
        """Note a connection; the oldest of its address goes where there are too many."""
        self.discard(connection)
        own = self._by_address.setdefault(address, OrderedDict())
        self._all[connection] = address
        own[connection] = None
        if len(own) > self._max and address not in self._trusted:
            self._close(next(iter(own)))

    def discard(self, connection: Connection) -> None:
        """Forget a connection that asks for something now, or has gone."""
        address = self._all.pop(connection, None)
        if address is not None:
            del self._by_address[address][connection]
            if not self._by_address[address]:
                del self._by_address[address]

    def make_room(self, connections: int) -> bool:
        """Say whether a new one of so many connections may stay; the oldest that asks for nothing goes for it."""
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
    """An app that the middleware is built around for the sake of its list of proxies."""


class ReaderWatch(asyncio.Protocol):
    """Drops a connection whose reader takes nothing; stands before one of uvicorn's protocols."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _timer: asyncio.TimerHandle | None = None
    _unwritten_bytes = 0  # when the reader last took something,
    _taken_at_s = 0.0  # and when that was

    def pause_writing(self) -> None:
        """Watch whether the reader takes anything."""
        super().pause_writing()
        self._unwritten_bytes, self._taken_at_s = self.transport.get_write_buffer_size(), self.loop.time()
        self._timer = self.loop.call_later(LOOK_S, self._look)

    def resume_writing(self) -> None:
        """Stop watching: it does."""
        self._stop_watching()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
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
