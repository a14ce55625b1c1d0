"""A method that a path does not take is told by those that it does take, in each dialect's shape."""

import httpx
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
    answer = httpx.request(method, live.url + path, headers={"x-api-key": live.key})
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == allowed
    if "v1/" in path:
        assert set(answer.json()) == ({"errorCode", "errorMessage"} if path.startswith("/api") else {"detail"})
