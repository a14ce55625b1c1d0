"""What the modules of one dialect share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.audio import ffmpeg, write_noisy
from tests.live import Live, run_live
from tests.peers import Peer, run_peer


@pytest.fixture(scope="session")
def finished(live: Live, noisy_wav: Path) -> dict[str, Any]:
    job_id = live.upload(noisy_wav, "finished.wav")
    live.events(job_id)
    return live.record(job_id)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that may fetch from this machine."""
    with run_live(tmp_path_factory.mktemp("audo"), allowed_networks="127.0.0.0/8", max_upload_mb=20) as live:
        yield live


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp("peer")
    write_noisy(folder / "speech.wav", 1.5, 16_000)
    with run_peer(folder) as peer:
        yield peer


@pytest.fixture(scope="session")
def api(server: Live) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url + "/v1", headers={"x-api-key": server.key}, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mp3")
    source, target = write_noisy(folder / "a.wav", 0.5), folder / "مقابلة 1.mp3"
    ffmpeg("-i", source, target)
    return target


@pytest.fixture(scope="session")
def two_tracks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with two audio tracks that differ in all that a record says of one."""
    path = tmp_path_factory.mktemp("tracks") / "film.mkv"
    inputs = ["testsrc=d=0.4:s=32x32:r=10", "sine=330:d=0.4:r=16000", "sine=660:d=0.8:r=8000"]
    sources = [word for source in inputs for word in ("-f", "lavfi", "-i", source)]
    words = ["-map", "0", "-map", "1", "-map", "2", "-c:a", "flac", "-metadata:s:a:1", "language=ara"]
    ffmpeg(*sources, *words, path)
    return path
