"""The Python client against a live server, in what stands beside the dialects."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import anyio
import pytest
import soundfile

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.webhook_secrets import WebhookSecrets
from munsit_denoise_client import (
    Client,
    Conflict,
    Done,
    InvalidRequest,
    JobFailed,
    NotFound,
    Patience,
    UploadMismatch,
    calls,
    resumable,
    verify_webhook,
)
from tests.audio import write_noisy
from tests.clients.cutting import cutting
from tests.live import Live, run_live


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with run_live(tmp_path_factory.mktemp("additions"), allowed_networks="127.0.0.0/8") as live:
        yield live


@pytest.fixture
def client(house: Live) -> Iterator[Client]:
    with Client(house.url, house.key) as one:
        yield one


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("client") / "talk.wav", 0.3)


@pytest.fixture(scope="module")
def done(house: Live, recording: Path) -> Done:
    with Client(house.url, house.key) as client:
        return client.wait(client.submit(recording))


def test_one_record(client: Client, done: Done, tmp_path: Path) -> None:
    record = client.get(done.id)
    assert (record.id, record.status, record.audio_url) == (done.id, "success", done.url)
    assert (
        client.download(done.id, tmp_path / "clean.wav").stat().st_size
        == client.download(record, tmp_path / "again.wav").stat().st_size
    )
    assert [one.id for one in client.iterate(status="success", q="TALK", page=1)].count(done.id) == 1
    assert client.list(status="failed") == []
    assert list(client.iterate(q="nothing like it")) == []
    usage = client.usage()
    assert usage.user_id == record.user_id
    assert usage.jobs["success"] >= 1


def test_report_and_residual(client: Client, done: Done, recording: Path, tmp_path: Path) -> None:
    report = client.report(done.id)
    assert (report.sample_rate_hz, report.channels, report.duration_s) == (16_000, 1, 0.3)
    assert report.before.clipped_samples == 0
    told: list[int] = []
    rest = client.residual(done.id, tmp_path / "rest.wav", on_progress=lambda sofar, _: told.append(sofar))
    assert soundfile.info(rest).frames == soundfile.info(recording).frames
    assert told[-1] == rest.stat().st_size


def test_options(client: Client, recording: Path, tmp_path: Path) -> None:
    path = client.enhance(recording, tmp_path / "clean.flac", strength=0.5, output_format="flac", loudness=-20)
    assert soundfile.info(path).format == "FLAC"
    loud = client.list(limit=1)[0]
    assert client.report(loud.id).options["strength"] == 0.5
    with pytest.raises(Conflict) as refused:
        client.residual(loud.id, tmp_path / "rest.wav")
    assert refused.value.code == "40902"
    with pytest.raises(InvalidRequest, match=r"^strength"):
        client.submit(recording, strength=2)


def test_the_same_key_is_the_same_job(client: Client, recording: Path) -> None:
    first = client.submit(recording, idempotency_key="once")
    assert client.submit(recording, idempotency_key="once") == first
    assert client.submit(recording) != first
    with pytest.raises(InvalidRequest, match="another file or other options") as reused:
        client.submit(recording, idempotency_key="once", strength=0.5)
    assert (reused.value.status, reused.value.code) == (422, "42201")


def test_a_submission_over_a_broken_connection_is_one_job(
    house: Live, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 0.01)
    with cutting(house.url) as way, Client(way.url, house.new_key("cut")) as client:
        way.cuts_up, way.cuts_down = [4000], [100_000, 20]  # one breaks on the way there, one on the way back
        job_id = client.submit(recording)
        assert way.connections == 3
        assert [record.id for record in client.list()] == [job_id]


def test_an_upload_goes_on_after_cuts(house: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(resumable, "CHUNK_BYTES", 20_000)
    path = write_noisy(tmp_path / "talk.wav", 2)
    told: list[int] = []
    with cutting(house.url) as way, Client(way.url, house.key) as client:
        way.cuts_up = [9_000, 25_000, 30_011]
        uploaded = client.upload(path, on_progress=lambda sofar, _: told.append(sofar))
        assert way.connections >= 4
        job_id = client.submit(uploaded, output_format="flac")
        assert isinstance(client.wait(job_id), Done)
        assert client.get(job_id).audio_size == path.stat().st_size
        assert client.get(job_id).file_name == "talk.wav"
    assert told[-1] == path.stat().st_size


def test_an_upload_goes_on_in_another_program(house: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "CHUNK_BYTES", 20_000)
    path = write_noisy(tmp_path / "talk.wav", 2)
    urls: list[str] = []

    def stop(sofar: int, _: int | None) -> None:
        if sofar >= 40_000:
            raise KeyboardInterrupt

    with Client(house.url, house.key) as client:
        with pytest.raises(KeyboardInterrupt):
            client.upload(path, on_progress=stop, on_created=urls.append)
        told: list[int] = []
        uploaded = client.upload(path, url=urls[0], on_progress=lambda sofar, _: told.append(sofar))
        assert told[0] > 20_000
        assert client.wait(client.submit(uploaded)).id
        with pytest.raises(NotFound):
            client.upload(path, url=urls[0][:-4] + "0000")
        client.upload(path, on_created=urls.append)
        with pytest.raises((UploadMismatch, NotFound)):
            client.upload(write_noisy(tmp_path / "other.wav", 1), url=urls[1])


def test_cancelling_and_deleting(house: Live, tmp_path: Path) -> None:
    path = write_noisy(tmp_path / "long.wav", 40)
    with Client(house.url, house.key, patience=Patience(retries=0)) as client:
        job_id = client.submit(path)
        assert client.cancel(job_id).id == job_id
        with pytest.raises(JobFailed, match=r"^The job was cancelled\.$"):
            client.wait(job_id)
        client.delete(job_id)
        with pytest.raises(NotFound):
            client.get(job_id)
        job_id = client.submit(path)
        events = client.watch(job_id)
        next(events)
        client.delete(job_id)
        *_, last = events
        assert last.message == "The recording was deleted."


@pytest.fixture
def neighbour(recording: Path) -> Iterator[tuple[str, Queue[tuple[dict[str, str], bytes]]]]:
    """A server that has a recording and takes webhooks; its URL, and what it was told."""
    told: Queue[tuple[dict[str, str], bytes]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = recording.read_bytes()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            told.put((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", told
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def secret_of(live: Live) -> str:
    async def find() -> str:
        database = open_database(live.settings.database)
        try:
            return await WebhookSecrets(database).of_name("tester")
        finally:
            await database.close()

    return anyio.run(find)


def test_urls_and_webhooks(
    house: Live, client: Client, neighbour: tuple[str, Queue[tuple[dict[str, str], bytes]]]
) -> None:
    url, told_there = neighbour
    secret = secret_of(house)
    job_id = client.submit(f"{url}/far%20away.wav", webhook_url=f"{url}/hook")
    assert client.wait(job_id).id == job_id
    headers, body = told_there.get(timeout=30)
    told = verify_webhook(body, headers, secret)
    assert (told.type, told.record) == ("denoise.success", client.get(job_id))
    assert client.get(job_id).file_name == "far away.wav"


def test_the_umask_is_kept(client: Client, done: Done, tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        assert client.residual(done.id, tmp_path / "rest.wav").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(mask)
