"""tus 1.0.0 as the protocol's text has it, sentence by sentence, over a real socket."""

import base64
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import httpx2
import pytest

from tests.audio import write_noisy
from tests.live import Live, run_waiting

OFFSET_TYPE = "application/offset+octet-stream"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server of small uploads."""
    with run_waiting(tmp_path_factory.mktemp("tus"), max_upload_mb=1, max_uploads_mb_per_user=3) as live:
        yield live


@pytest.fixture(scope="module")
def tus(server: Live) -> httpx2.Client:
    server.client.headers["Tus-Resumable"] = "1.0.0"
    return server.client


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_noisy(tmp_path_factory.mktemp("wav") / "a.wav", 0.4, 8000).read_bytes()


def metadata(**values: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


def create(tus: httpx2.Client, length: int, **headers: str) -> str:
    answer = tus.post("/uploads", headers={"Upload-Length": str(length), **headers})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def patch(tus: httpx2.Client, url: str, offset: int, content: bytes, **headers: str) -> httpx2.Response:
    own = {"Upload-Offset": str(offset), "Content-Type": OFFSET_TYPE} | headers
    return tus.patch(url, content=content, headers=own)


def offset(tus: httpx2.Client, url: str) -> int:
    answer = tus.head(url)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def check_refused(answer: httpx2.Response, status: int, code: str, beginning: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert list(answer.json()) == ["errorCode", "errorMessage"]
    assert answer.json()["errorCode"] == code
    assert answer.json()["errorMessage"].startswith(beginning)


@pytest.mark.parametrize("method", ["GET", "PUT", "TRACE"])
@pytest.mark.parametrize("path", ["/uploads", "/uploads/", f"/uploads/{UNKNOWN}"])
def test_a_method_that_is_none_of_an_address_is_refused_in_the_protocols_words(
    tus: httpx2.Client, method: str, path: str
) -> None:
    answer = tus.request(method, path)
    check_refused(answer, 405, "40501")
    assert "OPTIONS" in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("path", ["/uploads", "/uploads/", f"/uploads/{UNKNOWN}"])
def test_options_say_what_there_is_without_a_key_and_whatever_the_version(server: Live, path: str) -> None:
    answer = httpx2.options(server.url + "/api/v1" + path, headers={"Tus-Resumable": "0.2.2"})
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "termination",
        "expiration",
    }
    assert answer.headers["Tus-Max-Size"] == str(2**20)


def test_an_upload_in_parts_becomes_a_file_that_jobs_can_be_made_of(
    server: Live, tus: httpx2.Client, wav: bytes
) -> None:
    sent = metadata(filename="../مقابلة.wav", filetype="audio/wav") + ",is_private"
    url = create(tus, len(wav), **{"Upload-Metadata": sent})
    assert url.startswith(f"{server.url}/api/v1/uploads/")
    position = 0
    for size in (1, 1000, 0, len(wav)):
        told = tus.head(url)
        assert (told.status_code, told.content, told.headers["Cache-Control"]) == (200, b"", "no-store")
        assert (told.headers["Upload-Offset"], told.headers["Upload-Length"]) == (str(position), str(len(wav)))
        assert told.headers["Upload-Metadata"] == sent
        answer = patch(tus, url, position, wav[position:][:size])
        position = min(position + size, len(wav))
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(position))
        hours = (parsedate_to_datetime(answer.headers["Upload-Expires"]).timestamp() - time.time()) / 3600
        assert 23.9 < hours < 24.1
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert patch(tus, url, len(wav), b"").status_code == 204
    assert tus.head(url).headers["Upload-Metadata"] == sent
    assert offset(tus, url) == len(wav)
    upload_id = url.rpartition("/")[2]
    answer = httpx2.post(f"{server.url}/v1/remove-noise", json={"input": upload_id}, headers={"x-api-key": server.key})
    record = server.record(answer.json()["jobId"])
    assert (record["file_name"], record["audio_size"]) == ("مقابلة.wav", len(wav))
    assert httpx2.get(record["original_audio_url"]).content == wav


def test_creation_takes_the_first_bytes_with_it(tus: httpx2.Client, wav: bytes) -> None:
    for size in (0, 700, len(wav)):
        headers = {"Upload-Length": str(len(wav)), "Content-Type": OFFSET_TYPE}
        answer = tus.post("/uploads", content=wav[:size], headers=headers)
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, str(size))
        url = answer.headers["Location"]
        assert patch(tus, url, size, wav[size:]).headers["Upload-Offset"] == str(len(wav))
        assert tus.delete(url).status_code == 204


@pytest.mark.parametrize("version", [None, "0.2.2", "1.0.1", "1.0"])
def test_another_version_is_refused_and_nothing_is_done(server: Live, tus: httpx2.Client, version: str | None) -> None:
    url = create(tus, 100)
    headers = {"x-api-key": server.key, "Upload-Length": "5", "Upload-Offset": "0", "Content-Type": OFFSET_TYPE}
    headers |= {"Tus-Resumable": version} if version else {}
    for method, path in (("POST", tus.base_url.join("uploads")), ("HEAD", url), ("PATCH", url), ("DELETE", url)):
        answer = httpx2.request(method, path, headers=headers, content=b"x" if method == "PATCH" else None)
        assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")
    assert offset(tus, url) == 0
    tus.delete(url)


def test_the_key_comes_before_everything(server: Live, tus: httpx2.Client) -> None:
    url = create(tus, 100)
    for method, path in (("POST", f"{server.url}/api/v1/uploads"), ("PATCH", url), ("DELETE", url), ("HEAD", url)):
        answer = httpx2.request(method, path)
        assert (answer.status_code, answer.headers["Tus-Resumable"]) == (401, "1.0.0")
        assert method == "HEAD" or answer.json()["errorCode"] == "40101"
    tus.delete(url)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, "40001"),
        ({"Upload-Length": ""}, 400, "40001"),
        ({"Upload-Length": "-1"}, 400, "40001"),
        ({"Upload-Length": "1.5"}, 400, "40001"),
        ({"Upload-Length": "٣"}, 400, "40001"),
        ({"Upload-Defer-Length": "1"}, 400, "40001"),
        ({"Upload-Length": "0"}, 400, "40001"),
        ({"Upload-Length": str(2**20 + 1)}, 413, "41301"),
        ({"Upload-Length": "9" * 30}, 413, "41301"),
        ({"Upload-Length": "9", "Upload-Metadata": "filename not-base64!"}, 400, "40001"),
        ({"Upload-Length": "9", "Upload-Metadata": "a YQ==,a YQ=="}, 400, "40001"),
        ({"Upload-Length": "9", "Upload-Metadata": "a YQ==,,"}, 400, "40001"),
    ],
)
def test_what_cannot_be_created(tus: httpx2.Client, headers: dict[str, str], status: int, code: str) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    check_refused(tus.post("/uploads", headers=raw), status, code)


def test_bytes_of_another_type_or_too_many_are_refused(tus: httpx2.Client, wav: bytes) -> None:
    length = {"Upload-Length": "10"}
    check_refused(tus.post("/uploads", content=b"12", headers=length), 415, "41501")
    check_refused(tus.post("/uploads", content=wav, headers=length | {"Content-Type": OFFSET_TYPE}), 413, "41301")
    url = create(tus, 10)
    check_refused(patch(tus, url, 0, b"12", **{"Content-Type": "application/octet-stream"}), 415, "41501")
    check_refused(patch(tus, url, 0, b"0123456789X"), 413, "41301")
    chunked = {"Upload-Offset": "0", "Content-Type": OFFSET_TYPE}
    answer = tus.patch(url, content=iter([b"0123", b"456789X"]), headers=chunked)
    check_refused(answer, 413, "41301")
    for value in ("", "-1", "x"):
        answer = tus.patch(url, content=b"1", headers=chunked | {"Upload-Offset": value})
        check_refused(answer, 400, "40001", "Upload-Offset")
    assert offset(tus, url) < 10
    tus.delete(url)


def test_a_part_that_does_not_begin_where_the_upload_stands_changes_nothing(tus: httpx2.Client) -> None:
    url = create(tus, 100)
    assert patch(tus, url, 0, b"0123456789").status_code == 204
    for position in (0, 9, 11, 100, 10**20):
        check_refused(patch(tus, url, position, b"x"), 409, "40903")
    assert offset(tus, url) == 10
    tus.delete(url)


def test_what_is_not_there_is_not_found(server: Live, tus: httpx2.Client) -> None:
    own, terminated = create(tus, 10), create(tus, 10)
    assert patch(tus, terminated, 0, b"123").status_code == 204
    assert tus.delete(terminated).status_code == 204
    with server.client_for("somebody else") as other:
        other.headers["Tus-Resumable"] = "1.0.0"
        base = f"{server.url}/api/v1/uploads/"
        for client, url in ((other, own), (tus, terminated), (tus, base + UNKNOWN), (tus, base + "x%00y")):
            assert client.head(url).status_code == 404
            check_refused(patch(client, url, 0, b"x"), 404, "40402")
            check_refused(client.delete(url), 404, "40402")
    assert offset(tus, own) == 0
    assert not [path for path in server.files() if terminated.rpartition("/")[2] in str(path)]
    tus.delete(own)


def test_what_is_no_media_is_refused_at_its_end_and_removed(server: Live, tus: httpx2.Client) -> None:
    content = b"no recording at all " * 50
    url = create(tus, len(content), **{"Upload-Metadata": metadata(filename="a.wav")})
    assert patch(tus, url, 0, content[:500]).status_code == 204
    check_refused(patch(tus, url, 500, content[500:]), 400, "40001", "No audio")
    assert tus.head(url).status_code == 404
    headers = {"Upload-Length": str(len(content)), "Content-Type": OFFSET_TYPE}
    check_refused(tus.post("/uploads", content=content, headers=headers), 400, "40001", "No audio")
    assert not [path for path in server.files() if path.read_bytes()[:20] == content[:20]]


def test_a_method_can_be_named_in_a_header(tus: httpx2.Client, wav: bytes) -> None:
    url = create(tus, len(wav))
    headers = {"Upload-Offset": "0", "Content-Type": OFFSET_TYPE, "X-HTTP-Method-Override": "PATCH"}
    assert tus.post(url, content=wav[:9], headers=headers).status_code == 204
    answer = tus.post(url, headers={"X-HTTP-Method-Override": "HEAD"})
    assert (answer.status_code, answer.headers["Upload-Offset"]) == (200, "9")
    assert tus.post(url, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 204
    assert tus.head(url).status_code == 404
    check_refused(tus.post(url), 405, "40501")


def begin(server: Live, url: str, position: int, announced: int, content: bytes) -> socket.socket:
    """Send the beginning of a PATCH."""
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = (
        f"PATCH {url.removeprefix(server.url)} HTTP/1.1\r\nHost: {host}\r\nx-api-key: {server.key}\r\n"
        f"Tus-Resumable: 1.0.0\r\nUpload-Offset: {position}\r\nContent-Type: {OFFSET_TYPE}\r\n"
        f"Content-Length: {announced}\r\n\r\n"
    )
    connection.sendall(head.encode() + content)
    return connection


def wait_for(tus: httpx2.Client, url: str, position: int) -> None:
    end = time.monotonic() + 20
    while offset(tus, url) != position:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_connection_that_dies_loses_no_byte_that_came(server: Live, tus: httpx2.Client, wav: bytes) -> None:
    url, position = create(tus, len(wav)), 0
    for size in (1, 1999, len(wav) - 2001):
        begin(server, url, position, len(wav) - position, wav[position:][:size]).close()
        position += size
        wait_for(tus, url, position)
    assert patch(tus, url, position, wav[position:]).status_code == 204


def test_all_bytes_came_but_the_answer_was_lost(server: Live, tus: httpx2.Client, wav: bytes) -> None:
    """The client goes away with the last byte: asking where the upload stands completes it."""
    url = create(tus, len(wav))
    begin(server, url, 0, len(wav), wav).close()
    wait_for(tus, url, len(wav))
    answer = httpx2.post(
        f"{server.url}/v1/remove-noise", json={"input": url.rpartition("/")[2]}, headers={"x-api-key": server.key}
    )
    assert answer.status_code == 200


def test_of_two_at_once_one_wins(server: Live, tus: httpx2.Client, wav: bytes) -> None:
    url = create(tus, len(wav))
    first = begin(server, url, 0, len(wav), wav[:1000])
    wait_for(tus, url, 1000)
    for position in (0, 1000):
        check_refused(patch(tus, url, position, wav[position:]), 423, "42301")
    first.sendall(wav[1000:])
    assert first.recv(100).startswith(b"HTTP/1.1 204")
    first.close()
    assert offset(tus, url) == len(wav)


def test_many_at_once_leave_the_file_that_was_sent(server: Live, tus: httpx2.Client, wav: bytes) -> None:
    url = create(tus, len(wav))
    with ThreadPoolExecutor(6) as pool:
        statuses = [answer.status_code for answer in pool.map(lambda _: patch(tus, url, 0, wav), range(6))]
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 409, 423}
    (path,) = [path for path in server.files() if url.rpartition("/")[2] in str(path)]
    assert path.read_bytes() == wav


def test_terminating_stops_what_comes_in(server: Live, tus: httpx2.Client, wav: bytes) -> None:
    url = create(tus, len(wav))
    first = begin(server, url, 0, len(wav), wav[:1000])
    wait_for(tus, url, 1000)
    assert tus.delete(url).status_code == 204
    assert first.recv(100).startswith(b"HTTP/1.1 423")
    first.close()
    assert tus.head(url).status_code == 404


def test_unfinished_uploads_count_with_their_whole_length(server: Live) -> None:
    with server.client_for("a user of many") as client:
        client.headers["Tus-Resumable"] = "1.0.0"
        urls = [create(client, 2**20) for _ in range(3)]
        check_refused(client.post("/uploads", headers={"Upload-Length": "1"}), 429, "42901")
        assert client.delete(urls[0]).status_code == 204
        create(client, 1)
