"""Input and output in two variants, blocking and for an event loop; everything else is written once, as coroutines.

A coroutine that uses `BlockingIo` never suspends, so `run` completes it in one step.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import httpx2

from munsit_denoise_client.errors import ConnectionLost

T = TypeVar("T")
CONNECT_TIMEOUT_S = 10


class Body(Protocol):
    """The body of a request, which can be read again from its beginning."""

    @property
    def size_bytes(self) -> int | None:
        """The size of the body; None if unknown."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes; may block."""

    def sent(self, size_bytes: int) -> None:
        """Note that more bytes were sent."""


@dataclass(frozen=True)
class Call:
    """A request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    body: Body | bytes | None = None


@dataclass(frozen=True)
class Answer:
    """An answer: status and headers, and the chunks of its body."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    async def read(self) -> bytes:
        """Return the complete body. Raises ConnectionLost."""
        return b"".join([chunk async for chunk in self.chunks])


class Io(Protocol):
    """Requests, pauses, and blocking work."""

    def open(self, call: Call) -> AbstractAsyncContextManager[Answer]:
        """Send a request. Raises ConnectionLost, also while the body is read."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function that may block."""

    async def close(self) -> None:
        """Close the connections."""


class BlockingIo:
    """Blocking input and output."""

    def __init__(self, timeout_s: float) -> None:
        self._http = httpx2.Client(timeout=_timeout(timeout_s))

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[Answer]:
        """Send a request. Raises ConnectionLost, also while the body is read."""
        content = call.body if call.body is None or isinstance(call.body, bytes) else _counted(call.body)
        with _one_error(), self._http.stream(call.method, call.url, content=content, **_described(call)) as response:
            yield Answer(response.status_code, response.headers, self._chunks(response))

    async def _chunks(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        for chunk in response.iter_bytes():
            yield chunk

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)  # noqa: ASYNC251 - there is no loop here

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function."""
        return function(*arguments)

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncIo:
    """Input and output in an event loop, asyncio or trio; blocking work runs in a thread."""

    def __init__(self, timeout_s: float) -> None:
        self._http = httpx2.AsyncClient(timeout=_timeout(timeout_s))

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[Answer]:
        """Send a request. Raises ConnectionLost, also while the body is read."""
        content = call.body if call.body is None or isinstance(call.body, bytes) else self._counted(call.body)
        with _one_error():
            async with self._http.stream(call.method, call.url, content=content, **_described(call)) as response:
                yield Answer(response.status_code, response.headers, response.aiter_bytes())

    async def _counted(self, body: Body) -> AsyncIterator[bytes]:
        chunks = body.chunks()
        while (chunk := await anyio.to_thread.run_sync(next, chunks, None)) is not None:
            yield chunk
            body.sent(len(chunk))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function in a thread."""
        return await anyio.to_thread.run_sync(function, *arguments)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Complete a coroutine that uses `BlockingIo`, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine over BlockingIo waited for a loop")


def _timeout(timeout_s: float) -> httpx2.Timeout:
    return httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S, pool=None)


def _described(call: Call) -> dict[str, Any]:
    """Return a request's headers and query; compression is off, because ranges count the bytes of files."""
    headers = {"Accept-Encoding": "identity", **call.headers}
    if call.body is not None and not isinstance(call.body, bytes) and call.body.size_bytes is not None:
        headers["Content-Length"] = str(call.body.size_bytes)
    return {"headers": headers} | ({"params": dict(call.params)} if call.params else {})


def _counted(body: Body) -> Iterator[bytes]:
    for chunk in body.chunks():
        yield chunk
        body.sent(len(chunk))


@contextmanager
def _one_error() -> Iterator[None]:
    try:
        yield
    except httpx2.TransportError as error:
        raise ConnectionLost(f"The connection to the server failed: {error or type(error).__name__}") from error
