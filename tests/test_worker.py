"""A worker that cannot work says why, in one sentence."""

from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.migrate import upgrade
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.storage.local import LocalStorage
from munsit_denoise.worker import ALONE, NO_PLACE, run_worker
from tests.live import make_settings
from tests.services import Postgres


@pytest.mark.parametrize(
    ("database_url", "job_concurrency", "told"),
    [("", 1, ALONE), ("postgresql://a@127.0.0.1:1/none", 0, NO_PLACE)],
)
def test_settings_with_which_a_worker_would_run_nothing(
    tmp_path: Path, database_url: str, job_concurrency: int, told: str
) -> None:
    with pytest.raises(CannotGoOn, match=told.partition(".")[0]):
        run_worker(make_settings(tmp_path, database_url=database_url, job_concurrency=job_concurrency))


def test_a_storage_of_another_installation_is_refused_with_a_sentence(
    tmp_path: Path, postgres_server: Postgres
) -> None:
    url, storage = postgres_server.new_database(), LocalStorage(tmp_path / "files")
    upgrade(url)
    job = storage.path("ffffffff-0000-4000-8000-000000000000")
    job.mkdir(parents=True)
    (job / "original").write_bytes(b"somebody's")
    anyio.run(storage.name_installation, "theirs")
    with pytest.raises(CannotGoOn, match="holds recordings that this database does not know"):
        run_worker(make_settings(tmp_path, database_url=url, storage_url=f"file://{storage.root}"))
