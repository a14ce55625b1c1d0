"""Connections that ask for nothing, ask for too much, or take nothing: they end, and the others do not notice."""

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import anyio
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websocket import create_connection

from munsit_denoise import connections, protocols
from munsit_denoise.connections import IdleConnections, most_connections
from munsit_denoise.protocols import QuietSocketProtocol, polite

MOST_OF_AN_ADDRESS = 3
BUSY_S = 1.0
GET = b"GET / HTTP/1.1\r\nhost: x\r\n"


async def answer(_: Request) -> Response:
    return PlainTextResponse("ok")


async def busy(_: Request) -> Response:
    time.sleep(BUSY_S)  # the event loop stands still, as it does for want of a core
    return PlainTextResponse("ok")


async def endless(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        while True:
            yield bytes(2**16)
            await anyio.sleep(0)  # a body that never waits would not notice that its reader has gone

    return StreamingResponse(body())


async def silent(request: Request) -> Response:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return PlainTextResponse("too late")


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


@contextmanager
def run_server(trusted: str) -> Iterator[SimpleNamespace]:
    """Run a server of nothing but these routes until the block ends."""
    routes = [
        Route("/", answer, methods=["GET", "POST"]),
        Route("/busy", busy),
        Route("/endless", endless),
        Route("/silent", silent, methods=["POST"]),
        WebSocketRoute("/listen", listen),
    ]
    waiting, listener = IdleConnections(trusted, MOST_OF_AN_ADDRESS), socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        Starlette(routes=routes), http=polite(waiting), ws=QuietSocketProtocol, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield SimpleNamespace(port=listener.getsockname()[1], waiting=waiting)
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(timeout=20)
        listener.close()


@pytest.fixture(scope="module")
def server() -> Iterator[SimpleNamespace]:
    with run_server("127.0.0.1") as server:
        yield server


def connect(server: SimpleNamespace, first: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.sendall(first)
    return connection


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionError:
        pass
    return received


def closed(connection: socket.socket, trickle: bytes) -> bool:
    """Say whether the server closes while a client sends a little, again and again."""
    for _ in range(60):
        try:
            connection.sendall(trickle)
            connection.settimeout(0.05)
            if connection.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize(
    ("first", "trickle"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n"),
        (b"GET / HTTP/1.1\r\nhost: ", b"x"),
        (GET + b"\r\n", b"\r\n"),
        (GET + b"\r\n", b""),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n", b"x"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (GET + b"content-length: 1000000\r\n\r\n", b"x"),
    ],
)
def test_who_asks_for_nothing_is_cut(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, first: bytes, trickle: bytes
) -> None:
    """Also with blank lines, and with a body that goes on after its answer."""
    monkeypatch.setattr(protocols, "IDLE_TIMEOUT_S", 0.3)
    with connect(server, first) as connection:
        assert closed(connection, trickle)


def test_a_connection_that_is_used_stays(server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "IDLE_TIMEOUT_S", 0.5)
    with connect(server) as connection:
        for _ in range(4):
            connection.sendall(GET + b"\r\n")
            answer = connection.recv(4096)
            while not answer.endswith(b"ok") and (more := connection.recv(4096)):  # the body may come later
                answer += more
            assert answer.endswith(b"ok")
            time.sleep(0.2)


def test_a_request_that_a_busy_server_read_too_late_is_answered(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "IDLE_TIMEOUT_S", BUSY_S / 2)
    with connect(server) as waiting, connect(server) as working:
        time.sleep(0.1)  # both have been accepted
        working.sendall(GET.replace(b"/", b"/busy", 1) + b"\r\n")
        time.sleep(0.1)
        waiting.sendall(GET + b"connection: close\r\n\r\n")
        assert read_all(waiting).endswith(b"ok")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        GET + b"a: " + b"x" * 70_000 + b"\r\n\r\n",
        GET + b"a: " + b"x" * 500_000,
        GET + b"a: b\r\n" * 12_000 + b"\r\n",
        b"\r\n" * 40_000,
    ],
)
def test_headers_that_are_too_long_are_a_431(server: SimpleNamespace, head: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(head)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"x-content-type-options: nosniff" in answer
    assert answer.endswith(b"longer than 64 KiB.")


def test_headers_just_short_enough_are_none(server: SimpleNamespace) -> None:
    with connect(
        server, b"GET /?a=" + b"x" * 60_000 + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    ) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_trailers_count_as_headers(server: SimpleNamespace) -> None:
    head = b"POST /silent HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
    with connect(server, head) as connection:
        assert closed(connection, b"a: " + b"b" * 10_000 + b"\r\n")


@pytest.mark.parametrize("host", [b"a b", b"x" * 300, b"<script>", b"x/y", b"x:port", "مثال".encode(), b"a@b"])
def test_a_host_that_is_none_is_a_400(server: SimpleNamespace, host: bytes) -> None:
    with connect(server, b"GET / HTTP/1.1\r\nhost: " + host + b"\r\n\r\n") as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("host", [b"example.org:8000", b"[::1]:80", b"127.0.0.1", b"my_host", b""])
def test_a_host_is_taken_as_it_may_be_written(server: SimpleNamespace, host: bytes) -> None:
    with connect(server, b"GET / HTTP/1.1\r\nhost: " + host + b"\r\nconnection: close\r\n\r\n") as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http_is_a_400_with_the_headers(server: SimpleNamespace) -> None:
    with connect(server, b"\x16\x03\x01 hello\r\n\r\n") as connection:
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"nosniff" in answer


def test_a_reader_that_takes_nothing_is_dropped_and_a_slow_one_is_not(
    server: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALLED_TIMEOUT_S", 0.5)
    monkeypatch.setattr(connections, "LOOK_S", 0.05)
    ask = b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n"
    with connect(server, ask) as dead, connect(server, ask) as slow:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert slow.recv(2**20)
            time.sleep(0.02)
        received = 0
        dead.settimeout(5)
        while chunk := _receive(dead):
            received += len(chunk)
        assert 0 < received < 50 * 2**20
        assert slow.recv(2**20)


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(2**20)
    except ConnectionError:
        return b""


def test_an_address_has_so_many_idle_connections_and_no_more() -> None:
    """The oldest makes room; one that is served counts for nothing."""
    with run_server("10.0.0.1") as server:
        served = connect(server, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        assert served.recv(100)
        idle = [connect(server) for _ in range(MOST_OF_AN_ADDRESS + 2)]
        assert [read_all(connection) for connection in idle[:2]] == [b"", b""]
        for connection in idle[2:]:
            connection.sendall(GET + b"connection: close\r\n\r\n")
            assert read_all(connection).endswith(b"ok")
        assert served.recv(100)
        for connection in (served, *idle):
            connection.close()


def test_a_trusted_proxy_may_have_any_number(server: SimpleNamespace) -> None:
    opened = [connect(server) for _ in range(MOST_OF_AN_ADDRESS + 3)]
    for connection in opened:
        connection.sendall(GET + b"connection: close\r\n\r\n")
        assert read_all(connection).endswith(b"ok")
        connection.close()


def has_ended(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except OSError as error:
        return not isinstance(error, TimeoutError)


def test_the_last_descriptors_are_kept_back() -> None:
    """Idle connections make room for new ones; where all are served a new one is refused."""
    with run_server("127.0.0.1") as server:
        server.waiting._most = 5
        crowd = [connect(server) for _ in range(40)]
        with connect(server, GET + b"connection: close\r\n\r\n") as connection:
            assert read_all(connection).endswith(b"ok")
        assert sum(map(has_ended, crowd)) >= 35
        served = [connect(server, b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n") for _ in range(5)]
        assert all(connection.recv(100) for connection in served)
        with connect(server) as refused:
            answer = read_all(refused)
        for connection in (*crowd, *served):
            connection.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in answer


@pytest.mark.parametrize(("descriptors", "most"), [(64, 16), (1024, 768), (2**16, 2**16 - 256)])
def test_jobs_have_descriptors_left(descriptors: int, most: int) -> None:
    assert most_connections(descriptors) == most


def test_a_socket_whose_text_is_none_is_closed_quietly(
    server: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    connection = create_connection(f"ws://127.0.0.1:{server.port}/listen", timeout=10)
    connection.send(b"\xff\xfe", opcode=1)
    opcode, data = connection.recv_data(control_frame=True)
    connection.shutdown()
    assert (opcode, int.from_bytes(data[:2])) == (8, 1007)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
