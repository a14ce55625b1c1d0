"""The Python client against a live server, whole and over connections that break."""

import io
import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
import soundfile

from munsit_denoise_client import (
    AsyncClient,
    Client,
    ConnectionLost,
    Done,
    InvalidKey,
    InvalidRequest,
    NotFinished,
    NotFound,
    Patience,
    Processing,
)
from tests.audio import write_noisy
from tests.clients.cutting import cutting
from tests.clients.scripted import scripted
from tests.live import Live, run_live

PACKAGE = Path(__file__).parents[2] / "clients/python/munsit_denoise_client"
ONCE = Patience(retries=0)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("client") / 'sagt "ä".wav', 0.3)


@pytest.fixture(scope="module")
def done(live: Live, recording: Path) -> Done:
    """A job that has ended."""
    with Client(live.url, live.key) as client:
        return client.wait(client.submit(recording))


def test_enhances_a_file_and_tells_how_far_it_is(live: Live, recording: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with Client(live.url + "/api/v1/", live.key) as client:  # with the base, and without
        path = client.enhance(recording, tmp_path / "clean.wav", on_progress=lambda *so_far: told.append(so_far))
        assert client.list(limit=1)[0].file_name == recording.name
    assert path == tmp_path / "clean.wav"
    assert soundfile.info(path).frames == soundfile.info(recording).frames
    assert told[-1] == (recording.stat().st_size,) * 2
    assert [*tmp_path.iterdir()] == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.anyio
async def test_does_the_same_in_a_loop(live: Live, recording: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    async with AsyncClient(live.url, live.key) as client:
        job_id = await client.submit(recording, on_progress=lambda *so_far: told.append(so_far))
        events = [event async for event in client.watch(job_id)]
        assert await client.wait(job_id) == events[-1]
        await client.download(events[-1], tmp_path / "clean.wav")
        assert (await client.list(limit=1))[0].id == job_id
    assert all(isinstance(event, Processing) for event in events[:-1])
    assert told[-1] == (recording.stat().st_size,) * 2
    assert soundfile.info(tmp_path / "clean.wav").frames == soundfile.info(recording).frames


def test_works_on_trio_as_well() -> None:
    source = "".join(path.read_text() for path in PACKAGE.glob("*.py"))
    assert "import asyncio" not in source


def test_sends_open_files_and_pipes(live: Live, recording: Path) -> None:
    reading, writing = os.pipe()
    thread = threading.Thread(target=lambda: Path(f"/dev/fd/{writing}").write_bytes(recording.read_bytes()))
    with Client(live.url, live.key) as client:
        client.submit(io.BytesIO(recording.read_bytes()), file_name="a.wav")
        with os.fdopen(reading, "rb") as pipe:
            thread.start()
            thread.join()
            os.close(writing)
            client.submit(pipe)
        names = [record.file_name for record in client.list(limit=2)]
    assert names == ["recording", "a.wav"]


def test_iterates_page_after_page(live: Live, done: Done) -> None:
    with Client(live.url, live.key) as client:
        whole = [record.id for record in client.list()]
        assert [record.id for record in client.iterate(page=2)] == whole
        assert done.id in whole


def test_errors_have_a_class_a_status_and_a_code(live: Live, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound at all")
    with Client(live.url, live.key, patience=ONCE) as client:
        with pytest.raises(InvalidRequest, match="No audio could be found") as refused:
            client.submit(tmp_path / "a.wav")
        with pytest.raises(NotFound) as unknown:
            next(client.watch("nope"))
        with pytest.raises(TypeError, match="There is no option lodness"):
            client.submit(tmp_path / "a.wav", lodness=-16)
        with pytest.raises(FileNotFoundError):
            client.submit(tmp_path / "missing.wav")
    assert (refused.value.status, refused.value.code) == (400, "40001")
    assert (unknown.value.status, unknown.value.message) == (404, "Denoising job not found")
    with Client(live.url, "wrong") as client, pytest.raises(InvalidKey) as wrong:
        client.list()
    assert (wrong.value.status, wrong.value.code) == (401, "40101")


def test_an_address_without_a_server_is_an_error_of_its_own() -> None:
    with pytest.raises(ValueError, match="must start with http"):
        Client("localhost:8000", "key")
    with Client("http://127.0.0.1:9", "key", patience=ONCE) as client, pytest.raises(ConnectionLost):
        client.list()


def test_a_download_goes_on_where_the_connection_broke(live: Live, done: Done, tmp_path: Path) -> None:
    told: list[int] = []
    with cutting(live.url) as way, Client(live.url, live.key) as client:
        whole = client.download(done, tmp_path / "whole.wav").read_bytes()
        way.cuts_down = [2000, 4000, 3000]
        broken = Done(done.id, done.url.replace(live.url, way.url))
        client.download(broken, tmp_path / "clean.wav", on_progress=lambda sofar, _: told.append(sofar))
    assert (tmp_path / "clean.wav").read_bytes() == whole
    assert way.connections == 4
    assert told == sorted(told)  # it never began anew
    assert {path.name for path in tmp_path.iterdir()} == {"whole.wav", "clean.wav"}


def test_a_download_that_fails_leaves_what_was_there(live: Live, done: Done, tmp_path: Path) -> None:
    (tmp_path / "clean.wav").write_text("before")
    with cutting(live.url) as way, Client(live.url, live.key, patience=ONCE) as client:
        way.cuts_down = [2000]
        with pytest.raises(ConnectionLost):
            client.download(Done(done.id, done.url.replace(live.url, way.url)), tmp_path / "clean.wav")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"clean.wav": "before"}


def test_the_key_goes_to_the_server_alone(live: Live, done: Done, tmp_path: Path) -> None:
    with scripted() as elsewhere, Client(live.url, live.key) as client:
        elsewhere.answer(200, b"sound")
        client.download(Done(done.id, elsewhere.url + "/clean.wav"), tmp_path / "clean.wav")
        assert "x-api-key" not in elsewhere.asked[0].headers


def test_watching_goes_on_over_broken_connections(tmp_path: Path) -> None:
    path = write_noisy(tmp_path / "a.wav", 20)
    with run_live(tmp_path / "data") as live, cutting(live.url) as way, Client(way.url, live.key) as client:
        job_id = client.submit(path)
        way.cuts_down = [330, 400]
        client.close()  # its next connection is the first that is cut
        with Client(way.url, live.key) as watcher:
            events = list(watcher.watch(job_id))
    assert isinstance(events[-1], Done)
    assert all(isinstance(event, Processing) for event in events[:-1])
    assert all(one != next_ for one, next_ in pairwise(events))


def test_a_watcher_may_leave(live: Live, recording: Path) -> None:
    with Client(live.url, live.key) as client:
        events = client.watch(client.submit(recording))
        next(events)
        events.close()
        assert client.list(limit=1)


def test_a_job_without_a_result_cannot_be_downloaded(live: Live, done: Done, tmp_path: Path) -> None:
    with Client(live.url, live.key) as client:
        record = client.list(limit=1)[0]
        pending = type(record)(**{**vars(record), "audio_url": None})
        with pytest.raises(NotFinished):
            client.download(pending, tmp_path / "clean.wav")


def test_needs_no_server_and_no_torch() -> None:
    code = "import sys, munsit_denoise_client; print(sorted({name.split('.')[0] for name in sys.modules}))"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout
    assert not {"torch", "munsit_denoise", "starlette", "sqlalchemy", "pydantic"} & set(eval(loaded))


def test_modules_stay_small() -> None:
    for path in PACKAGE.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 250, path


def test_both_clients_do_the_same() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(Client) == public(AsyncClient)


@pytest.mark.anyio
async def test_cancelling_ends_a_download(live: Live, done: Done, tmp_path: Path) -> None:
    async with AsyncClient(live.url, live.key) as client:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await client.download(done, tmp_path / "clean.wav")
    assert scope.cancelled_caught
    assert not [*tmp_path.iterdir()]
