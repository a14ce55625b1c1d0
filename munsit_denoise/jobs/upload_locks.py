"""Locks on uploads: one request at a time works on an upload, and a silent one gives way to the next.

With several servers, a row names the one that holds the lock. If a stopped server wakes up after it has lost the lock,
the storage refuses to append where another server has appended.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio

from munsit_denoise.errors import Unavailable, UploadInUse
from munsit_denoise.jobs.holdings import HELD_S, KEEP_S, Holdings
from munsit_denoise.storage.base import Appender

SILENT_S = HELD_S  # without bytes for this long, a connection may be dead
BRIEF_S = 0.5  # the wait for another server, which may be about to finish
LOOK_S = 0.1


class UploadLock:
    """The right to work on an upload; it can be taken away while a body is read."""

    def __init__(self) -> None:
        self._moved = anyio.Event()
        self._reading: Appender | None = None
        self._scope: anyio.CancelScope | None = None
        self._heard_s = 0.0

    @contextmanager
    def reading(self, file: Appender) -> Iterator[None]:
        """Read a body into a file inside the block. Raises UploadInUse if the lock is taken away."""
        self._reading, self._scope = file, anyio.CancelScope()
        self.heard()
        self.move()
        try:
            with self._scope:
                yield
            if self._scope.cancelled_caught:
                raise UploadInUse
        finally:
            self._reading = None
            self.move()

    def move(self) -> None:
        """Tell waiting requests that the lock has passed on or was released."""
        self._moved.set()
        self._moved = anyio.Event()

    async def moved(self) -> None:
        """Wait until `move` is called."""
        await self._moved.wait()

    def heard(self) -> None:
        """Note that bytes arrived."""
        self._heard_s = anyio.current_time()

    def goes_on(self) -> bool:
        """Return whether the lock is in use: a body that is read must bring bytes."""
        return self._reading is None or anyio.current_time() - self._heard_s < KEEP_S

    async def pause(self) -> None:
        """Make the received bytes durable, because another server may continue from there."""
        with suppress(Unavailable, UploadInUse):  # the reader of the body gets the error
            await self.flush()

    def lose(self) -> None:
        """Stop reading and discard what is not durable; another server has the lock."""
        if self._reading is not None and self._scope is not None:
            self._reading.discard()
            self._scope.cancel()

    async def flush(self) -> int | None:
        """Make the received bytes durable; return the file's size, or None if no body is being read."""
        return None if self._reading is None else await self._reading.flush()

    def yield_up(self, patience_s: float) -> None:
        """Stop reading if nothing arrived for this long, otherwise raise UploadInUse."""
        if self._reading is not None and self._scope is not None:
            if anyio.current_time() - self._heard_s < patience_s:
                raise UploadInUse
            self._scope.cancel()


class UploadLocks:
    """The locks on all uploads."""

    def __init__(self, holdings: Holdings | None = None) -> None:
        """`holdings` is needed if several servers accept uploads."""
        self._held: dict[str, UploadLock] = {}
        self._holdings = holdings

    def holder(self, upload_id: str) -> UploadLock | None:
        """Return the current lock on an upload, or None."""
        return self._held.get(upload_id)

    @asynccontextmanager
    async def take(self, upload_id: str, patience_s: float = SILENT_S) -> AsyncIterator[UploadLock]:
        """Hold the lock on an upload inside the block, once it is free.

        A request that is reading a body is not waited for: it is stopped if it was silent for `patience_s`. Raises
        UploadInUse if it was not, and Unavailable if there are other servers.
        """
        while (holder := self._held.get(upload_id)) is not None:
            holder.yield_up(patience_s)
            await holder.moved()
        lock = self._held[upload_id] = UploadLock()
        try:
            if self._holdings is None:
                yield lock
            else:
                await _agree(self._holdings, _name(upload_id), by_force=not patience_s)
                async with self._holdings.holding(_name(upload_id), lock):
                    yield lock
        finally:
            del self._held[upload_id]
            lock.move()


async def _agree(holdings: Holdings, name: str, *, by_force: bool) -> None:
    """Take the lock among servers. Raises UploadInUse while another one holds it, unless `by_force`."""
    if by_force:
        await holdings.take_over(name)
        return
    until_s = anyio.current_time() + BRIEF_S
    while not await holdings.take(name):
        if anyio.current_time() > until_s:
            raise UploadInUse
        await anyio.sleep(LOOK_S)


def _name(upload_id: str) -> str:
    return f"upload {upload_id}"
