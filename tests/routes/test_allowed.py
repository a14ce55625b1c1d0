"""A method that a path does not take is told by those that it does take, in each dialect's shape."""

from http.client import HTTPConnection

import httpx2
import pytest

from tests.live import Live


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/denoise", {"GET", "HEAD", "POST"}),
        ("OPTIONS", "/api/v1/denoise/6f1c2d3e-8a4b-4c5d-9e6f-7a8b9c0d1e2f", {"DELETE", "GET", "HEAD"}),
        ("PUT", "/api/v1/admin/users/1/balance", {"GET", "HEAD", "POST"}),
        ("PUT", "/api/v1/uploads/1", {"DELETE", "HEAD", "OPTIONS", "PATCH"}),
        ("GET", "/v1/remove-noise", {"POST"}),
        ("DELETE", "/v1/apiKey/test", {"GET", "HEAD"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
    ],
)
def test_every_method_of_a_path_is_named(live: Live, method: str, path: str, allowed: set[str]) -> None:
    answer = httpx2.request(method, live.url + path, headers={"x-api-key": live.key})
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    if "v1/" in path:
        assert set(answer.json()) == ({"errorCode", "errorMessage"} if path.startswith("/api") else {"detail"})


@pytest.mark.parametrize("path", ["/api/v1/denoise", "/api/v1/uploads/1", "/v1/upload"])
def test_the_key_is_checked_before_the_method(live: Live, path: str) -> None:
    for headers in ({}, {"x-api-key": "wrong"}):
        answer = httpx2.put(live.url + path, headers=headers)
        assert answer.status_code == 401
        assert "Invalid or missing API key" in answer.text
    assert httpx2.options(live.url + "/v1/upload").status_code == 405  # a browser asks without a key


@pytest.mark.parametrize("path", ["/api/v1/denoise/", "//v1/apiKey/test", "/v1//apiKey//test/", "/healthz/"])
def test_additional_slashes_lead_to_the_same_answer_without_a_redirect(live: Live, path: str) -> None:
    """A redirect would name the address behind a proxy, and let the client send its key there."""
    host, port = live.url.removeprefix("http://").split(":")
    connection = HTTPConnection(host, int(port))  # other clients tidy a path
    connection.request("GET", path, headers={"x-api-key": live.key})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("path", ["%0A", "a%0Ab", "%0A/progress", "%0d%0a"])
def test_a_path_with_a_line_end_is_the_dialects_as_well(live: Live, path: str) -> None:
    answer = httpx2.get(f"{live.url}/api/v1/denoise/{path}", headers={"x-api-key": live.key})
    assert (answer.status_code, answer.json()) == (404, {"message": "Denoising job not found"})
    answer = httpx2.get(f"{live.url}/v1/remove-noise/{path.partition('/')[0]}/status", headers={"x-api-key": live.key})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Denoising job not found"})
