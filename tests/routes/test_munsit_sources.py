"""Sources that are no file of the form: a URL, in a form or in JSON, and an upload that waits."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from tests.live import Live
from tests.peers import Peer


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[httpx2.Client]:
    """A client of a user of its own, whose list is empty at first."""
    with server.client_for("sources") as client:
        yield client


def test_a_form_may_have_a_url_in_place_of_the_file(server: Live, client: httpx2.Client, peer: Peer) -> None:
    parts = [("url", (None, f"{peer.url}/speech.wav".encode())), ("audio", ("", b""))]  # a browser's empty field
    answer = client.post("/denoise", files=parts)
    assert answer.status_code == 200, answer.text
    record = next(each for each in client.get("/denoise").json() if each["id"] == answer.json()["jobId"])
    assert (record["file_name"], record["audio_format"]) == ("speech.wav", "wav")
    assert server.result(record["id"], client)[0].endswith(".wav")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_may_name_a_url(server: Live, client: httpx2.Client, peer: Peer, content_type: str) -> None:
    body = json.dumps({"url": f"{peer.url}/speech.wav", "output_format": "original", "strength": "0.5"})
    answer = client.post("/denoise", content=body, headers={"content-type": content_type})
    assert answer.status_code == 200, answer.text
    assert server.result(answer.json()["jobId"], client)[0].endswith(".wav")


def test_a_url_without_the_track_ends_with_the_sentence_that_names_them(
    server: Live, client: httpx2.Client, peer: Peer
) -> None:
    answer = client.post("/denoise", json={"url": f"{peer.url}/speech.wav", "audio_track": 3})
    told = server.events(answer.json()["jobId"], client)[-1]
    assert told["stage"] == "error"
    assert told["message"].startswith("audio_track 3 is not in the file. Its tracks are 0: pcm_s16le, 1 channels")


def test_json_may_name_an_upload_whose_track_counts(server: Live, client: httpx2.Client, two_tracks: Path) -> None:
    headers = {"x-api-key": client.headers["x-api-key"]}
    files = {"file": (two_tracks.name, two_tracks.read_bytes())}
    upload_id = httpx2.post(f"{server.url}/v1/upload", files=files, headers=headers).json()["fileId"]
    answer = client.post("/denoise", json={"upload_id": upload_id, "audio_track": 1})
    assert answer.status_code == 200, answer.text
    record = next(each for each in client.get("/denoise").json() if each["id"] == answer.json()["jobId"])
    assert record["audio_duration"] == pytest.approx(0.8, abs=0.05)
    assert server.result(record["id"], client)[0].endswith(".wav")
    wrong = client.post("/denoise", json={"upload_id": upload_id, "audio_track": 9})
    assert (wrong.status_code, wrong.json()["errorMessage"][:13]) == (400, "audio_track 9")


@pytest.mark.parametrize("upload_id", ["0" * 8, "3f0c2f3c-8ad2-4a3c-9e1b-3a4a3b2c1d0e", "\ud800", "a\x00", "../x"])
def test_an_upload_that_nobody_has_is_a_404(client: httpx2.Client, upload_id: str) -> None:
    body = json.dumps({"upload_id": upload_id})
    answer = client.post("/denoise", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "40402")


def test_json_is_bounded(client: httpx2.Client) -> None:
    answer = client.post("/denoise", json={"url": "http://h/a.wav", "notes": "x" * 100_000})
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")


def test_what_a_webhook_is_told_has_the_base_by_which_the_job_came(server: Live, client: httpx2.Client) -> None:
    body = {"url": "http://127.0.0.1:1/a.wav", "webhook_url": "http://127.0.0.1:1/hook"}
    answer = client.post("/denoise", json=body)
    assert answer.status_code == 200
    with closing(sqlite3.connect(server.settings.database_path)) as database:
        row = database.execute(
            "SELECT webhook_url, webhook_base, origin FROM denoise_records WHERE id = ?", [answer.json()["jobId"]]
        ).fetchone()
    assert row == ("http://127.0.0.1:1/hook", server.url, "munsit")
