"""Appends to a local file: writes in large pieces, and flushes before bytes are acknowledged."""

import os
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread

from munsit_denoise.errors import Unavailable
from munsit_denoise.storage import folders
from munsit_denoise.storage.trouble import of_the_storage

WRITE_BYTES = 2**20  # each write is a call into a thread

Result = TypeVar("Result")


class LocalAppender:
    """Appends to a file in order; after an error nothing more is written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._collected = descriptor, bytearray()
        self._lock = anyio.Lock()
        self._failure: Unavailable | None = None
        self._closed_bytes: int | None = None  # the file's size, once it is closed

    async def write(self, data: bytes) -> None:
        """Append bytes, in writes of a megabyte."""
        self._collected += data
        if len(self._collected) >= WRITE_BYTES:
            async with self._lock:
                await self._write_out()

    async def flush(self) -> int:
        """Make the appended bytes durable; return the file's size."""
        async with self._lock:
            return await self._flush() if self._closed_bytes is None else self._closed_bytes

    def discard(self) -> None:
        """Discard bytes that are not written yet."""
        self._collected.clear()

    async def close(self) -> None:
        """Flush, unless there was an error before, and close."""
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
            raise self._failure  # earlier bytes are missing, so nothing may follow them
        try:
            with of_the_storage():
                return await to_thread.run_sync(act)
        except Unavailable as error:
            self._failure = error
            raise
