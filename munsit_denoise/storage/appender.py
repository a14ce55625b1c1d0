"""The end of a local file, to which bytes are added: written in large pieces, flushed when somebody is to be told."""

import os
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread

from munsit_denoise.errors import Unavailable
from munsit_denoise.storage import folders
from munsit_denoise.storage.trouble import of_the_storage

WRITE_BYTES = 2**20  # each write is a call into another thread

Result = TypeVar("Result")


class LocalAppender:
    """Adds to a file in the order in which bytes come; after an error nothing more is written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._collected = descriptor, bytearray()
        self._lock = anyio.Lock()
        self._failure: Unavailable | None = None
        self._closed_bytes: int | None = None  # the file's size, once it is closed

    async def write(self, data: bytes) -> None:
        """Add bytes, a megabyte at a time."""
        self._collected += data
        if len(self._collected) >= WRITE_BYTES:
            async with self._lock:
                await self._write_out()

    async def flush(self) -> int:
        """Make durable what was added; return the file's size."""
        async with self._lock:
            return await self._flush() if self._closed_bytes is None else self._closed_bytes

    def discard(self) -> None:
        """Forget what was added and is not written."""
        self._collected.clear()

    async def close(self) -> None:
        """Flush, unless something went wrong before, and close."""
        async with self._lock:
            try:
                if self._failure is None:
                    self._closed_bytes = await self._flush()
            finally:
                os.close(self._descriptor)

    async def _flush(self) -> int:
        await self._write_out()
        return await self._do(lambda: folders.flush_end(self._descriptor))

    async def _write_out(self) -> None:
        data = bytes(self._collected)
        self._collected.clear()
        await self._do(lambda: folders.add(self._descriptor, data))

    async def _do(self, act: Callable[[], Result]) -> Result:
        if self._failure is not None:
            raise self._failure  # what came before this is not there: nothing may follow it
        try:
            with of_the_storage():
                return await to_thread.run_sync(act)
        except Unavailable as error:
            self._failure = error
            raise
