"""One request at a time works on an upload; one that has gone silent makes room for the next."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio

from munsit_denoise.errors import UploadInUse
from munsit_denoise.storage.base import Appender

SILENT_S = 5.0  # a body that brought nothing for so long is of a connection that may be dead


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

    def __init__(self) -> None:
        self._held: dict[str, UploadLock] = {}

    def holder(self, upload_id: str) -> UploadLock | None:
        """Return who works on an upload."""
        return self._held.get(upload_id)

    @asynccontextmanager
    async def take(self, upload_id: str, patience_s: float = SILENT_S) -> AsyncIterator[UploadLock]:
        """Hold an upload while the block lasts, once nobody else does.

        A body that is being read is not waited for: it is stopped if it was silent for so long.
        Raises UploadInUse if it was not.
        """
        while (holder := self._held.get(upload_id)) is not None:
            holder.yield_up(patience_s)
            await holder.moved()
        lock = self._held[upload_id] = UploadLock()
        try:
            yield lock
        finally:
            del self._held[upload_id]
            lock.move()
