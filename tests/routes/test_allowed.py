"""A method that a path does not take is told by those that it does take, in each dialect's shape."""

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


@pytest.mark.parametrize("path", ["%0A", "a%0Ab", "%0A/progress", "%0d%0a"])
def test_a_path_with_a_line_end_is_the_dialects_as_well(live: Live, path: str) -> None:
    answer = httpx2.get(f"{live.url}/api/v1/denoise/{path}", headers={"x-api-key": live.key})
    assert (answer.status_code, answer.json()) == (404, {"message": "Denoising job not found"})
    answer = httpx2.get(f"{live.url}/v1/remove-noise/{path.partition('/')[0]}/status", headers={"x-api-key": live.key})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Denoising job not found"})
