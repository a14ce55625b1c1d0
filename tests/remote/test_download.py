"""Downloads that are coded, named by their server, or cut off: gone on with, or told."""

import gzip
import http.server
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from munsit_denoise.errors import FileTooLarge, ProcessingFailed
from munsit_denoise.jobs.intake import UploadLimits
from munsit_denoise.remote import download
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.download import Fetched, fetch
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.remote.transfer import TransferLimits

pytestmark = pytest.mark.anyio
LIMITS = UploadLimits(1, 15, 0, 0, 0)
CONTENT = bytes(range(256)) * 2000


class Source(http.server.ThreadingHTTPServer):
    """A server of one file that cuts its answers off after so many bytes each."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/talk.wav"
        self.body, self.headers = CONTENT, {}
        self.cuts: list[int] = []  # of the next answers; the whole when there is none
        self.ranges: list[tuple[str | None, str | None]] = []  # Range and If-Range of each request
        self.knows_ranges, self.changes = True, False


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Source

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        source = self.server
        asked, validator = self.headers["range"], self.headers["if-range"]
        source.ranges.append((asked, validator))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and source.knows_ranges else 0
        if start and source.changes:
            start, source.body = 0, source.body[::-1]
        rest = source.body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(source.body) - 1}/{len(source.body)}")
        self.send_header("Content-Length", str(len(rest)))
        for name, value in source.headers.items():
            self.send_header(name, value)
        self.end_headers()
        cut = source.cuts.pop(0) if source.cuts else len(rest)
        self.wfile.write(rest[:cut])
        self.close_connection = True


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    monkeypatch.setattr(download, "RESUME_PAUSE_S", 0.0)
    server = Source()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client(AddressPolicy(("127.0.0.0/8",))) as client:
        yield client


async def bring(client: httpx2.AsyncClient, source: Source, path: Path) -> tuple[Fetched, bytes]:
    found = await fetch(client, source.url, path / "file", TransferLimits(20, LIMITS.upload_bytes), LIMITS.too_large)
    return found, (path / "file").read_bytes()


@pytest.mark.parametrize("headers", [{"ETag": '"1"'}, {"Last-Modified": "Thu, 01 May 2025 10:00:00 GMT"}])
async def test_what_was_cut_off_goes_on(
    client: httpx2.AsyncClient, source: Source, tmp_path: Path, headers: dict[str, str]
) -> None:
    source.headers, source.cuts = headers, [100_000, 50_000, 1]
    assert await bring(client, source, tmp_path) == (Fetched(len(CONTENT), "talk.wav"), CONTENT)
    [validator] = headers.values()
    assert source.ranges[1:] == [(f"bytes={at}-", validator) for at in (100_000, 150_000, 150_001)]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}])
async def test_without_a_word_for_the_same_file_it_begins_anew(
    client: httpx2.AsyncClient, source: Source, tmp_path: Path, headers: dict[str, str]
) -> None:
    source.headers, source.cuts = headers, [100_000]
    assert (await bring(client, source, tmp_path))[1] == CONTENT
    assert source.ranges == [(None, None)] * 2


@pytest.mark.parametrize("kind", ["knows no ranges", "has changed"])
async def test_a_server_that_begins_anew_is_followed(
    client: httpx2.AsyncClient, source: Source, tmp_path: Path, kind: str
) -> None:
    source.headers, source.cuts = {"ETag": '"1"'}, [100_000]
    source.knows_ranges, source.changes = kind != "knows no ranges", kind == "has changed"
    assert (await bring(client, source, tmp_path))[1] == (CONTENT[::-1] if source.changes else CONTENT)


async def test_a_server_that_cuts_for_ever_is_told(client: httpx2.AsyncClient, source: Source, tmp_path: Path) -> None:
    source.headers, source.cuts = {"ETag": '"1"'}, [1000] + [0] * 10
    with pytest.raises(ProcessingFailed, match=f"^The download was cut off after 1000 of {len(CONTENT)} bytes"):
        await bring(client, source, tmp_path)


async def test_what_is_coded_is_decoded(client: httpx2.AsyncClient, source: Source, tmp_path: Path) -> None:
    source.body, source.headers = gzip.compress(CONTENT), {"Content-Encoding": "gzip", "ETag": '"1"'}
    source.cuts = [1500]
    assert (await bring(client, source, tmp_path))[1] == CONTENT


async def test_a_bomb_is_cut_at_the_limit(client: httpx2.AsyncClient, source: Source, tmp_path: Path) -> None:
    source.body, source.headers = gzip.compress(bytes(50 * 2**20)), {"Content-Encoding": "gzip"}
    with pytest.raises(FileTooLarge):
        await bring(client, source, tmp_path)
    assert (tmp_path / "file").stat().st_size <= 2**20


@pytest.mark.parametrize(
    ("coding", "sentence"), [("br", "encoding that this server does not read: br"), ("gzip", "not in the encoding")]
)
async def test_a_coding_that_cannot_be_undone_is_told(
    client: httpx2.AsyncClient, source: Source, tmp_path: Path, coding: str, sentence: str
) -> None:
    source.headers = {"Content-Encoding": coding}
    with pytest.raises(ProcessingFailed, match=sentence):
        await bring(client, source, tmp_path)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="Episode 12.mp3"', "Episode 12.mp3"),
        ("attachment; filename=\"x\"; filename*=UTF-8''%D9%85.mp3", "م.mp3"),
        ('inline; filename="../../a.mp3"', "a.mp3"),
        ("attachment", "talk.wav"),
        ('attachment; filename=""', "talk.wav"),
    ],
)
async def test_the_server_names_the_file(
    client: httpx2.AsyncClient, source: Source, tmp_path: Path, disposition: str, name: str
) -> None:
    source.body, source.headers = b"sound", {"Content-Disposition": disposition}
    assert (await bring(client, source, tmp_path))[0] == Fetched(5, name)


async def test_no_secret_of_a_url_is_logged(
    client: httpx2.AsyncClient, source: Source, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source.url = source.url.replace("://", "://ann:pass1@") + "?sig=pass2"
    assert (await bring(client, source, tmp_path))[0] == Fetched(len(CONTENT), "talk.wav")
    assert not [word for word in ("pass1", "pass2") if word in caplog.text]
