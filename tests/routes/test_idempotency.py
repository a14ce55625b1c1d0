"""`Idempotency-Key` on POST /denoise, from outside: a test a sentence of the contract."""

import socket
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest

from tests.audio import write_noisy
from tests.live import Live
from tests.peers import Peer


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_noisy(tmp_path_factory.mktemp("idempotency") / "a.wav", 0.2, 8_000).read_bytes()


@pytest.fixture
def client(server: Live) -> Iterator[httpx2.Client]:
    """A client of a user who has sent nothing yet."""
    with server.client_for(str(uuid.uuid4())) as client:
        yield client


def send(client: httpx2.Client, data: bytes, key: str | None = "a-key", **fields: str) -> httpx2.Response:
    parts: list[Any] = [(name, (None, text.encode())) for name, text in fields.items()]
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/denoise", files=[*parts, ("audio", ("a.wav", data))], headers=headers)


def jobs(client: httpx2.Client) -> int:
    return len(client.get("/denoise").json())


def test_the_same_again_is_the_same_answer_and_no_second_job(client: httpx2.Client, wav: bytes) -> None:
    first, second = send(client, wav), send(client, wav)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert jobs(client) == 1


def test_order_boundary_name_and_field_of_the_file_make_no_difference(client: httpx2.Client, wav: bytes) -> None:
    first = send(client, wav, strength="1.0", output_format="mp3", loudness="")
    other = [("file", ("b.wav", wav)), ("output_format", (None, b"MP3")), ("notes", (None, b"x"))]
    again = client.post("/denoise", files=other, headers={"Idempotency-Key": "a-key"})
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert jobs(client) == 1


def test_other_bytes_or_options_are_a_422(client: httpx2.Client, wav: bytes) -> None:
    send(client, wav, strength="0.5")
    for answer in (send(client, wav + b"\0", strength="0.5"), send(client, wav), send(client, wav, strength="0.4")):
        assert (answer.status_code, answer.json()["errorCode"]) == (422, "42201")
    assert jobs(client) == 1


def test_another_key_no_key_and_another_user_are_other_submissions(
    server: Live, client: httpx2.Client, wav: bytes
) -> None:
    ids = [send(client, wav, key).json()["jobId"] for key in ("a-key", "another", None, None)]
    with server.client_for(str(uuid.uuid4())) as other:
        answer = send(other, wav)
        assert "idempotent-replayed" not in answer.headers
        assert answer.json()["jobId"] not in ids
    assert len(set(ids)) == 4


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb", "é"])
def test_a_malformed_key_is_a_400(client: httpx2.Client, wav: bytes, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = client.post("/denoise", files={"audio": wav}, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
    assert answer.json()["errorMessage"].startswith("Idempotency-Key ")
    assert jobs(client) == 0


@pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
def test_any_visible_ascii_is_a_key(client: httpx2.Client, wav: bytes, key: str) -> None:
    assert [send(client, wav, key).status_code for _ in range(2)] == [200, 200]
    assert jobs(client) == 1


def test_a_submission_that_ends_in_a_4xx_leaves_its_key_free(client: httpx2.Client, wav: bytes) -> None:
    refused = [send(client, b"no sound"), send(client, wav, strength="2"), send(client, wav, audio_track="4")]
    assert [answer.status_code for answer in refused] == [400] * 3
    answer = send(client, wav)
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)


def test_json_has_keys_as_well(client: httpx2.Client, peer: Peer, server: Live, wav: bytes) -> None:
    headers = {"Idempotency-Key": "a-key"}
    url = {"url": f"{peer.url}/speech.wav", "strength": 0.5}
    first = client.post("/denoise", json=url, headers=headers)
    for same in (url | {"strength": "0.50", "loudness": None}, dict(reversed(url.items()))):
        again = client.post("/denoise", json=same, headers=headers)
        assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    form = [(name, (None, str(value).encode())) for name, value in url.items()]
    assert client.post("/denoise", files=form, headers=headers).content == first.content
    assert client.post("/denoise", json=url | {"strength": 1}, headers=headers).status_code == 422

    key = {"x-api-key": client.headers["x-api-key"]}
    upload_id = httpx2.post(f"{server.url}/v1/upload", files={"file": ("a.wav", wav)}, headers=key).json()["fileId"]
    headers, upload = {"Idempotency-Key": "another"}, {"upload_id": upload_id}
    first = client.post("/denoise", json=upload, headers=headers)
    with closing(sqlite3.connect(server.settings.database_path)) as database, database:
        database.execute("DELETE FROM uploads WHERE id = ?", [upload_id])  # it expired meanwhile
    again = client.post("/denoise", json=upload, headers=headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert client.post("/denoise", json=url, headers=headers).status_code == 422
    assert jobs(client) == 2


def test_uploads_count_by_their_bytes_not_by_their_ids(client: httpx2.Client, server: Live, wav: bytes) -> None:
    def upload(data: bytes) -> dict[str, str]:
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(data))}
        headers["Content-Type"] = "application/offset+octet-stream"
        return {"upload_id": client.post("/uploads", content=data, headers=headers).headers["location"][-36:]}

    def submit(body: dict[str, str], key: str = "a-key") -> httpx2.Response:
        return client.post("/denoise", json=body, headers={"Idempotency-Key": key})

    first, other = upload(wav), upload(wav[:-2] + b"\1\2")
    answer = submit(first)
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)
    for again in (submit(first), submit(upload(wav)), send(client, wav)):  # a form is another way for the same bytes
        assert (again.content, again.headers["idempotent-replayed"]) == (answer.content, "true")
    for changed in (other, first | {"strength": "0.5"}, {"upload_id": other["upload_id"], "output_format": "mp3"}):
        assert (submit(changed).status_code, submit(changed).json()["errorCode"]) == (422, "42201")
    assert submit({"upload_id": str(uuid.uuid4())}, "a-free-key").status_code == 404
    assert jobs(client) == 1
    by_form = send(client, wav, "another")
    assert submit(upload(wav), "another").content == by_form.content
    assert jobs(client) == 2


