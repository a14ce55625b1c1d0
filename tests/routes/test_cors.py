"""Pages of other origins: preflights without a key, and what they may read of every answer."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from munsit_denoise.app import create_app
from munsit_denoise.routes.cors import TOLD, TUS_TOLD
from tests.databases import migrate
from tests.live import create_key, make_settings

PAGE = "https://app.example.org"
ASKED = "x-api-key, content-type, idempotency-key, tus-resumable, upload-length, upload-offset, upload-metadata"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    """An app that this page may call, and a key for it."""
    origins = f"{PAGE}, http://localhost:5173, https://Other.Example:443"
    settings = make_settings(tmp_path_factory.mktemp("cors"), cors_origins=origins)
    migrate(settings.database)
    key = create_key(settings, "tester")
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client, key


def preflight(client: TestClient, path: str, method: str, origin: str = PAGE, asked: str = ASKED) -> httpx2.Response:
    headers = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": asked}
    return client.options(path, headers=headers)


@pytest.mark.parametrize("path", ["/api/v1/denoise", "/v1/upload", "/api/v1/uploads/x", "/v1/remove-noise", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "HEAD"])
def test_preflights_need_no_key(served: tuple[TestClient, str], path: str, method: str) -> None:
    answer = preflight(served[0], path, method)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    allowed = {name.lower() for name in answer.headers["access-control-allow-headers"].split(", ")}
    assert set(ASKED.split(", ")) <= allowed
    assert "Origin" in answer.headers["vary"]


def test_preflights_of_others_are_refused(served: tuple[TestClient, str]) -> None:
    for origin in ("https://evil.example", "null", PAGE + ".evil.example", PAGE + ":8443"):
        answer = preflight(served[0], "/api/v1/denoise", "POST", origin)
        assert answer.status_code == 400
        assert "access-control-allow-origin" not in answer.headers
    assert preflight(served[0], "/api/v1/denoise", "POST", "https://other.example").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"), [("/api/v1/denoise", 200), ("/api/v1/x", 404), ("/denoising/a/b", 404), ("/v1/upload", 405)]
)
def test_every_answer_may_be_read(served: tuple[TestClient, str], path: str, status: int) -> None:
    client, key = served
    for headers, expected in (({"x-api-key": key}, status), ({"x-api-key": "wrong"}, None)):
        answer = client.get(path, headers=headers | {"origin": PAGE})
        assert answer.status_code == expected or expected is None
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert answer.headers["access-control-expose-headers"] == ", ".join((*TOLD, *TUS_TOLD))
        assert "Origin" in answer.headers["vary"]
    answer = client.get(path, headers={"x-api-key": key, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_a_crash_may_be_read_as_well(served: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("munsit_denoise.jobs.history.History.page", broken)
    answer = served[0].get("/api/v1/denoise?limit=1", headers={"x-api-key": served[1], "origin": PAGE})
    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_without_origins_nothing_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = make_settings(tmp_path_factory.mktemp("none"))
    migrate(settings.database)
    with closing(TestClient(create_app(settings))) as client, client:
        plain, asked = client.get("/api/v1/denoise"), client.get("/api/v1/denoise", headers={"origin": PAGE})
        assert {name for name in asked.headers if name != "x-request-id"} == {
            name for name in plain.headers if name != "x-request-id"
        }
        assert not any(name.startswith("access-control") or name == "vary" for name in asked.headers)
        assert preflight(client, "/api/v1/denoise", "POST").status_code == 405


def test_any_origin(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = make_settings(tmp_path_factory.mktemp("any"), cors_origins="*")
    migrate(settings.database)
    with TestClient(create_app(settings)) as client:
        assert preflight(client, "/v1/upload", "POST", "https://any.example").status_code == 200
        answer = client.get("/api/v1/denoise", headers={"origin": "null"})
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "*"
