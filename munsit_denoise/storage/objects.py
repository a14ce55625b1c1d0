"""Objects of a store: reading from a position, appending in parts, and the meaning of the store's errors."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from munsit_denoise.errors import StorageBroken, UploadInUse

log = logging.getLogger(__name__)
PARTS = ".part"  # the folder of a file in parts
PART_BYTES = 8 * 2**20  # of a multipart upload
STREAM_BYTES = 2**18
PIECE_BYTES = 2**20  # of a whole object


@contextmanager
def told() -> Iterator[None]:
    """Turn errors of the store into those of a storage."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError from error
    except (BaseError, TimeoutError, ConnectionError) as error:
        log.warning("the object store gave an unexpected answer: %s", type(error).__name__)
        raise StorageBroken from error


def part_key(key: str, start: int) -> str:
    """Return the key of a file's part that starts at a position."""
    return f"{key}{PARTS}/{start:016d}"


def connected(parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the parts of a file from its first byte on, as far as none is missing: the others are left over."""
    end, found = 0, []
    for start, size_bytes in parts:
        if start != end:
            break
        found.append((start, size_bytes))
        end += size_bytes
    return found


async def put_part(store: S3Store, key: str, data: bytes) -> int:
    """Store a part unless there is one; return how many of its bytes are stored.

    An earlier attempt whose answer was lost may have stored fewer bytes. Raises UploadInUse if the stored part is
    another one, because another process appends to the file.
    """
    with told():
        try:
            await obstore.put_async(store, key, data, mode="create", use_multipart=False)
            return len(data)
        except AlreadyExistsError:
            there = bytes(await (await obstore.get_async(store, key)).bytes_async())
    if not there or not data.startswith(there):
        raise UploadInUse
    return len(there)


class ObjectAppender:
    """Appends to a file as separate objects, each at its position, which no other process may have used."""

    def __init__(self, put: Callable[[int, bytes], Awaitable[int]], end: int) -> None:
        """`put` stores bytes at a position and returns how many of them are stored."""
        self._put, self._end = put, end
        self._collected = bytearray()
        self._lock = anyio.Lock()

    async def write(self, data: bytes, /) -> None:
        """Append bytes, in objects of some megabytes."""
        self._collected += data
        if len(self._collected) >= PART_BYTES:
            await self.flush()

    async def flush(self) -> int:
        """Make the appended bytes durable; return the file's size."""
        async with self._lock:
            data = bytes(self._collected)
            while data:
                there = await self._put(self._end, data)
                self._end += there
                del self._collected[:there]
                data = data[there:]
            return self._end

    def discard(self) -> None:
        """Discard bytes that are not stored yet."""
        self._collected.clear()


class ObjectReader:
    """Reads an object from a position on, over one request for as long as nobody seeks and it does not break.

    A request may take so long; after that, as after a break, the next one goes on where it stood.
    """

    def __init__(self, store: S3Store, key: str, position: int = 0, size_bytes: int | None = None) -> None:
        """A size that is not known is told by the first request."""
        self._store, self._key, self._size = store, key, size_bytes
        self._position, self._rest = position, b""
        self._stream: AsyncIterator[Any] | None = None
        self._brought = False  # something, by the present request

    async def read(self, size_bytes: int, /) -> bytes:
        """Return this many bytes from the position; fewer only at the end."""
        with told():
            while len(self._rest) < size_bytes and not self._at_end():
                self._rest += await self._more()
        data, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        self._position += len(data)
        return data

    async def seek(self, position: int, /) -> object:
        """Continue at a position."""
        if position != self._position:
            self._position, self._rest, self._stream = position, b"", None
        return position

    def _at_end(self) -> bool:
        return self._size is not None and self._position + len(self._rest) >= self._size

    async def _more(self) -> bytes:
        """Return what comes next; nothing where a request broke that had brought something: another one goes on."""
        if self._stream is None:
            await self._ask()
        try:
            part = None if self._stream is None else await anext(self._stream, None)
        except BaseError:
            if not self._brought:
                raise
            self._stream = None
            return b""
        if part is None and not self._at_end():
            raise StorageBroken  # it ended before its size
        self._brought = True
        return bytes(part or b"")

    async def _ask(self) -> None:
        offset = self._position + len(self._rest)
        options: Any = {"range": {"offset": offset}} if offset else {}
        found = await obstore.get_async(self._store, self._key, options=options)
        self._size, self._brought = found.meta["size"], False
        self._stream = aiter(found.stream(min_chunk_size=STREAM_BYTES)) if self._size else None
