"""What a cluster goes through: a database that restarts, falls silent or is cut off, a store that fails, processes
that stand still. Every job ends once and is told; a client sees at worst a 503 that says when to come back."""

from collections.abc import Iterator

import pytest

from tests.site import FAULTS, Site, site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
JOBS = 2


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("cluster"), s3_endpoint) as found:
        yield found


@pytest.mark.parametrize("name", FAULTS)
def test_every_job_ends_once_and_is_told(here: Site, name: str) -> None:
    assert not here.outlasts(FAULTS[name], JOBS).faults
