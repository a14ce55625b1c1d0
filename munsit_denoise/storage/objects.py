"""One object of a store: read from a position on, or added to in parts; and what the store's errors mean."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from munsit_denoise.errors import StorageBroken

log = logging.getLogger(__name__)
PARTS = ".part"  # the folder of a file that is taken in parts
PART_BYTES = 8 * 2**20  # of an upload in parts
STREAM_BYTES = 2**18


@contextmanager
def told() -> Iterator[None]:
    """Turn what the store answers into what a storage may raise."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError from error
    except (BaseError, TimeoutError, ConnectionError) as error:
        log.warning("the object store gave an unexpected answer: %s", type(error).__name__)
        raise StorageBroken from error


def part_key(key: str, start: int) -> str:
    """Return where a part of a file that is taken in parts lies, which begins at a position."""
    return f"{key}{PARTS}/{start:016d}"


class ObjectAppender:
    """Adds to a file as objects of its own, each from its position on: a part that is stored again replaces itself."""

    def __init__(self, put: Callable[[int, bytes], Awaitable[None]], end: int) -> None:
        self._put, self._end = put, end
        self._collected = bytearray()
        self._lock = anyio.Lock()

    async def write(self, data: bytes, /) -> None:
        """Add bytes, some megabytes at a time."""
        self._collected += data
        if len(self._collected) >= PART_BYTES:
            await self.flush()

    async def flush(self) -> int:
        """Make durable what was added; return the file's size."""
        async with self._lock:
            data = bytes(self._collected)
            if data:
                await self._put(self._end, data)
                self._end += len(data)
                del self._collected[: len(data)]
            return self._end


class ObjectReader:
    """Reads an object from a position on, over one request for as long as nobody seeks."""

    def __init__(self, store: S3Store, key: str, size_bytes: int, position: int) -> None:
        self._store, self._key, self._size = store, key, size_bytes
        self._position, self._rest = position, b""
        self._stream: AsyncIterator[Any] | None = None

    async def read(self, size_bytes: int, /) -> bytes:
        """Return that much from where the reader stands; less only at the end."""
        with told():
            while len(self._rest) < size_bytes and self._position + len(self._rest) < self._size:
                if self._stream is None:
                    options: Any = {"range": {"offset": self._position + len(self._rest)}}
                    found = await obstore.get_async(self._store, self._key, options=options)
                    self._stream = aiter(found.stream(min_chunk_size=STREAM_BYTES))
                part = await anext(self._stream, None)
                if part is None:
                    raise StorageBroken  # it ended before its size
                self._rest += bytes(part)
        data, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        self._position += len(data)
        return data

    async def seek(self, position: int, /) -> object:
        """Go on from there."""
        if position != self._position:
            self._position, self._rest, self._stream = position, b"", None
        return position
