"""A form with a file: fields before it and after it, each told by its name where it is wrong."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import soundfile

from tests.audio import write_noisy
from tests.live import Live

MISSING = "audio is required and must be a file"


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("options") / "a.wav", 0.3, 8_000)


@pytest.fixture(scope="module")
def client(server: Live) -> Iterator[httpx2.Client]:
    """A client of a user of its own, whose list is empty at first."""
    with server.client_for("form") as client:
        yield client


def send(client: httpx2.Client, path: Path, *before: tuple[str, str], after: dict[str, str] | None = None) -> Any:
    """Send a form whose fields stand before the file, and after it."""
    parts = [(name, (None, text.encode())) for name, text in before]
    parts += [("audio", (path.name, path.read_bytes()))]
    parts += [(name, (None, text.encode())) for name, text in (after or {}).items()]
    return client.post("/denoise", files=parts)


def test_options_count_before_the_file_and_after_it(
    server: Live, client: httpx2.Client, wav: Path, tmp_path: Path
) -> None:
    answer = send(client, wav, ("strength", "0"), ("notes", "x"), after={"output_format": "flac", "loudness": ""})
    assert answer.status_code == 200, answer.text
    assert answer.json() == dict.fromkeys(("jobId", "denoiseId"), answer.json()["jobId"])
    url, file = server.result(answer.json()["jobId"], client)
    assert url.endswith(".flac")
    (tmp_path / "a.flac").write_bytes(file.content)
    assert (soundfile.read(tmp_path / "a.flac")[0] == soundfile.read(wav)[0]).all()  # no reduction at all


def test_the_source_s_own_format_comes_out_where_it_can_be_written(
    server: Live, client: httpx2.Client, two_tracks: Path
) -> None:
    answer = send(client, two_tracks, after={"output_format": "original"})
    url, file = server.result(answer.json()["jobId"], client)
    assert (url.rpartition(".")[2], file.headers["content-type"]) == ("mkv", "video/x-matroska")


def test_the_track_that_is_asked_for_is_the_one_of_the_record(
    server: Live, client: httpx2.Client, two_tracks: Path, tmp_path: Path
) -> None:
    job_id = send(client, two_tracks, ("audio_track", "1")).json()["jobId"]
    record = next(each for each in client.get("/denoise").json() if each["id"] == job_id)
    assert record["audio_duration"] == pytest.approx(0.8, abs=0.05)
    (tmp_path / "a.wav").write_bytes(server.result(job_id, client)[1].content)
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.samplerate, info.duration) == (8_000, pytest.approx(0.8, abs=0.05))


def test_a_track_that_is_not_there_is_a_400_that_names_those_that_are(server: Live, two_tracks: Path) -> None:
    with server.client_for("tracks") as client:
        answer = send(client, two_tracks, after={"audio_track": "2"})
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
        told = answer.json()["errorMessage"]
        assert told.startswith("audio_track 2 is not in the file. Its tracks are 0: flac, 1 channels; 1: ara, flac")
        assert client.get("/denoise").json() == []


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ([("strength", "2")], {}, "strength"),
        ([], {"loudness": "loud"}, "loudness"),
        ([("strength", "1"), ("strength", "1")], {}, "strength"),
        ([("strength", "1")], {"strength": "0.5"}, "strength"),
        ([("url", "http://h/a.wav")], {}, "url"),
        ([], {"url": "http://h/a.wav"}, "url"),
        ([], {"audio_track": "999999"}, "audio_track 999999 is not in the file. Its tracks are 0: "),
        ([("webhook_url", "x" * 20_000)], {}, "webhook_url"),
        ([], {"output_format": "mxf"}, "output_format"),  # which cannot hold sound alone
        ([], {"audio_track": "1"}, "audio_track"),
    ],
)
def test_a_wrong_field_is_a_400_that_begins_with_its_name_and_leaves_nothing(
    server: Live, wav: Path, before: Any, after: dict[str, str], name: str
) -> None:
    with server.client_for("wrong") as client:
        files = len(server.files())
        answer = send(client, wav, *before, after=after)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
        assert answer.json()["errorMessage"].startswith(name)
        assert client.get("/denoise").json() == []
        assert len(server.files()) <= files


def test_text_that_is_no_utf_8_is_told(client: httpx2.Client, wav: Path) -> None:
    answer = client.post("/denoise", files=[("strength", (None, b"\xff")), ("audio", wav.read_bytes())])
    assert answer.json()["errorMessage"].startswith("strength must be text")


def test_a_form_with_neither_file_nor_url_has_no_file(client: httpx2.Client) -> None:
    answer = client.post("/denoise", files=[("strength", (None, b"1"))])
    assert (answer.status_code, answer.json()["errorMessage"]) == (400, MISSING)


def test_a_wrong_field_is_answered_before_the_file_is_sent_and_the_connection_goes_on(server: Live) -> None:
    field = b'--b\r\ncontent-disposition: form-data; name="strength"\r\n\r\n7\r\n'
    file = b'--b\r\ncontent-disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'
    head = f"POST /api/v1/denoise HTTP/1.1\r\nhost: x\r\nx-api-key: {server.key}\r\n"
    head += "content-type: multipart/form-data; boundary=b\r\ncontent-length: 1000000\r\n\r\n"
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.encode() + field + file)
        answer = connection.recv(4096)
        while not answer.endswith(b"}") and (more := connection.recv(4096)):  # the body may come later
            answer += more
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"strength must be" in answer
        connection.sendall(bytes(1_000_000 - len(field + file)))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
