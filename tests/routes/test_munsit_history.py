"""The Munsit dialect: the records of a user, a test a sentence of the contract, against a live server."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.audio import write_silence
from tests.live import Live, run_waiting

KEYS = [
    "id",
    "user_id",
    "transaction_id",
    "audio_url",
    "original_audio_url",
    "file_name",
    "audio_duration",
    "audio_size",
    "audio_format",
    "source_type",
    "status",
    "error",
    "created_at",
    "updated_at",
]


@pytest.fixture(scope="module")
def history(live: Live, noisy_wav: Path) -> Iterator[tuple[httpx2.Client, list[str]]]:
    with live.client_for("historian") as client:
        ids = [live.upload(noisy_wav, f"{n}.wav", client) for n in range(5)]
        live.events(ids[-1], client)
        yield client, ids[::-1]


class TestHistory:
    def test_it_is_a_bare_array_newest_first(self, history: tuple[httpx2.Client, list[str]]) -> None:
        client, ids = history
        answer = client.get("/denoise")
        assert answer.headers["content-type"] == "application/json"
        assert [record["id"] for record in answer.json()] == ids

    def test_without_records_it_is_empty(self, live: Live) -> None:
        with live.client_for("newcomer") as client:
            assert client.get("/denoise").content == b"[]"

    @pytest.mark.parametrize(
        ("query", "part"),
        [
            ("?limit=2", slice(0, 2)),
            ("?offset=1&limit=2", slice(1, 3)),
            ("?offset=3", slice(3, None)),
            ("?offset=99", slice(99, None)),
            ("?offset=0&limit=9223372036854775807", slice(0, None)),
            ("?offset=9223372036854775807", slice(99, None)),
        ],
    )
    def test_offset_and_limit_select(self, history: tuple[httpx2.Client, list[str]], query: str, part: slice) -> None:
        client, ids = history
        assert [record["id"] for record in client.get("/denoise" + query).json()] == ids[part]

    @pytest.mark.parametrize("value", ["-1", "abc", "", "1.5", "1e3", "9223372036854775808", "٣", "+1", "0x1", "1 "])
    @pytest.mark.parametrize("name", ["offset", "limit"])
    def test_other_numbers_are_a_400(self, live: Live, name: str, value: str) -> None:
        answer = live.client.get("/denoise", params={name: value})
        kind = "non-negative" if name == "offset" else "positive"
        assert answer.status_code == 400
        assert answer.json() == {"errorCode": "40001", "errorMessage": f"{name} must be a {kind} number"}

    def test_a_limit_of_zero_is_a_400_and_an_offset_of_zero_is_not(self, live: Live) -> None:
        assert live.client.get("/denoise?limit=0").status_code == 400
        assert live.client.get("/denoise?offset=0").status_code == 200

    def test_offset_is_checked_first(self, live: Live) -> None:
        answer = live.client.get("/denoise?limit=0&offset=-1")
        assert answer.json()["errorMessage"] == "offset must be a non-negative number"

    def test_a_page_that_the_client_has_is_a_304(self, live: Live, history: tuple[httpx2.Client, list[str]]) -> None:
        client, _ = history
        page = client.get("/denoise?limit=2")
        tag = page.headers["etag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = client.get("/denoise?limit=2", headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get("/denoise?limit=3", headers={"if-none-match": tag}).status_code == 200
        with live.client_for("newcomer") as other:
            assert other.get("/denoise?limit=2", headers={"if-none-match": tag}).content == b"[]"

    def test_a_page_and_the_whole_list_are_the_same_bytes(self, history: tuple[httpx2.Client, list[str]]) -> None:
        client, _ = history
        assert client.get("/denoise").content == client.get("/denoise?limit=500").content

    def test_a_record_has_its_14_keys_in_order(self, finished: dict[str, Any]) -> None:
        assert list(finished) == KEYS

    def test_a_finished_record_says_what_it_should(self, live: Live, finished: dict[str, Any], noisy_wav: Path) -> None:
        assert finished["id"] == str(uuid.UUID(finished["id"]))
        assert finished["transaction_id"] is None
        assert finished["error"] is None
        assert finished["file_name"] == "finished.wav"
        assert finished["audio_duration"] == 2
        assert finished["audio_size"] == noisy_wav.stat().st_size
        assert finished["status"] == "success"
        for name in ("created_at", "updated_at"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", finished[name])
        assert finished["updated_at"] > finished["created_at"]

    def test_urls_are_absolute_secret_and_need_no_key(self, live: Live, finished: dict[str, Any]) -> None:
        prefix = f"{live.url}/denoising/{finished['user_id']}/"
        for name, ending in (("audio_url", "_denoised.wav"), ("original_audio_url", "_original.wav")):
            assert re.fullmatch(re.escape(prefix) + "[0-9a-f]{32}" + re.escape(ending), finished[name])
            answer = httpx2.get(finished[name], headers={"range": "bytes=0-3"})
            assert (answer.status_code, answer.content) == (206, b"RIFF")

    def test_a_pending_record_has_no_result_yet(self, tmp_path: Path) -> None:
        with run_waiting(tmp_path / "data") as live:
            record = live.record(live.upload(write_silence(tmp_path / "a.wav", 1)))
            assert record["status"] == "pending"
            assert record["audio_url"] is None
            assert record["original_audio_url"]

    @pytest.mark.parametrize("name", ["مقابلة صحفية.wav", "日本語 🎙.wav", "a'b;c&d.wav", "<b>.wav", "x" * 900])
    def test_the_name_is_kept_as_it_was_sent(self, live: Live, noisy_wav: Path, name: str) -> None:
        record = live.record(live.upload(noisy_wav, name))
        assert record["file_name"] == name
        assert httpx2.get(record["original_audio_url"]).status_code == 200

    def test_nobody_sees_the_records_of_others(self, live: Live, finished: dict[str, Any]) -> None:
        with live.client_for("stranger") as client:
            assert client.get("/denoise").json() == []
