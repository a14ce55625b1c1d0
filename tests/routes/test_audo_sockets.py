"""WebSockets at their limits: clients that never read, that talk, that leave, and a server that stops."""

import os
import socket
import time
from base64 import b64encode
from pathlib import Path

import httpx2
import pytest
from websocket import WebSocket, WebSocketException, create_connection

from tests.audio import write_noisy, write_silence
from tests.live import Live, run_live, run_waiting


def submit(server: Live, path: Path) -> str:
    with path.open("rb") as file:
        answer = httpx2.post(
            server.url + "/v1/remove-noise", headers={"x-api-key": server.key}, files={"file": (path.name, file)}
        )
    return str(answer.json()["jobId"])


def connect(server: Live, job_id: str) -> WebSocket:
    url = server.url.replace("http", "ws") + f"/v1/remove-noise/{job_id}/ws"
    return create_connection(url, header={"x-api-key": server.key}, timeout=30)


@pytest.fixture
def job_id(live: Live, tmp_path: Path) -> str:
    return submit(live, write_silence(tmp_path / "a.wav", 6))


def test_what_a_client_says_is_ignored(live: Live, job_id: str) -> None:
    connection = connect(live, job_id)
    for _ in range(100):
        connection.send("hello")
    assert '"succeeded"' in list(iter(connection.recv, ""))[-1]
    connection.shutdown()


def test_a_client_that_says_too_much_is_dropped_and_others_are_not(live: Live, job_id: str) -> None:
    loud, other = connect(live, job_id), connect(live, job_id)
    with pytest.raises((OSError, WebSocketException)):  # a reset, a broken pipe, a close, as the system likes
        for _ in range(2000):
            loud.send("x" * 100_000)
    assert '"succeeded"' in list(iter(other.recv, ""))[-1]
    loud.shutdown()
    other.shutdown()


def test_one_that_leaves_is_no_ones_problem(live: Live, job_id: str) -> None:
    for _ in range(20):
        connect(live, job_id).shutdown()
    connection = connect(live, job_id)
    assert '"succeeded"' in list(iter(connection.recv, ""))[-1]
    connection.shutdown()


def test_clients_that_never_read_cost_little(live: Live, job_id: str, tmp_path: Path) -> None:
    """A hundred sockets that are accepted, and then never read, hold one state each, not all of them."""
    host, port = live.url.removeprefix("http://").split(":")
    path = write_silence(tmp_path / "first.wav", 6)
    silent: list[socket.socket] = []
    first = connect(live, submit(live, path))
    assert '"succeeded"' in list(iter(first.recv, ""))[-1]
    first.shutdown()
    before = resident_bytes()  # the engine's memory, which an idle process gives back, is in use
    for _ in range(100):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect((host, int(port)))
        lines = [
            f"GET /v1/remove-noise/{job_id}/ws HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"x-api-key: {live.key}",
        ]
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        client.settimeout(30)
        assert client.recv(12) == b"HTTP/1.1 101"
        silent.append(client)
    reader = connect(live, job_id)
    assert '"succeeded"' in list(iter(reader.recv, ""))[-1]
    after = resident_bytes()
    reader.shutdown()
    for client in silent:
        client.close()
    assert after - before < 100 * 2**20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_a_stopping_server_closes_them_and_loses_nothing(tmp_path: Path) -> None:
    with run_waiting(tmp_path / "data") as server:
        jobs = [submit(server, write_noisy(tmp_path / f"{number}.wav", 0.5)) for number in range(2)]
        connections = [connect(server, job) for job in jobs for _ in range(10)]
        for connection in connections:
            assert connection.recv()
    for connection in connections:  # the server is down: each stream ends in order
        connection.settimeout(5)
        while connection.recv():
            pass
        connection.shutdown()
    with run_live(tmp_path / "data") as server:
        end = time.monotonic() + 60
        while any(server.record(job)["status"] == "pending" for job in jobs) and time.monotonic() < end:
            time.sleep(0.1)
        assert [server.record(job)["status"] for job in jobs] == ["success", "success"]
