"""A server as a whole: what cannot go on stops it, an order to stop gives jobs back first, trouble is a 503."""

import errno
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from munsit_denoise import work
from munsit_denoise.errors import CannotGoOn, DatabaseBusy, StorageBroken
from munsit_denoise.jobs.intake import Received
from munsit_denoise.metrics import Metrics
from munsit_denoise.records import Options, Origin
from munsit_denoise.routes.munsit.message import message
from munsit_denoise.server import create_server
from munsit_denoise.services import Services, open_services
from munsit_denoise.settings import Settings
from tests.audio import write_noisy
from tests.databases import migrate
from tests.jobs.conftest import Passthrough
from tests.live import create_key, make_settings, run_live


@pytest.fixture
def slow_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes its time for each block."""

    async def load(_: Settings) -> Any:
        return lambda _, __: Passthrough(lambda: time.sleep(0.1))

    monkeypatch.setattr(work, "load_engine", load)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Services]:
    settings = make_settings(folder)
    migrate(settings.database)
    async with open_services(settings, Metrics(), lambda error: None, write_webhook=message) as services:
        yield services


async def submitted(services: Services, user_id: str, seconds: float) -> str:
    async def receive(path: Path) -> Received:
        write_noisy(path.with_suffix(".wav"), seconds, 8000).replace(path)
        return Received("a.wav", path.stat().st_size)

    record = await services.submission.submit(user_id, Origin.MUNSIT, Options("wav"), receive)
    return record.id


@pytest.mark.anyio
async def test_a_stop_gives_running_jobs_back_before_connections_are_waited_for(
    tmp_path: Path, slow_engine: None
) -> None:
    settings = make_settings(tmp_path)
    async with opened(tmp_path) as services:
        key = await anyio.to_thread.run_sync(create_key, settings, "somebody")
        identity = await services.access.identify(key)
        assert identity
        job_id = await submitted(services, identity.user_id, 60)
        with anyio.fail_after(10):
            while (await services.history.get(identity.user_id, job_id)).attempts != 1:
                await anyio.sleep(0.01)
            services.stop()  # the server waits for connections from here on
            while (await services.history.get(identity.user_id, job_id)).attempts != 0:
                await anyio.sleep(0.01)
        record = await services.history.get(identity.user_id, job_id)
        assert (record.status, record.error) == ("pending", None)
    assert [path.name for path in settings.storage_root.rglob("*") if path.is_file()] == ["original"]


def test_a_model_that_cannot_be_loaded_stops_the_server_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.ENOENT, "No such file", "denoiser.safetensors")

    monkeypatch.setattr("munsit_denoise.engine.open.open_engine", broken)
    settings = make_settings(tmp_path)
    migrate(settings.database)
    server = create_server(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        thread.join(30)
    assert not thread.is_alive()
    assert isinstance(server.failure, CannotGoOn)
    assert str(server.failure).startswith("The model cannot be loaded: ")
    assert "denoiser.safetensors" in str(server.failure)


def test_a_storage_of_another_database_stops_the_start_and_is_left_alone(tmp_path: Path, slow_engine: None) -> None:
    """One typo in DATABASE_URL at one start used to delete every recording."""
    with run_live(tmp_path / "data", "/healthz") as live:
        job_id = live.upload(write_noisy(tmp_path / "a.wav", 0.2))
        live.events(job_id)
        before = live.files()
    other = make_settings(tmp_path / "data", database_url=f"sqlite:///{tmp_path / 'typo.db'}")
    migrate(other.database)
    server = create_server(other)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.run(sockets=[listener])
    assert isinstance(server.failure, CannotGoOn)
    assert live.files() == before


def test_trouble_of_storage_and_database_is_a_503_that_says_when_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow_engine: None
) -> None:
    monkeypatch.setattr("munsit_denoise.jobs.health.MEMORY_S", 0)
    with run_live(tmp_path / "data") as live:
        path = write_noisy(tmp_path / "a.wav", 0.2)
        job_id = live.upload(path)
        live.events(job_id)
        result = live.record(job_id)["audio_url"]

        def fail(*_: Any, **__: Any) -> Any:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as broken:
            for name in ("make_folder", "publish", "link", "remove_tree", "write_probe"):
                broken.setattr(f"munsit_denoise.storage.folders.{name}", fail)
            upload = live.client.post("/denoise", files={"audio": ("a.wav", path.read_bytes())})
            audo = live.client.post(live.url + "/v1/upload", files={"file": ("a.wav", path.read_bytes())})
            deleted = live.client.post(f"{live.url}/v1/remove-noise/{job_id}/delete-results")
            ready = httpx2.get(live.url + "/readyz")
        for answer in (upload, audo, deleted):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert upload.json()["errorMessage"] == audo.json()["detail"] == StorageBroken.message
        assert (ready.status_code, ready.json()["down"]) == (503, ["storage"])
        assert live.client.get(result).status_code == 410
        assert httpx2.get(live.url + "/readyz").status_code == 200
        with monkeypatch.context() as broken:
            broken.setattr("munsit_denoise.db.records.Records.get_own", _busy)
            answer = live.client.get(f"/denoise/{job_id}/progress")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


async def _busy(*_: object) -> Any:
    raise DatabaseBusy
