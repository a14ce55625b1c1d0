"""Minimal clients in separate processes; a full client library is slower than the server."""

import asyncio
import multiprocessing
import resource
import socket
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import uvloop

CONNECTING_AT_ONCE = 100
SILENT_BUFFER_BYTES = 2048
Call = tuple[str, dict[str, str]]  # a path and headers


@dataclass
class Heard:
    """What one listener received."""

    path: str
    connected_s: float = 0.0
    frames: list[tuple[float, bytes]] = field(default_factory=list)  # time and content
    status: int = 0
    closed_s: float = 0.0  # when the server ended the stream; 0 if it did not


def clients(count: int) -> ProcessPoolExecutor:
    """Return processes that share nothing with the server or with each other."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


def run(main: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Run a client in this process, with the largest allowed number of connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return uvloop.run(main(*arguments))  # type: ignore[arg-type]


class _Ear(asyncio.Protocol):
    def __init__(self, heard: Heard, request: bytes, over: asyncio.Future[None]) -> None:
        self._heard, self._request, self._over, self._rest = heard, request, over, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._heard.connected_s = time.time()
        self._transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        now = time.time()
        data = self._rest + data
        if not self._heard.status:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            self._heard.status = int(head.split(b" ", 2)[1])
            self._length = b"content-length" in head.lower()
        *messages, self._rest = data.split(b"\n\n")
        for message in messages:
            _, found, frame = message.partition(b"data: ")
            if found:
                self._heard.frames.append((now, frame))
        whole = self._length and self._heard.frames
        if whole or self._rest.endswith(b"0\r\n\r\n") or self._heard.status != 200:
            self._heard.closed_s = now
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._over.done():
            self._over.set_result(None)


def listen(address: tuple[str, int], calls: list[Call]) -> list[Heard]:
    """Open all streams at the same time, and read each until the server ends it."""
    return run(_listen, address, calls)  # type: ignore[no-any-return]


async def _listen(address: tuple[str, int], calls: list[Call]) -> list[Heard]:
    loop, connecting = asyncio.get_running_loop(), asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def follow(call: Call) -> Heard:
        heard, over = Heard(call[0]), loop.create_future()
        async with connecting:
            await loop.create_connection(lambda: _Ear(heard, request_bytes(call), over), *address)
        await over
        return heard

    return list(await asyncio.gather(*map(follow, calls)))


def hammer(address: tuple[str, int], call: Call, connections: int, seconds: float) -> list[float]:
    """Repeat a request without pauses; return the duration of each answer, in seconds."""
    return run(_hammer, address, call, connections, seconds, 0.0)  # type: ignore[no-any-return]


def probe(address: tuple[str, int], call: Call, seconds: float, pause_s: float) -> list[float]:
    """Repeat a request at fixed times over two connections; return the duration of each answer, in seconds."""
    return run(_hammer, address, call, 2, seconds, pause_s)  # type: ignore[no-any-return]


async def _hammer(
    address: tuple[str, int], call: Call, connections: int, seconds: float, pause_s: float
) -> list[float]:
    request, took, end = request_bytes(call), list[float](), time.perf_counter() + seconds

    async def ask(turn: int) -> None:
        reader, writer = await asyncio.open_connection(*address, limit=2**24)
        due = time.perf_counter() + turn * pause_s / connections
        while time.perf_counter() < end:
            if pause_s:
                await asyncio.sleep(max(due - time.perf_counter(), 0))
            started = due if pause_s else time.perf_counter()  # a late answer does not delay the next request
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith((b"http/1.1 200", b"http/1.1 304")), head
            _, found, length = head.partition(b"content-length: ")
            await reader.readexactly(int(length.split(b"\r\n")[0]) if found else 0)
            took.append(time.perf_counter() - started)
            due += pause_s
        writer.close()

    await asyncio.gather(*map(ask, range(connections)))
    return took


def silent(address: tuple[str, int], call: Call, count: int) -> list[socket.socket]:
    """Open streams that nobody reads, with the smallest receive window."""
    sockets = []
    for _ in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SILENT_BUFFER_BYTES)
        client.connect(address)
        client.sendall(request_bytes(call))
        sockets.append(client)
    return sockets


def post(address: tuple[str, int], call: Call, path: str, count: int) -> float:
    """Send a file several times at once; return the duration, in seconds."""
    return run(_post, address, call, path, count)  # type: ignore[no-any-return]


async def _post(address: tuple[str, int], call: Call, path: str, count: int) -> float:
    def read() -> bytes:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()

    body = read()
    request = request_bytes((call[0], call[1] | {"content-length": str(len(body))}), "POST")

    async def send() -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(request)
        for start in range(0, len(body), 2**18):
            writer.write(body[start : start + 2**18])
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(count)))
    return time.perf_counter() - started


def request_bytes(call: Call, method: str = "GET") -> bytes:
    """Return the bytes of a request without its body."""
    path, headers = call
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{lines}\r\n".encode()


def together(futures: list["Future[list[Any]]"]) -> list[Any]:
    """Return the results of several clients in one list."""
    return [item for future in futures for item in future.result()]
