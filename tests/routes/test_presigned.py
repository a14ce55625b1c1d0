"""Downloads that clients are sent to the object store for."""

from pathlib import Path

import httpx2

from tests.live import run_live
from tests.services import new_bucket


def test_a_client_is_sent_to_the_store_where_that_is_wanted(tmp_path: Path, noisy_wav: Path, s3_endpoint: str) -> None:
    settings = {"storage_url": new_bucket(s3_endpoint), "s3_endpoint": s3_endpoint, "downloads": "presigned"}
    with run_live(tmp_path / "data", **settings) as live:
        job_id = live.upload(noisy_wav)
        assert live.events(job_id)[-1]["stage"] == "done"
        url = live.record(job_id)["original_audio_url"]
        answer = httpx2.get(url)
        assert answer.status_code == 307
        assert answer.headers["location"].startswith(s3_endpoint)
        assert httpx2.get(answer.headers["location"]).content == noisy_wav.read_bytes()
