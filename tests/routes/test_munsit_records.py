"""One record, its end by its user, and the list's filters and links: a test a sentence of the contract."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.audio import write_noisy, write_silence
from tests.live import Live

LOST = b'{"message":"Denoising job not found"}'
DELETED = {"stage": "error", "message": "The recording was deleted."}
CANCELLED = {"stage": "error", "message": "The job was cancelled."}


@pytest.fixture(scope="module")
def long_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that is worked on for longer than a test takes."""
    return write_silence(tmp_path_factory.mktemp("long") / "long.wav", 890)


@pytest.fixture
def ended(live: Live, tmp_path: Path) -> str:
    job_id = live.upload(write_noisy(tmp_path / "ended.wav", 0.3))
    live.events(job_id)
    return job_id


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/progress")])
def test_what_is_not_theirs_is_the_same_404(live: Live, finished: dict[str, Any], method: str, tail: str) -> None:
    with live.client_for("stranger") as stranger:
        for job_id in (finished["id"], str(uuid.uuid4()), "nothing", finished["id"].upper()):
            answer = stranger.request(method, f"/denoise/{job_id}{tail}")
            assert (answer.status_code, answer.content) == (404, LOST)
    assert httpx2.request(method, f"{live.url}/api/v1/denoise/{finished['id']}{tail}").status_code == 401


def test_a_record_alone_is_the_one_in_the_list(live: Live, finished: dict[str, Any]) -> None:
    answer = live.client.get(f"/denoise/{finished['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json().items()) == list(finished.items())


def test_deleting_a_finished_one_leaves_nothing(live: Live, ended: str) -> None:
    record = live.record(ended)
    answer = live.client.delete(f"/denoise/{ended}")
    assert (answer.status_code, answer.content) == (204, b"")
    for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/progress"), ("GET", "/report")):
        answer = live.client.request(method, f"/denoise/{ended}{tail}")
        assert (answer.status_code, answer.content) == (404, LOST)
    assert ended not in {one["id"] for one in live.client.get("/denoise").json()}
    assert httpx2.get(record["audio_url"]).status_code == httpx2.get(record["original_audio_url"]).status_code == 404
    audo = httpx2.get(f"{live.url}/v1/remove-noise/{ended}/status", headers={"x-api-key": live.key})
    assert audo.status_code == 404
    assert not [path for path in live.files() if ended in path.parts]


def follow(live: Live, job_id: str, act: str) -> tuple[dict[str, Any], httpx2.Response]:
    """Listen to a job that runs, delete or cancel it, and return the stream's last event and the answer."""
    events, answer = live.follow(job_id), None
    for event in events:
        if answer is None and event["stage"] == "processing":
            tail = "" if act == "DELETE" else "/cancel"
            answer = live.client.request(act, f"/denoise/{job_id}{tail}")
    assert answer is not None
    return event, answer


def test_deleting_a_running_one_tells_who_listens(live: Live, long_wav: Path) -> None:
    job_id = live.upload(long_wav)
    last, answer = follow(live, job_id, "DELETE")
    assert (last, answer.status_code) == (DELETED, 204)
    assert not [path for path in live.files() if job_id in path.parts]


def test_cancelling_keeps_record_and_original(live: Live, long_wav: Path) -> None:
    running, waiting = live.upload(long_wav), live.upload(long_wav)
    last, answer = follow(live, running, "POST")
    assert last == CANCELLED
    record = answer.json()
    assert (answer.status_code, record["status"], record["error"]) == (200, "failed", CANCELLED["message"])
    assert record["audio_url"] is None
    assert len(httpx2.get(record["original_audio_url"]).content) == long_wav.stat().st_size
    assert live.client.post(f"/denoise/{waiting}/cancel").json()["status"] == "failed"
    assert live.client.post(f"/denoise/{running}/cancel").json() == record
    assert live.events(running) == [CANCELLED]
    audo = httpx2.get(f"{live.url}/v1/remove-noise/{running}/status", headers={"x-api-key": live.key})
    assert audo.json() == {"state": "failed", "reason": CANCELLED["message"]}


def test_cancelling_a_finished_one_changes_nothing(live: Live, finished: dict[str, Any]) -> None:
    assert live.client.post(f"/denoise/{finished['id']}/cancel").json() == finished


@pytest.fixture(scope="module")
def past(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx2.Client, list[str]]]:
    short = write_noisy(tmp_path_factory.mktemp("short") / "a.wav", 0.2, 8_000)
    with live.client_for("searcher") as client:
        ids = [live.upload(short, name, client) for name in ("Meeting 1.wav", "مقابلة.wav", "meeting 2.WAV")]
        for job_id in ids:
            live.events(job_id, client)
        yield client, ids[::-1]


