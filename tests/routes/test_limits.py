"""What a 429 of a limit says, in both dialects, and whom it leaves alone."""

import socket as sockets
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx2
import pytest
from starlette.datastructures import Address
from starlette.requests import HTTPConnection
from websocket import WebSocket, WebSocketBadStatusException, create_connection

from munsit_denoise.db.keys import new_key
from munsit_denoise.routes.limits import address_of
from tests.live import Live, run_waiting

LIMIT, STREAMS = 12, 2
WRONG_KEY_MESSAGE = "Too many wrong API keys came from this address. Please check the key and try again later."


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    overrides = {"rate_limit": LIMIT, "max_streams_per_key": STREAMS, "allowed_networks": "127.0.0.0/8"}
    with run_waiting(tmp_path_factory.mktemp("limited"), **overrides) as server:
        yield server


@pytest.fixture(scope="module")
def job_id(limited: Live) -> Iterator[str]:
    """A job of the tester's whose original comes from a server that says nothing."""
    with sockets.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.wav"
        headers = {"x-api-key": limited.key}
        answer = httpx2.post(limited.url + "/v1/remove-noise", json={"input": url}, headers=headers)
        yield answer.json()["jobId"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def check_headers(answer: httpx2.Response, name: str, allowance: str) -> None:
    assert answer.status_code == 429
    wait_s = int(answer.headers["retry-after"])
    assert 1 <= wait_s <= 60
    assert answer.headers["ratelimit-policy"] == f'"{name}";{allowance}'
    assert answer.headers["ratelimit"] == f'"{name}";r=0;t={wait_s}'


def socket(limited: Live, key: str, job_id: str, **headers: str) -> WebSocket:
    url = limited.url.replace("http", "ws") + f"/v1/wss/remove-noise/{job_id}/status"
    return create_connection(url, header={"x-api-key": key, **headers}, timeout=30)


def test_a_key_that_passes_its_rate_is_told_when_to_come_back(limited: Live) -> None:
    key, other = limited.new_key("rated"), limited.new_key("rated")
    with httpx2.Client(base_url=limited.url, headers={"x-api-key": key}) as client:
        answers = [client.get("/api/v1/denoise" if n % 2 else "/v1/apiKey/test") for n in range(LIMIT)]
        assert {answer.status_code for answer in answers} == {200}
        assert not any("ratelimit" in answer.headers for answer in answers)
        munsit, audo = client.get("/api/v1/denoise"), client.get("/v1/apiKey/test")
        assert client.get("/healthz").status_code == 200  # needs no key
        assert client.get("/v1/apiKey/test", headers={"x-api-key": other}).status_code == 200
    for answer in (munsit, audo):
        check_headers(answer, "requests", f"q={LIMIT};w=60")
    assert set(munsit.json()) == {"errorCode", "errorMessage"}
    assert munsit.json()["errorCode"] == "42901"
    assert audo.json() == {"detail": munsit.json()["errorMessage"]}
    with pytest.raises(WebSocketBadStatusException) as refused:
        socket(limited, key, "any")
    assert refused.value.status_code == 429
    assert refused.value.resp_headers["ratelimit-policy"] == f'"requests";q={LIMIT};w=60'
    assert refused.value.resp_body == audo.content


def test_streams_and_sockets_of_a_key_are_bounded_together(limited: Live, job_id: str) -> None:
    key = limited.new_key("tester")
    client = httpx2.Client(base_url=limited.url, headers={"x-api-key": key}, timeout=30)
    progress = f"/api/v1/denoise/{job_id}/progress"
    with client, ExitStack() as stack:
        lines = stack.enter_context(client.stream("GET", progress)).iter_lines()
        assert next(lines).startswith("data: ")
        listening = socket(limited, key, job_id)
        assert listening.recv()
        refused = client.get(progress)
        check_headers(refused, "streams", f'q={STREAMS};qu="concurrent-requests"')
        assert refused.json()["errorCode"] == "42901"
        with pytest.raises(WebSocketBadStatusException) as no_socket:
            socket(limited, key, job_id)
        assert no_socket.value.status_code == 429
        assert {"retry-after", "ratelimit-policy", "ratelimit"} <= set(no_socket.value.resp_headers)
        with limited.client.stream("GET", f"/denoise/{job_id}/progress") as of_another_key:
            assert of_another_key.status_code == 200
        listening.close()
        assert _comes_free(client, progress)


def _comes_free(client: httpx2.Client, path: str) -> bool:
    """Say whether a stream can be opened again once the server has seen that another one was closed."""
    for _ in range(100):
        with client.stream("GET", path) as answer:
            if answer.status_code == 200:
                return True
        time.sleep(0.05)
    return False


def test_wrong_keys_of_an_address_are_bounded_and_right_ones_go_on(limited: Live, stack: ExitStack) -> None:
    here, there = {"x-forwarded-for": "192.0.2.7"}, {"x-forwarded-for": "192.0.2.8"}
    client = stack.enter_context(httpx2.Client(base_url=limited.url))

    def ask(path: str, key: str | None, address: dict[str, str]) -> httpx2.Response:
        return client.get(path, headers=address | ({"x-api-key": key} if key else {}))

    for _ in range(3):
        assert ask("/api/v1/denoise", None, here).status_code == 401  # counts for nothing
    answers = [ask("/api/v1/denoise" if n % 2 else "/v1/apiKey/test", new_key(), here) for n in range(20)]
    assert {answer.status_code for answer in answers} == {401}
    munsit, audo = ask("/api/v1/denoise", new_key(), here), ask("/v1/apiKey/test", "mds_x", here)
    for answer in (munsit, audo):
        check_headers(answer, "wrong-keys", "q=20;w=60")
    assert munsit.json() == {"errorCode": "42901", "errorMessage": WRONG_KEY_MESSAGE}
    assert audo.json() == {"detail": WRONG_KEY_MESSAGE}
    with pytest.raises(WebSocketBadStatusException) as refused:
        socket(limited, "wrong", "any", **here)
    assert refused.value.status_code == 429
    assert ask("/api/v1/denoise", None, here).status_code == 401
    assert ask("/api/v1/denoise", limited.new_key("right"), here).status_code == 200
    assert ask("/api/v1/denoise", new_key(), there).status_code == 401


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::"),
        ("something" * 50, ("something" * 50)[:64]),
        (None, ""),
    ],
)
def test_an_address_is_counted_by_its_network(client: str | None, address: str) -> None:
    scope = {"type": "http", "headers": [], "client": Address(client, 1) if client else None}
    assert address_of(HTTPConnection(scope)) == address


def test_metrics_are_for_whom_the_trusted_proxy_names(limited: Live) -> None:
    assert httpx2.get(limited.url + "/metrics").status_code == 200
    assert httpx2.get(limited.url + "/metrics", headers={"x-forwarded-for": "192.0.2.9"}).status_code == 404
