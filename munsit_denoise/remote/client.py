"""The HTTP client for other servers."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import httpcore2
import httpx2

from munsit_denoise.remote.guard import AddressPolicy, AddressRefused, GuardedBackend

STALL_TIMEOUT_S = 30  # a server that is silent for this long is given up
MAX_REDIRECTS = 5
HEADERS = {"User-Agent": "munsit-denoise", "Accept-Encoding": "identity"}


class _Body(httpx2.AsyncByteStream):
    def __init__(self, body: AsyncIterator[bytes], response: httpcore2.Response) -> None:
        self._body, self._response = body, response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for chunk in self._body:
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


class _translated:  # noqa: N801 - reads as a statement
    """Turns httpcore2's errors into httpx2's, so that callers know one family."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, AddressRefused):
            raise RefusedAddress(str(error)) from error
        if isinstance(error, httpcore2.UnsupportedProtocol):
            raise httpx2.UnsupportedProtocol(str(error)) from error
        if isinstance(error, httpcore2.TimeoutException):
            raise httpx2.ReadTimeout(str(error)) from error
        if isinstance(error, (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError)):
            raise httpx2.NetworkError(str(error)) from error


class RefusedAddress(httpx2.ConnectError):
    """This server does not connect to the address."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """A transport with checked addresses; see `guard`."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._pool = httpcore2.AsyncConnectionPool(network_backend=GuardedBackend(policy), max_connections=32)

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._pool.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises RefusedAddress and httpx2's errors."""
        url = request.url
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        outgoing = httpcore2.Request(
            request.method, target, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        with _translated():
            response = await self._pool.handle_async_request(outgoing)
        body: AsyncIterator[bytes] = response.aiter_stream()
        return httpx2.Response(response.status, headers=response.headers, stream=_Body(body, response))


@asynccontextmanager
async def open_client(policy: AddressPolicy) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client that connects only to permitted addresses, also after redirects."""
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)  # below that level they log URLs with their secrets
    timeout = httpx2.Timeout(STALL_TIMEOUT_S, connect=10)
    async with httpx2.AsyncClient(
        transport=GuardedTransport(policy),
        headers=HEADERS,
        timeout=timeout,
        max_redirects=MAX_REDIRECTS,
        trust_env=False,
    ) as client:
        yield client