class TestList:
    @pytest.mark.parametrize("status", ["", "done", "SUCCESS", "pending,failed"])
    def test_another_status_is_a_400(self, live: Live, status: str) -> None:
        answer = live.client.get("/denoise", params={"status": status})
        message = "status must be pending, success or failed"
        assert (answer.status_code, answer.json()) == (400, {"errorCode": "40001", "errorMessage": message})

    def test_the_status_is_checked_last(self, live: Live) -> None:
        for query, name in (("limit=0&status=x", "limit"), ("limit=0&offset=-1&status=x", "offset")):
            assert live.client.get(f"/denoise?{query}").json()["errorMessage"].startswith(name)

    def test_words_are_bounded(self, live: Live) -> None:
        assert live.client.get("/denoise", params={"q": "x" * 1_001}).status_code == 400

    @pytest.mark.parametrize(
        ("query", "which"),
        [
            ({"q": "MEETING"}, [0, 2]),
            ({"q": "مقابلة"}, [1]),
            ({"q": "%"}, []),
            ({"status": "success"}, [0, 1, 2]),
            ({"status": "failed"}, []),
            ({"status": "success", "q": "wav", "offset": "1", "limit": "1"}, [1]),
        ],
    )
    def test_status_and_words_select(
        self, past: tuple[httpx2.Client, list[str]], query: dict[str, str], which: list[int]
    ) -> None:
        client, ids = past
        assert [one["id"] for one in client.get("/denoise", params=query).json()] == [ids[n] for n in which]

    def test_links_lead_through_all_pages_and_back(self, live: Live, past: tuple[httpx2.Client, list[str]]) -> None:
        client, ids = past
        url, seen = f"{live.url}/api/v1/denoise?limit=1&q=.wav&x=%D9%85%26", []
        for turn in range(3):
            answer = client.get(url)
            seen += [one["id"] for one in answer.json()]
            links = {rel: link for link, rel in re.findall(r'<([^>]*)>; rel="(\w+)"', answer.headers["link"])}
            assert set(links) == ({"next"}, {"next", "prev"}, {"prev"})[turn]
            for link in links.values():
                assert link.startswith(f"{live.url}/api/v1/denoise?")
                assert parse_qs(urlsplit(link).query) | {"offset": []} == {
                    "limit": ["1"],
                    "q": [".wav"],
                    "x": ["م&"],
                    "offset": [],
                }
            url = links.get("next", url)
        assert seen == ids
        assert json.loads(client.get(links["prev"]).content)[0]["id"] == ids[1]

    def test_the_page_before_a_page_in_between_ends_where_that_begins(
        self, past: tuple[httpx2.Client, list[str]]
    ) -> None:
        client, ids = past
        answer = client.get("/denoise?offset=1&limit=2")
        (before,) = re.findall(r'<([^>]*)>; rel="prev"', answer.headers["link"])
        pages = [client.get(before).json(), answer.json()]
        assert [one["id"] for page in pages for one in page] == ids

    @pytest.mark.parametrize("query", ["limit=3", "limit=600", "limit=9223372036854775807"])
    def test_a_page_that_is_all_has_no_links(self, past: tuple[httpx2.Client, list[str]], query: str) -> None:
        assert "link" not in past[0].get(f"/denoise?{query}").headers

    def test_without_a_limit_there_are_none(self, past: tuple[httpx2.Client, list[str]]) -> None:
        assert "link" not in past[0].get("/denoise?offset=1").headers
