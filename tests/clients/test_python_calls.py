"""The Python client against answers of every kind: waiting, trying again, uploads in pieces, webhooks."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Signer

from munsit_denoise_client import (
    ApiError,
    Client,
    ConnectionLost,
    Done,
    InvalidSignature,
    JobFailed,
    Patience,
    Processing,
    TooManyRequests,
    Unavailable,
    Uploaded,
    UploadMismatch,
    calls,
    resumable,
    verify_webhook,
)
from munsit_denoise_client.io import BlockingIo
from tests.clients.scripted import Scripted, scripted

RECORD = {
    "id": "1", "user_id": "2", "transaction_id": None, "audio_url": None, "original_audio_url": "http://a/b",
    "file_name": "a.wav", "audio_duration": 1.5, "audio_size": 9, "audio_format": "wav", "source_type": "audio",
    "status": "pending", "error": None, "created_at": "2026-05-12T10:14:02.000Z",
    "updated_at": "2026-05-12T10:14:02.000Z",
}  # fmt: skip
ACCEPTED = b'{"jobId":"7","denoiseId":"7"}'


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 0.01)
    with scripted() as server:
        yield server


@pytest.fixture
def client(script: Scripted):
    with Client(script.url, "the-key", patience=Patience(retries=2)) as one:
        yield one


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "talk.wav").write_bytes(bytes(range(256)) * 4)
    return tmp_path / "talk.wav"


def test_a_refusal_for_now_is_waited_out(script: Scripted, path: Path) -> None:
    script.answer(429, b'{"errorCode":"42901","errorMessage":"Too many requests."}', Retry_After="0")
    script.answer(503, b"", Retry_After="0")
    script.answer(409, b'{"errorCode":"40901","errorMessage":"still coming in"}', Retry_After="0")
    script.answer(200, ACCEPTED)
    with Client(script.url, "the-key", patience=Patience(retries=3)) as client:
        assert client.submit(path) == "7"
    first, *others = script.asked
    assert first.body.count(path.read_bytes()) == 1
    assert all(other.body == first.body for other in others)
    assert {one.headers["idempotency-key"] for one in script.asked} == {first.headers["idempotency-key"]}


def test_the_server_says_how_long_to_wait(script: Scripted, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    script.answer(429, b"{}", Retry_After="17")
    script.answer(200, b"[]")
    assert client.list() == []
    assert 17 in waited


@pytest.mark.parametrize("wait", ["0", "00", "-5", "NaN", "0.5", "9" * 5000, "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_an_answer_that_asks_for_no_pause_counts_as_a_failure(
    script: Scripted, client: Client, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(BlockingIo, "sleep", staticmethod(_note(waited)))
    for _ in range(9):
        script.answer(503, b"", Retry_After=wait)
    with pytest.raises(Unavailable):
        client.list()
    assert len(script.asked) == 3  # the first one, and two retries
    assert [pause_s > 0 for pause_s in waited] == [True, True]


def _note(waited: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    return sleep


def test_patience_has_an_end(script: Scripted) -> None:
    script.answer(503, b'{"errorCode":"50301","errorMessage":"Full."}', Retry_After="30")
    script.answer(429, b'{"errorCode":"42901","errorMessage":"Too many."}', Retry_After="0")
    with Client(script.url, "key", patience=Patience(longest_wait_s=20)) as client:
        with pytest.raises(Unavailable, match=r"^Full\.$") as full:
            client.list()
        assert (full.value.status, full.value.code, full.value.retry_after_s) == (503, "50301", 30)
    with Client(script.url, "key", patience=Patience(retries=0)) as client, pytest.raises(TooManyRequests):
        client.list()


def test_what_will_never_work_is_not_tried_again(script: Scripted, client: Client, path: Path) -> None:
    script.answer(422, b'{"errorCode":"42201","errorMessage":"This Idempotency-Key was used."}')
    with pytest.raises(ApiError, match="was used"):
        client.submit(path, idempotency_key="mine")
    assert [one.headers["idempotency-key"] for one in script.asked] == ["mine"]
    script.answer(302, b"", Location="http://elsewhere/")
    with pytest.raises(ApiError, match="answered 302"):
        client.usage()
    script.answer(200, b"<html>")
    with pytest.raises(ConnectionLost, match="denoise server"):
        client.usage()


def test_options_are_fields_before_the_file(script: Scripted, client: Client, path: Path) -> None:
    script.answer(200, ACCEPTED)
    client.submit(path, strength=0.5, output_format="flac", loudness=-16.0, audio_track=1, webhook_url="https://a.b/c")
    body = script.asked[0].body
    for name, value in ("strength", "0.5"), ("output_format", "flac"), ("loudness", "-16.0"), ("audio_track", "1"):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in body
        assert body.index(f'name="{name}"'.encode()) < body.index(b'name="audio"; filename="talk.wav"')


def test_urls_and_uploads_are_json(script: Scripted, client: Client) -> None:
    script.answer(200, ACCEPTED)
    script.answer(200, ACCEPTED)
    client.submit("https://example.org/a.mp3", strength=0.5)
    client.submit(Uploaded("u1", "http://a/u1"))
    assert [json.loads(one.body) for one in script.asked] == [
        {"url": "https://example.org/a.mp3", "strength": 0.5},
        {"upload_id": "u1"},
    ]
    assert {one.headers["content-type"] for one in script.asked} == {"application/json"}


def test_an_upload_goes_on_from_the_servers_offset(
    script: Scripted, client: Client, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "CHUNK_BYTES", 500)
    script.answer(201, Location="https://behind.a.proxy/api/v1/uploads/abc")
    script.answer(204, Upload_Offset="500")
    script.answer(503, b"", Retry_After="0")  # what it has taken of this one is not known
    script.answer(200, Upload_Offset="700", Upload_Length="1024")
    script.answer(423)
    script.answer(200, Upload_Offset="700", Upload_Length="1024")
    script.answer(204, Upload_Offset="1024")
    told: list[tuple[int, int | None]] = []
    urls: list[str] = []
    sent = client.upload(path, on_progress=lambda *so_far: told.append(so_far), on_created=urls.append)
    assert sent == Uploaded("abc", f"{script.url}/api/v1/uploads/abc")
    assert urls == [sent.url]
    pieces = [(one.headers["upload-offset"], len(one.body)) for one in script.asked if one.method == "PATCH"]
    assert pieces == [("0", 500), ("500", 500), ("700", 324), ("700", 324)]
    assert script.asked[-1].body == path.read_bytes()[700:]
    assert told[-1] == (1024, 1024)
    metadata = script.asked[0].headers["upload-metadata"]
    assert base64.b64decode(metadata.removeprefix("filename ")) == b"talk.wav"
    assert {one.headers["tus-resumable"] for one in script.asked} == {"1.0.0"}


def test_an_upload_goes_on_from_a_url(script: Scripted, client: Client, path: Path) -> None:
    script.answer(200, Upload_Offset="1000", Upload_Length="1024")
    script.answer(204, Upload_Offset="1024")
    assert client.upload(path, url=f"{script.url}/api/v1/uploads/abc").id == "abc"
    assert script.asked[-1].body == path.read_bytes()[1000:]
    script.answer(200, Upload_Offset="1000", Upload_Length="2048")
    with pytest.raises(UploadMismatch, match="2048 bytes, not 1024"):
        client.upload(path, url=f"{script.url}/api/v1/uploads/abc")


def test_a_job_that_failed_raises_its_reason(script: Scripted, client: Client) -> None:
    stream = b': ping\n\ndata: {"stage":"new"}\n\ndata: no json\n\ndata: {"stage":"error","message":"Cancelled."}\n\n'
    script.answer(200, stream)
    with pytest.raises(JobFailed, match="Cancelled") as failed:
        client.wait("7")
    assert failed.value.job_id == "7"


@pytest.mark.parametrize(
    "strange", ["[]", "5", "null", '"done"', "{}", '{"stage":"processing"}', '{"stage":"done"}', '{"stage":"error"}']
)
def test_what_is_no_event_is_passed_over(script: Scripted, client: Client, strange: str) -> None:
    events = (strange, '{"stage":"processing","pct":5}', strange, '{"stage":"done","denoiseId":"7","url":"http://a/b"}')
    script.answer(200, "".join(f"data: {event}\n\n" for event in events).encode())
    assert list(client.watch("7")) == [Processing(5), Done("7", "http://a/b")]


def test_a_file_that_changed_is_fetched_anew(script: Scripted, client: Client, tmp_path: Path) -> None:
    script.answer(200, b"first", Content_Length="9", ETag='"a"', Connection="close")
    script.answer(200, b"second", ETag='"b"')
    client.residual("7", tmp_path / "rest.wav")
    assert (tmp_path / "rest.wav").read_bytes() == b"second"
    assert script.asked[1].headers["range"] == "bytes=5-"
    assert script.asked[1].headers["if-range"] == '"a"'


SECRET = "whsec_" + base64.b64encode(b"sixteen or more!").decode()


def test_a_webhook_is_verified() -> None:
    body = json.dumps({"type": "denoise.success", "timestamp": "2026-05-12T10:14:02.000Z", "data": RECORD})
    now = datetime.now(UTC)
    signature = Signer(SECRET).sign("msg_1", now, body)
    headers = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(int(now.timestamp())), "Webhook-Signature": signature}
    told = verify_webhook(body.encode(), headers, SECRET)
    assert told.type == "denoise.success"
    assert vars(told.record) == RECORD
    assert verify_webhook(body, {**headers, "Webhook-Signature": f"v1,AAAA v2,x {signature}"}, SECRET) == told
    for wrong in (
        {"Webhook-Id": "msg_2"},
        {"Webhook-Timestamp": str(int(now.timestamp()) - 301)},
        {"Webhook-Timestamp": "²"},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1,é"},
    ):
        with pytest.raises(InvalidSignature):
            verify_webhook(body, headers | wrong, SECRET)
    with pytest.raises(InvalidSignature):
        verify_webhook(body + " ", headers, SECRET)
    with pytest.raises(ValueError, match="whsec_"):
        verify_webhook(body, headers, "not base64!")
