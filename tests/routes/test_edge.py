"""What every answer carries, and answers in the dialect's shape where a request or the server breaks off."""

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from munsit_denoise.app import create_app
from tests.live import Live, make_settings, run_waiting
from tests.routes.audo import upload

JSON_PATHS = ["/healthz", "/api/v1/denoise", "/api/v1/nothing", "/v1/nothing", "/v1/apiKey/test"]
OTHER_PATHS = ["/", "/denoising/a/b", "/v1/dl/artifacts/clean/x", "/docs/none"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", JSON_PATHS + OTHER_PATHS)
def test_every_answer_is_private_and_not_to_be_guessed_at(live: Live, method: str, path: str) -> None:
    answer = httpx2.request(method, live.url + path)
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers.get_list("cache-control") == ["private, no-cache"]


def test_streams_lists_and_downloads_keep_their_own(live: Live, finished: dict[str, Any]) -> None:
    listed = live.client.get("/denoise")
    with live.client.stream("GET", f"/denoise/{finished['id']}/progress") as stream:
        pass
    download = httpx2.get(finished["audio_url"])
    found = [answer.headers["cache-control"] for answer in (listed, stream, download)]
    assert found == ["private, no-cache", "no-cache", "private, max-age=3600"]
    assert {answer.headers["x-content-type-options"] for answer in (listed, stream, download)} == {"nosniff"}


@pytest.mark.anyio
async def test_a_crash_answers_with_them_too(tmp_path: Path) -> None:
    async def crash(_: Request) -> Response:
        raise RuntimeError("a bug")

    app = create_app(make_settings(tmp_path))
    app.router.routes.append(Route("/crash", crash))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/crash")
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (500, "nosniff")


@pytest.mark.parametrize(
    "body",
    [b'{"input":"\\ud800"}', b'{"input":"a","outputExtension":"\\udfff"}', b'{"input":"https://a.example/\\udc00"}'],
)
def test_half_a_surrogate_pair_is_a_422(api: httpx2.Client, body: bytes) -> None:
    answer = api.post("/remove-noise", content=body)
    assert (answer.status_code, list(answer.json())) == (422, ["detail"])
    assert "surrogate" in answer.json()["detail"]


def test_an_upload_whose_file_is_gone_is_a_404(server: Live, api: httpx2.Client, mp3: Path) -> None:
    file_id = upload(api, mp3)
    [path] = [path for path in server.files() if file_id in str(path)]
    path.unlink()
    answer = api.post("/remove-noise", json={"input": file_id})
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no such file. Please upload it again."})


@pytest.mark.parametrize("extension", ["x" * 60_000, "../../a", "w v"])
def test_an_input_extension_that_is_none_is_a_422(api: httpx2.Client, extension: str) -> None:
    answer = api.post("/upload", params={"inputExt": extension}, files={"file": ("a", b"x")})
    assert (answer.status_code, answer.json()["detail"][:8]) == (422, "inputExt")


def test_an_input_extension_stands_in_where_the_name_has_none(server: Live, api: httpx2.Client, mp3: Path) -> None:
    answer = api.post("/upload", params={"inputExt": ".mp3"}, files={"file": ("New Recording 1.2", mp3.read_bytes())})
    job = api.post("/remove-noise", json={"input": answer.json()["fileId"]}).json()["jobId"]
    record = server.record(job)
    assert (record["file_name"], record["audio_format"]) == ("New Recording 1.2.mp3", "mp3")


def test_uploads_are_counted_by_user_and_those_that_the_server_stops_on_are_told(
    tmp_path: Path, mp3: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.routes.bodies.STOP_GRACE_S", 0.3)
    with run_waiting(tmp_path, max_uploads_per_user=2) as live:
        headers, url = {"x-api-key": live.key}, live.url + "/v1"
        files = [("file", (mp3.name, mp3.read_bytes()))]
        answers = [httpx2.post(f"{url}/upload", headers=headers, files=files) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert int(answers[2].headers["retry-after"]) > 0
        assert "uploads" in answers[2].json()["detail"]
        other = {"x-api-key": live.new_key("other")}
        assert httpx2.post(f"{url}/upload", headers=other, files=files).status_code == 200
        job = httpx2.post(f"{url}/remove-noise", headers=headers, json={"input": answers[0].json()["fileId"]})
        assert job.status_code == 200
        assert httpx2.post(f"{url}/upload", headers=headers, files=files).status_code == 200  # that one waits no more
        cut = [begin_upload(live, path) for path in ("/api/v1/denoise", "/v1/remove-noise", "/v1/remove-noise")]
        busy = threading.Thread(target=send_on, args=(cut[-1],))
        busy.start()
        time.sleep(0.2)
    busy.join()
    munsit, *audo = (read_all(connection) for connection in cut)
    for answer, key in ((munsit, b'{"errorCode":"50301","errorMessage":"'), *((a, b'{"detail":"') for a in audo)):
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: " in answer
        assert key + b"The server is restarting." in answer


def begin_upload(live: Live, path: str) -> socket.socket:
    """Return a connection on which an upload has begun and will not go on."""
    host, port = live.url.removeprefix("http://").split(":")
    lines = [f"POST {path} HTTP/1.1", "host: x", f"x-api-key: {live.key}", "content-length: 100000000"]
    lines += ["content-type: multipart/form-data; boundary=b", "", "--b"]
    lines += ['content-disposition: form-data; name="audio"; filename="a.wav"', "", "RIFF"]
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall("\r\n".join(lines).encode())
    return connection


def send_on(connection: socket.socket) -> None:
    """Go on with an upload until the server does not want it any more."""
    with suppress(OSError):
        for _ in range(200):
            connection.sendall(bytes(10_000))
            time.sleep(0.01)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with connection:
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.mark.anyio
async def test_a_json_body_that_does_not_come_is_a_408(server: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.routes.bodies.JSON_TIMEOUT_S", 0.3)

    async def body() -> Any:
        yield b"{"
        await anyio.sleep(2)
        yield b"}"

    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{server.url}/v1/remove-noise", headers={"x-api-key": server.key}, content=body())
    assert (answer.status_code, list(answer.json())) == (408, ["detail"])