def test_while_the_first_is_coming_in_others_are_a_409_and_one_that_is_cut_off_frees_the_key(
    server: Live, client: httpx2.Client, wav: bytes
) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(beginning(client, 100_000))
        wait_for_file(server)
        answer = send(client, wav)
        assert (answer.status_code, answer.json()["errorCode"]) == (409, "40901")
        assert int(answer.headers["retry-after"]) > 0
        assert send(client, wav, "another").status_code == 200
    end = time.monotonic() + 10
    while (answer := send(client, wav)).status_code == 409 and time.monotonic() < end:
        time.sleep(0.05)
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (200, False)


def wait_for_file(server: Live) -> None:
    """Wait until a file is being written."""
    end = time.monotonic() + 10
    while not [path for path in server.files() if path.suffix == ".part"] and time.monotonic() < end:
        time.sleep(0.02)


def beginning(client: httpx2.Client, length: int, key: str = "a-key") -> bytes:
    """Return the beginning of a submission whose file does not come."""
    lines = ["POST /api/v1/denoise HTTP/1.1", "host: x", f"x-api-key: {client.headers['x-api-key']}"]
    lines += ["content-type: multipart/form-data; boundary=b", f"content-length: {length}", f"idempotency-key: {key}"]
    part = '--b\r\ncontent-disposition: form-data; name="audio"; filename="a.wav"\r\n\r\nRIFF'
    return "\r\n".join([*lines, "", part]).encode()


def test_twenty_at_once_are_one_job(server: Live, client: httpx2.Client, wav: bytes) -> None:
    answers: list[httpx2.Response] = []

    def one() -> None:
        with httpx2.Client(base_url=client.base_url, headers=client.headers, timeout=60) as own:
            while (answer := send(own, wav)).status_code == 409:
                time.sleep(0.1)
            answers.append(answer)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19
    assert jobs(client) == 1


def test_a_deleted_job_is_said_again_and_does_not_come_back(client: httpx2.Client, server: Live, wav: bytes) -> None:
    first = send(client, wav)
    job_id = first.json()["jobId"]
    headers = {"x-api-key": client.headers["x-api-key"]}
    assert httpx2.post(f"{server.url}/v1/remove-noise/{job_id}/delete-results", headers=headers).status_code == 200
    assert send(client, wav).content == first.content
