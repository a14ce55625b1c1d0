"""One request at a time works on an upload, on one of many servers; one that has gone silent makes room for the next.

Where there are many servers, a row says which of them has the turn. One that was stopped may wake up when it has lost
it: the storage lets nobody add where somebody else has added.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import anyio

from munsit_denoise.errors import Unavailable, UploadInUse
from munsit_denoise.jobs.holdings import HELD_S, KEEP_S, Holdings
from munsit_denoise.storage.base import Appender

SILENT_S = HELD_S  # a body that brought nothing for so long is of a connection that may be dead
BRIEF_S = 0.5  # how long another server is waited for, which may be about to end its turn
LOOK_S = 0.1


class UploadLock:
    """The right to work on an upload; while a body is read, it can be taken away."""

    def __init__(self) -> None:
        self._moved = anyio.Event()
        self._reading: Appender | None = None
        self._scope: anyio.CancelScope | None = None
        self._heard_s = 0.0

    @contextmanager
    def reading(self, file: Appender) -> Iterator[None]:
        """Read a body into a file while the block lasts. Raises UploadInUse when the lock is taken away."""
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
        """Tell who waits that the lock goes on to something else, or has ended."""
        self._moved.set()
        self._moved = anyio.Event()

    async def moved(self) -> None:
        """Wait until it does."""
        await self._moved.wait()

    def heard(self) -> None:
        """Note that the body goes on."""
        self._heard_s = anyio.current_time()

    def goes_on(self) -> bool:
        """Say whether the turn is used: a body that is read brings something."""
        return self._reading is None or anyio.current_time() - self._heard_s < KEEP_S

    async def pause(self) -> None:
        """Make durable what was read: another server may go on from there."""
        with suppress(Unavailable, UploadInUse):  # whoever reads the body hears of it
            await self.flush()

    def lose(self) -> None:
        """Stop reading, and forget what is not durable: it belongs to another server now."""
        if self._reading is not None and self._scope is not None:
            self._reading.discard()
            self._scope.cancel()

    async def flush(self) -> int | None:
        """Make durable what was read; return the file's size, None when nothing is being read."""
        return None if self._reading is None else await self._reading.flush()

    def yield_up(self, patience_s: float) -> None:
        """Stop reading, if nothing came for so long. Raises UploadInUse if it did."""
        if self._reading is not None and self._scope is not None:
            if anyio.current_time() - self._heard_s < patience_s:
                raise UploadInUse
            self._scope.cancel()


class UploadLocks:
    """Who works on which upload."""

    def __init__(self, holdings: Holdings | None = None) -> None:
        """`holdings` where other servers take uploads in as well."""
        self._held: dict[str, UploadLock] = {}
        self._holdings = holdings

    def holder(self, upload_id: str) -> UploadLock | None:
        """Return who works on an upload."""
        return self._held.get(upload_id)

    @asynccontextmanager
    async def take(self, upload_id: str, patience_s: float = SILENT_S) -> AsyncIterator[UploadLock]:
        """Hold an upload while the block lasts, once nobody else does.

        A body that is being read is not waited for: it is stopped if it was silent for so long.
        Raises UploadInUse if it was not, and Unavailable's where there are other servers.
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
    """Take the turn among servers. Raises UploadInUse while another one has it, unless it is taken by force."""
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
