"""Requests that are broken as HTTP or as forms: a clear answer or a closed connection, and nothing left."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.live import Live, run_waiting

FILE = b'--b\r\ncontent-disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with run_waiting(tmp_path_factory.mktemp("uploads")) as live:
        yield live


@pytest.fixture(autouse=True)
def nothing_stays(server: Live) -> Iterator[None]:
    yield
    end = time.monotonic() + 5
    while server.files() and time.monotonic() < end:
        time.sleep(0.02)
    assert server.files() == []
    assert server.client.get("/denoise").json() == []


def connect(server: Live) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def head(server: Live, length: int | str, content_type: str = "multipart/form-data; boundary=b") -> bytes:
    lines = ["POST /api/v1/denoise HTTP/1.1", "host: x", f"x-api-key: {server.key}", f"content-type: {content_type}"]
    return "\r\n".join([*lines, f"content-length: {length}", "", ""]).encode()


@pytest.mark.parametrize("content_type", ["application/json", "multipart/mixed; boundary=b", ""])
def test_what_is_no_form_has_no_file(server: Live, content_type: str) -> None:
    answer = server.client.post("/denoise", content=FILE + b"x\r\n--b--\r\n", headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["errorMessage"]) == (400, "audio is required and must be a file")


@pytest.mark.parametrize(
    ("boundary", "sentence"),
    [
        ("", "has no boundary"),
        ("; boundary=", "has no boundary"),
        (f"; boundary={'x' * 300}", "is longer than 200 bytes"),
        ("; boundary=other", "does not contain the boundary"),
    ],
)
def test_a_boundary_that_is_missing_or_wrong_is_told(server: Live, boundary: str, sentence: str) -> None:
    headers = {"content-type": f"multipart/form-data{boundary}"}
    answer = server.client.post("/denoise", content=FILE + b"x\r\n--b--\r\n", headers=headers)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
    assert sentence in answer.json()["errorMessage"]


@pytest.mark.parametrize(
    "body",
    [
        b"no boundary in here",
        FILE,
        FILE + b"RIFF....",
        FILE + b"RIFF....\r\n--b",
        b"--b\r\nbroken header\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"x: " + b"y" * 100_000 + b"\r\n\r\n",
        b"--b\r\n\r\nx\r\n" * 500 + b"--b--\r\n",
    ],
)
def test_broken_forms_are_a_400(server: Live, body: bytes) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = server.client.post("/denoise", content=body, headers=headers)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")


def test_a_client_that_leaves_in_the_middle_leaves_nothing(server: Live) -> None:
    with connect(server) as connection:
        connection.sendall(head(server, 10_000_000) + FILE + bytes(3_000_000))
        time.sleep(0.3)
        assert server.files()  # it was being written


def test_an_announced_size_over_the_limit_is_refused_unread(server: Live) -> None:
    with connect(server) as connection:
        connection.sendall(head(server, 10**12))
        received = connection.recv(4096)
        while not received.endswith(b"}") and (more := connection.recv(4096)):  # the body may come later
            received += more
    answer = received.decode()
    assert answer.startswith("HTTP/1.1 400")
    assert re.search(r"File size exceeds the maximum limit of 200MB\. File size: [\d.]+MB", answer)


def test_too_little_room_is_a_503(tmp_path: Path) -> None:
    with run_waiting(tmp_path, disk_reserve_mb=10**9) as full:
        answer = full.client.post("/denoise", files={"audio": ("a.wav", b"x")})
        assert (answer.status_code, int(answer.headers["retry-after"])) == (503, 60)
        assert answer.json()["errorMessage"].startswith("The server has run out of disk space")
        assert httpx2.get(full.url + "/readyz").status_code == 503


def test_names_in_the_older_form_are_understood(server: Live) -> None:
    body = b"--b\r\ncontent-disposition: form-data; name=\"audio\"; filename*=utf-8''%D8%B5.wav\r\n\r\nx\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = server.client.post("/denoise", content=body, headers=headers)
    assert answer.json()["errorMessage"].startswith("No audio could be found")


@pytest.mark.parametrize(
    "path",
    [
        "/denoising/x/y",
        "/denoising/x/" + "0" * 32 + "_denoised.wav",
        "/denoising/../../etc/passwd",
        "/denoising/..%2f..%2fetc%2fpasswd/a",
        "/denoising/x/%00",
        "/denoising/x/" + "0" * 32 + "_original.wav%00",
    ],
)
def test_paths_that_name_no_file_are_a_404(server: Live, path: str) -> None:
    assert httpx2.get(server.url + path).status_code == 404


def test_trickled_headers_are_cut(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.protocols.IDLE_TIMEOUT_S", 0.5)
    with connect(server) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n")
        for _ in range(40):
            time.sleep(0.1)
            try:
                connection.sendall(b"x")
                connection.setblocking(False)
                if connection.recv(10) == b"":
                    return
            except BlockingIOError:
                connection.setblocking(True)
            except OSError:
                return
    pytest.fail("the connection stayed open")


def test_a_trickled_body_is_cut(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.routes.bodies.PATIENCE_S", 0.5)
    with connect(server) as connection:
        connection.sendall(head(server, 10_000_000) + FILE + b"RIFF")
        assert b" 408 " in connection.recv(4096)


def test_health_needs_no_key(live: Live) -> None:
    assert httpx2.get(live.url + "/healthz").json() == {"status": "ok"}
    assert httpx2.get(live.url + "/readyz").json() == {"status": "ready"}
