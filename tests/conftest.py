"""A live server for those who need real sockets, and recordings of our own making."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx
import httpx2
import pytest

from munsit_denoise.logs import configure_logging
from tests.audio import write_noisy
from tests.live import Live, run_live
from tests.services import AWS, Postgres, new_bucket, postgres, s3_server

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", "build/hypothesis")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _log() -> Iterator[None]:
    """Let every line of the log be made, and nobody see it."""
    with Path(os.devnull).open("w") as nowhere:
        configure_logging("info", "json", nowhere)
        yield
        configure_logging("error")


@pytest.fixture(scope="session", autouse=True)
def _certificates() -> Iterator[None]:
    """Read the authorities' certificates once: it takes a twentieth of a second, and each `httpx.get` does it anew."""
    with pytest.MonkeyPatch.context() as patch:
        for library in (httpx, httpx2):
            module = library._transports.default
            patch.setattr(module, "create_ssl_context", cache(module.create_ssl_context))
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--deployment", choices=("alone", "cluster"), default="alone", help="what `live` stands on")


@pytest.fixture(scope="session")
def deployment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of what a live server stands on: SQLite and a folder, or PostgreSQL and an object store."""
    if request.config.getoption("--deployment") == "alone":
        return {}
    postgres_server = request.getfixturevalue("postgres_server")
    endpoint = request.getfixturevalue("s3_endpoint")
    return {
        "database_url": postgres_server.new_database(),
        "storage_url": new_bucket(endpoint),
        "s3_endpoint": endpoint,
    }


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory, deployment: dict[str, str]) -> Iterator[Live]:
    """One server for all tests that only add to it."""
    with run_live(tmp_path_factory.mktemp("live"), **deployment) as server:
        yield server


@pytest.fixture(scope="session")
def noisy_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("audio") / "noisy.wav", seconds=2.0)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests that only make databases in it."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """One S3 server for all tests; its credentials are in the environment meanwhile."""
    with s3_server() as endpoint, pytest.MonkeyPatch.context() as patch:
        for name, value in AWS.items():
            patch.setenv(name, value)
        yield endpoint
