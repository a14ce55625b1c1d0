"""The Munsit dialect: the stream of a job, a test a sentence of the contract, against a live server."""

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.audio import write_noisy, write_silence
from tests.live import Live, run_waiting

UNKNOWN = "03876b19-7220-47f3-8d75-34494fe9b7ab"  # a job that nobody has
NOT_FOUND = b'{"message":"Denoising job not found"}'


@pytest.fixture(scope="module")
def lines(live: Live, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[float, dict[str, Any]]]:
    """When each event of a job came, which is followed by `curl -N`, and the event."""
    job_id = live.upload(write_noisy(tmp_path_factory.mktemp("followed") / "a.wav", 32))
    command = ["curl", "-sN", "-H", f"x-api-key: {live.key}", f"{live.url}/api/v1/denoise/{job_id}/progress"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout
        found = [(time.monotonic(), line) for line in curl.stdout]
    return [(at_s, json.loads(line[6:])) for at_s, line in found if line.startswith(b"data: ")]


class TestProgress:
    def test_headers_are_those_of_an_unbuffered_stream(self, live: Live, finished: dict[str, Any]) -> None:
        for accept in ("text/event-stream", "*/*", None):
            headers = {"x-api-key": live.key} | ({"accept": accept} if accept else {})
            request = httpx2.Request("GET", f"{live.url}/api/v1/denoise/{finished['id']}/progress", headers=headers)
            with httpx2.Client() as client:
                answer = client.send(request, stream=True)
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "text/event-stream"
                assert answer.headers["cache-control"] == "no-cache"
                assert answer.headers["connection"] == "keep-alive"
                assert "content-encoding" not in answer.headers
                answer.close()

    def test_each_message_is_one_line_and_a_blank_one(self, live: Live, noisy_wav: Path) -> None:
        job_id = live.upload(noisy_wav)
        raw = live.client.get(f"/denoise/{job_id}/progress").content
        assert b"\r" not in raw
        assert raw.endswith(b"\n\n")
        for message in raw[:-2].split(b"\n\n"):
            assert message.startswith(b"data: {")
            event = json.loads(message.removeprefix(b"data: "))
            assert message == b"data: " + json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()

    def test_stages_come_in_order_and_percentages_never_fall(self, lines: list[tuple[float, dict[str, Any]]]) -> None:
        events = [event for _, event in lines]
        assert [event["stage"] for event in events[:-1]] == ["processing"] * (len(events) - 1)
        percents = [event["pct"] for event in events[:-1]]
        assert percents == sorted(percents)
        assert all(isinstance(p, int) and 0 <= p <= 100 for p in percents)
        messages = [event.get("message") for event in events[:-1]]
        assert {"Extracting audio", "Running noise reduction"} <= set(messages)
        assert any(5 < percent < 99 for percent in percents)
        assert None not in messages

    def test_the_end_is_what_the_record_says(self, live: Live, noisy_wav: Path) -> None:
        job_id = live.upload(noisy_wav)
        done = live.events(job_id)[-1]
        record = live.record(job_id)
        assert done == {"stage": "done", "url": record["audio_url"], "denoiseId": job_id}
        assert list(done) == ["stage", "url", "denoiseId"]
        assert httpx2.get(done["url"]).status_code == 200

    def test_when_done_arrives_record_and_file_are_there(self, live: Live, noisy_wav: Path) -> None:
        job_id = live.upload(noisy_wav)
        with live.client.stream("GET", f"/denoise/{job_id}/progress") as answer:
            for line in answer.iter_lines():
                if '"done"' in line:
                    assert live.record(job_id)["status"] == "success"
                    assert httpx2.head(json.loads(line[6:])["url"]).status_code == 200

    def test_a_finished_job_is_its_end_alone_any_number_of_times(self, live: Live, finished: dict[str, Any]) -> None:
        for _ in range(3):
            events = live.events(finished["id"])
            assert events == [{"stage": "done", "url": finished["audio_url"], "denoiseId": finished["id"]}]

    def test_in_mid_job_the_latest_state_comes_first(self, live: Live, tmp_path: Path) -> None:
        job_id = live.upload(write_noisy(tmp_path / "long.wav", 40))
        with live.client.stream("GET", f"/denoise/{job_id}/progress") as first:
            for line in first.iter_lines():
                if line.startswith("data: ") and json.loads(line[6:]).get("pct", 0) > 20:
                    break
            events = live.events(job_id)
        assert events[0]["pct"] > 20
        assert events[-1]["stage"] == "done"

    def test_any_number_of_listeners_hear_the_end(self, live: Live, tmp_path: Path) -> None:
        job_id = live.upload(write_noisy(tmp_path / "a.wav", 10))
        ends: list[str] = []
        threads = [threading.Thread(target=lambda: ends.append(live.events(job_id)[-1]["stage"])) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ends == ["done"] * 30

    def test_one_that_leaves_disturbs_nobody(self, live: Live, tmp_path: Path) -> None:
        job_id = live.upload(write_noisy(tmp_path / "a.wav", 10))
        for _ in range(10):
            with live.client.stream("GET", f"/denoise/{job_id}/progress") as answer:
                next(answer.iter_lines())
        assert live.events(job_id)[-1]["stage"] == "done"

    def test_without_an_event_the_server_closes_and_pings_do_not_count(self, tmp_path: Path) -> None:
        with run_waiting(tmp_path / "data", sse_idle_timeout_s=1.5, sse_ping_s=0.3, sse_recheck_s=0.2) as live:
            waiting = live.upload(write_silence(tmp_path / "a.wav", 1))
            raw = live.client.get(f"/denoise/{waiting}/progress").content
            assert raw.count(b"data: ") == 1
            assert b": ping\n\n" in raw

    @pytest.mark.parametrize("job_id", [UNKNOWN, "nonsense", "%00", "..%2f..", "é", "1" * 500])
    def test_unknown_jobs_are_a_404(self, live: Live, job_id: str) -> None:
        answer = live.client.get(f"/denoise/{job_id}/progress")
        assert answer.status_code == 404
        assert job_id == "..%2f.." or answer.content == NOT_FOUND

    def test_the_job_of_another_user_is_the_same_404(self, live: Live, finished: dict[str, Any]) -> None:
        with live.client_for("stranger") as client:
            answer = client.get(f"/denoise/{finished['id']}/progress")
        assert (answer.status_code, answer.content) == (404, NOT_FOUND)
        assert answer.headers["content-type"] == "application/json"

    def test_each_event_arrives_when_it_happens(self, lines: list[tuple[float, dict[str, Any]]]) -> None:
        """With `curl -N`, the first line is there long before the last."""
        assert lines[-1][0] - lines[0][0] > 0.2
        assert len(lines) > 3


def test_a_failed_job_says_why_in_record_and_stream(live: Live, tmp_path: Path) -> None:
    """The original vanishes before the job runs: the worst that can happen to an accepted file."""
    first = live.upload(write_silence(tmp_path / "first.wav", 600))
    job_id = live.upload(write_noisy(tmp_path / "a.wav", 1))
    live_file = live.settings.storage_root / job_id[:2] / job_id / "original"
    live_file.unlink()
    live.client.post(f"/denoise/{first}/cancel").raise_for_status()
    events = live.events(job_id)
    record = live.record(job_id)
    assert events[-1] == {"stage": "error", "message": record["error"]}
    assert record["status"] == "failed"
    assert record["error"] == "The original recording is no longer on the server."
    assert record["audio_url"] is None
    assert live.events(job_id) == [events[-1]]
