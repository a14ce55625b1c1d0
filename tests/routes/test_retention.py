"""What is not kept any more answers 410, and no URL of it is told."""

import time
from pathlib import Path

import httpx2
import pytest

from munsit_denoise.records import NOT_KEPT
from tests.live import Live, run_live
from tests.routes.audo import states

LOOKS = ("report", "residual", "tiles")


@pytest.mark.parametrize("kind", ["results", "originals"])
def test_files_that_went_answer_410(tmp_path: Path, noisy_wav: Path, kind: str) -> None:
    with run_live(tmp_path, **{f"keep_{kind}_days": 2 / 86_400}) as server:
        job_id = server.upload(noisy_wav)
        end = server.events(job_id)[-1]
        _wait_until_gone(server, job_id, kind)
        record = server.record(job_id)
        assert record["status"] == "success"
        assert server.client.get(f"/denoise/{job_id}").json() == record
        assert httpx2.get(record["original_audio_url"]).status_code == (410 if kind == "originals" else 200)
        looks = {name: server.client.get(f"/denoise/{job_id}/{name}").status_code for name in LOOKS}
        assert looks == {"report": 200 if kind == "originals" else 410, "residual": 410, "tiles": 410}
        assert not [path for path in server.files() if path.name.startswith("tiles")]
        kept = sum(path.stat().st_size for path in server.files() if job_id in str(path))
        assert server.client.get("/usage").json()["bytes_stored"] == kept
        if kind == "originals":
            assert httpx2.get(record["audio_url"]).status_code == 200
            assert server.events(job_id) == [end]
        else:
            assert record["audio_url"] is None
            assert httpx2.get(end["url"]).status_code == 410
            assert server.events(job_id) == [{"stage": "error", "message": NOT_KEPT}]
            assert states(server, job_id) == [{"state": "failed", "reason": NOT_KEPT}]


def _wait_until_gone(server: Live, job_id: str, kind: str) -> None:
    name = "original" if kind == "originals" else "denoised"
    for _ in range(600):
        if not any(path.name.startswith(name) for path in server.files() if job_id in str(path)):
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")
