"""What the processes of a cluster load: a worker nothing of the web, a web host nothing of the model."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from munsit_denoise.db.migrate import upgrade
from tests.audio import write_noisy
from tests.live import create_key, make_settings, wait_ready
from tests.services import Databases, free_port, new_bucket

OF_THE_WEB = {"starlette", "uvicorn", "sse_starlette", "httptools", "websockets"}
OF_THE_MODEL = {"torch", "torchaudio", "safetensors"}


def start(folder: Path, command: str, **settings: str) -> tuple[subprocess.Popen[bytes], Path]:
    """Start a process that writes down what it imports; return it, and where."""
    own = {"DATA_DIR": str(folder), "THREADS": "1", "DISK_RESERVE_MB": "0", **settings}
    environment = os.environ | {f"DENOISE_{name}": value for name, value in own.items()}
    written = folder.parent / f"{folder.name}.log"
    with written.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "munsit_denoise", command],
            env=environment,
            stdout=log,
            stderr=log,
        )
    return process, written


def imported(written: Path) -> set[str]:
    """Return the packages that were imported."""
    return set(re.findall(r"^import time:[\s\d|]+\|\s+(\w+)", written.read_text(), re.MULTILINE))


@pytest.mark.slow
def test_a_worker_loads_nothing_of_the_web_and_a_web_host_nothing_of_the_model(
    tmp_path: Path, postgres_server: Databases, s3_endpoint: str
) -> None:
    url, port = postgres_server.new_database(), free_port()
    upgrade(url)
    shared = {"DATABASE_URL": url, "STORAGE_URL": new_bucket(s3_endpoint), "S3_ENDPOINT": s3_endpoint}
    key = create_key(make_settings(tmp_path / "key", database_url=url), "ann")
    web, web_log = start(tmp_path / "web", "serve", PORT=str(port), JOB_CONCURRENCY="0", **shared)
    worker, worker_log = start(tmp_path / "worker", "worker", **shared)
    try:
        wait_ready(f"http://127.0.0.1:{port}")
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}/api/v1", headers={"x-api-key": key}, timeout=60
        ) as client:
            with write_noisy(tmp_path / "a.wav", 0.3, 8000).open("rb") as file:
                job_id = client.post("/denoise", files={"audio": ("a.wav", file)}).json()["denoiseId"]
            until = time.monotonic() + 60
            while client.get(f"/denoise/{job_id}").json()["status"] == "pending" and time.monotonic() < until:
                time.sleep(0.1)
            assert client.get(f"/denoise/{job_id}").json()["status"] == "success"
    finally:
        for process in (web, worker):
            process.terminate()
        for process in (web, worker):
            process.wait(60)
    found = {"web": imported(web_log), "worker": imported(worker_log)}
    assert "munsit_denoise" in found["web"] & found["worker"]
    assert found["worker"] | {"torchaudio", "safetensors"} >= OF_THE_MODEL
    assert not found["worker"] & OF_THE_WEB
    assert not found["web"] & OF_THE_MODEL
