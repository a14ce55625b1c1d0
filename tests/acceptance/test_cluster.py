"""Two web processes and two workers on one PostgreSQL and one object store; whoever is killed, every job ends once."""

import time
from pathlib import Path

import httpx2
import pytest

from munsit_denoise.db.migrate import upgrade
from tests.audio import ffmpeg, write_noisy
from tests.cluster import Ledger, cluster, count_ends, key_for, left_over, rows
from tests.services import Databases, new_bucket

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
JOBS = 12


@pytest.fixture
def shared(postgres_server: Databases, s3_endpoint: str) -> dict[str, str]:
    url = postgres_server.new_database()
    upgrade(url)
    count_ends(url)
    return {"DATABASE_URL": url, "STORAGE_URL": new_bucket(s3_endpoint), "S3_ENDPOINT": s3_endpoint}


def test_whoever_is_killed_every_job_ends_once_and_is_told(tmp_path: Path, shared: dict[str, str]) -> None:
    database_url, storage = shared["DATABASE_URL"], (shared["S3_ENDPOINT"], shared["STORAGE_URL"])
    ledger, key, source = Ledger(), key_for(tmp_path / "key", database_url), write_noisy(tmp_path / "noisy.wav")
    with cluster(tmp_path, shared) as processes:
        first, second, *workers = processes
        for _ in range(JOBS):
            ledger.follow(second.url, key, ledger.submit(first.url, key, source))
        for worker in workers:
            time.sleep(1.5)
            worker.kill()
            worker.start()
        second.kill()
        second.start()
        ledger.wait()
        assert not ledger.faults + left_over(database_url, storage, processes)
        assert len(rows(database_url, "SELECT id FROM denoise_records")) == JOBS
        assert [worker.stop() for worker in workers] == [0, 0]


def test_a_job_that_is_cancelled_on_a_server_stops_on_its_worker(
    tmp_path: Path, shared: dict[str, str], noisy_wav: Path
) -> None:
    database_url, key, ledger = shared["DATABASE_URL"], key_for(tmp_path / "key", shared["DATABASE_URL"]), Ledger()
    long = tmp_path / "long.flac"
    source = ["-f", "lavfi", "-i", "anoisesrc=d=600:c=pink:r=16000:a=0.1"]
    ffmpeg(*source, long)
    with cluster(tmp_path, shared, webs=1, workers=1) as (web, _):
        job_id = ledger.submit(web.url, key, long)
        until = time.monotonic() + 60
        while time.monotonic() < until and not rows(database_url, "SELECT 1 FROM denoise_records WHERE lease > 0"):
            time.sleep(0.1)
        answer = httpx2.post(f"{web.url}/api/v1/denoise/{job_id}/cancel", headers={"x-api-key": key}, timeout=60)
        assert (answer.status_code, answer.json()["error"]) == (200, "The job was cancelled.")
        ledger.follow(web.url, key, ledger.submit(web.url, key, noisy_wav))
        ledger.wait()
        assert not ledger.faults  # the only worker is free again
        cancelled = rows(database_url, "SELECT id, result_key FROM denoise_records WHERE status = 'failed'")
        assert cancelled == [(job_id, None)]
