"""A live server for those who need real sockets, and recordings of our own making."""

import os
import shutil
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx2
import pytest

from munsit_denoise.logs import configure_logging
from tests import prepared, services
from tests.audio import write_noisy
from tests.live import Live, run_live
from tests.services import AWS, Databases, new_bucket
from tests.shared import ADDRESS, Keeper, address_of

MEMORY = Path("/dev/shm")  # a disk on which a flush costs nothing: a job flushes a dozen times
NEEDED_BYTES = 3 * 2**30
WAITING = 2  # workers beyond one a core
SHARED = {"postgres": services.shared_postgres, "s3": services.s3_server, prepared.PROGRAMS: prepared.parent}
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", "build/hypothesis")


def pytest_configure(config: pytest.Config) -> None:
    """Keep what workers share, in the process that starts them; put their files where no disk is waited for."""
    if hasattr(config, "workerinput"):
        return
    keeper = Keeper(SHARED)
    os.environ[ADDRESS] = keeper.address
    config.add_cleanup(keeper.close)
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > NEEDED_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_xdist_auto_num_workers() -> int:
    """Let `-n auto` start more workers than there are cores: half of a test's time is waiting."""
    wanted = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return int(wanted) if wanted else cores + WAITING


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
    """Read the authorities' certificates once: it takes a twentieth of a second, and each `httpx2.get` does it anew."""
    with pytest.MonkeyPatch.context() as patch:
        module = httpx2._transports.default
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
def postgres_server() -> Databases:
    """One PostgreSQL for all tests that only make databases in it."""
    if not services.BINARIES:
        pytest.skip("PostgreSQL is not installed")
    return Databases(int(address_of("postgres")))


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """One S3 server for all tests; its credentials are in the environment meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in AWS.items():
            patch.setenv(name, value)
        yield address_of("s3")
