"""The Munsit dialect, a test a sentence of the contract, against a live server."""

import json
import re
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from munsit_denoise.media.ffmpeg import program
from tests.audio import write_noisy, write_silence
from tests.live import Live, run_live

UNKNOWN = "03876b19-7220-47f3-8d75-34494fe9b7ab"  # a job that nobody has
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
UNAUTHORISED = b'{"errorCode":"40101","errorMessage":"Invalid or missing API key"}'
NOT_FOUND = b'{"message":"Denoising job not found"}'


@pytest.fixture(scope="module")
def finished(live: Live, noisy_wav: Path) -> dict[str, Any]:
    job_id = live.upload(noisy_wav, "finished.wav")
    live.events(job_id)
    return live.record(job_id)


class TestKeys:
    @pytest.mark.parametrize("key", [None, "", "wrong", "mds_" + "0" * 38])
    @pytest.mark.parametrize("path", ["/denoise", "/denoise?offset=-1", f"/denoise/{UNKNOWN}/progress"])
    def test_every_get_needs_a_key(self, live: Live, key: str | None, path: str) -> None:
        headers = {"x-api-key": key} if key is not None else {}
        answer = httpx.get(live.url + "/api/v1" + path, headers=headers)
        assert (answer.status_code, answer.content) == (401, UNAUTHORISED)
        assert answer.headers["content-type"] == "application/json"

    def test_two_keys_at_once_are_none(self, live: Live) -> None:
        headers = [("x-api-key", live.key), ("x-api-key", live.key)]
        assert httpx.get(live.url + "/api/v1/denoise", headers=headers).content == UNAUTHORISED

    def test_the_key_is_checked_before_the_body_is_read(self, live: Live) -> None:
        host, port = live.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = "POST /api/v1/denoise HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n"
            connection.sendall((head + "content-length: 100000000\r\n\r\n").encode())
            assert b"401" in connection.recv(4096).split(b"\r\n")[0]

    def test_two_keys_may_share_one_user(self, live: Live, finished: dict[str, Any]) -> None:
        with live.client_for("tester") as other:
            assert finished["id"] in [r["id"] for r in other.get("/denoise").json()]

    def test_a_revoked_key_is_dead_and_its_open_stream_ends(self, tmp_path: Path) -> None:
        with run_live(tmp_path, sse_recheck_s=0.2) as live:
            path = write_silence(tmp_path / "long.wav", 600)
            job_id, answers = live.upload(path), []
            thread = threading.Thread(target=lambda: answers.append(live.events(job_id)))
            thread.start()
            command = ["python", "-m", "munsit_denoise", "keys", "revoke", live.key[:12]]
            environment = {"DENOISE_DATA_DIR": str(tmp_path), "PATH": str(Path(__import__("sys").executable).parent)}
            subprocess.run(command, env=environment, check=True, capture_output=True)
            thread.join(timeout=20)
            assert not thread.is_alive()
            assert answers[0][-1]["stage"] == "processing"
            assert live.client.get("/denoise").status_code == 401


class TestSubmit:
    def test_the_answer_is_two_equal_ids_and_nothing_else(self, live: Live, noisy_wav: Path) -> None:
        answer = live.client.post("/denoise", files={"audio": (noisy_wav.name, noisy_wav.read_bytes())})
        job_id = answer.json()["jobId"]
        assert answer.status_code == 200
        assert answer.content == f'{{"jobId":"{job_id}","denoiseId":"{job_id}"}}'.encode()
        assert str(uuid.UUID(job_id)) == job_id

    def test_the_field_may_be_called_file(self, live: Live, noisy_wav: Path) -> None:
        assert live.client.post("/denoise", files={"file": (noisy_wav.name, noisy_wav.read_bytes())}).status_code == 200

    def test_other_fields_are_ignored(self, live: Live, noisy_wav: Path) -> None:
        data = {"language": "ar", "notes": "x" * 5000}
        assert (
            live.client.post(
                "/denoise", data=data, files={"audio": (noisy_wav.name, noisy_wav.read_bytes())}
            ).status_code
            == 200
        )

    def test_by_the_answer_the_original_is_stored_and_the_record_is_listed(self, live: Live, noisy_wav: Path) -> None:
        record = live.record(live.upload(noisy_wav))
        assert record["status"] in ("pending", "success")
        assert httpx.get(record["original_audio_url"]).content == noisy_wav.read_bytes()

    @pytest.mark.parametrize(
        "request_", [{}, {"data": {"audio": "text"}}, {"files": {"other": ("a.wav", b"x")}}, {"json": {"audio": "x"}}]
    )
    def test_without_a_file_it_is_a_400(self, live: Live, request_: dict[str, Any]) -> None:
        answer = live.client.post("/denoise", **request_)
        assert answer.status_code == 400
        assert answer.json() == {"errorCode": "40001", "errorMessage": "audio is required and must be a file"}

    def test_without_an_audio_track_it_is_a_400_and_no_record(self, live: Live) -> None:
        with live.client_for("no tracks") as client:
            answer = client.post("/denoise", files={"audio": ("a.wav", b"no sound at all")})
            assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
            assert client.get("/denoise").json() == []

    def test_limits_are_told_with_the_configured_numbers_and_leave_nothing(self, tmp_path: Path) -> None:
        with run_live(tmp_path / "data", max_upload_mb=1, max_duration_minutes=0.5) as live:
            big = write_silence(tmp_path / "big.wav", 100)  # 1.5 MiB
            long = write_silence(tmp_path / "long.wav", 45)
            answers = [
                live.client.post("/denoise", files={"audio": (path.name, path.read_bytes())}) for path in (big, long)
            ]
            assert [(a.status_code, a.json()["errorCode"]) for a in answers] == [(400, "40001")] * 2
            size = r"File size exceeds the maximum limit of 1MB\. File size: 1\.5\d*MB"
            assert re.fullmatch(size, answers[0].json()["errorMessage"])
            duration = "Duration exceeds the maximum limit of 0.5 minutes. Duration: 0.75 minutes"
            assert answers[1].json()["errorMessage"] == duration
            assert live.client.get("/denoise").json() == []
            assert live.files() == []

    def test_a_length_that_is_missing_does_not_lift_the_limit(self, tmp_path: Path) -> None:
        """Chunked, without Content-Length: cut while reading."""
        with run_live(tmp_path, max_upload_mb=1) as live:
            head = b'--b\r\ncontent-disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n'

            def body() -> Any:
                yield head
                for _ in range(40):
                    yield bytes(65536)
                yield b"\r\n--b--\r\n"

            headers = {"content-type": "multipart/form-data; boundary=b"}
            answer = live.client.post("/denoise", content=body(), headers=headers)
            assert answer.status_code == 400
            assert answer.json()["errorMessage"].startswith("File size exceeds the maximum limit of 1MB")
            assert live.files() == []

    def test_zero_lifts_the_limits(self, tmp_path: Path) -> None:
        with run_live(tmp_path / "data", max_upload_mb=0, max_duration_minutes=0) as live:
            assert live.upload(write_silence(tmp_path / "long.wav", 20 * 60))

    def test_a_full_queue_is_a_503_with_an_integer_retry_after(self, tmp_path: Path, noisy_wav: Path) -> None:
        with run_live(tmp_path, max_pending_jobs=1) as live:
            long = write_silence(tmp_path / "long.wav", 600)
            codes = []
            for _ in range(4):
                answer = live.client.post("/denoise", files={"audio": (long.name, long.read_bytes())})
                codes.append(answer.status_code)
                if answer.status_code == 503:
                    assert answer.json()["errorCode"] == "50301"
                    assert int(answer.headers["retry-after"]) > 0
            assert codes[0] == 200
            assert codes[-1] == 503

    def test_a_user_with_too_many_waiting_jobs_gets_a_429_and_others_do_not(self, tmp_path: Path) -> None:
        with run_live(tmp_path / "data", max_pending_jobs_per_user=1) as live:
            long, answers = write_silence(tmp_path / "long.wav", 200), []
            for _ in range(4):
                answers.append(live.client.post("/denoise", files={"audio": ("a.wav", long.read_bytes())}))
            assert (answers[-1].status_code, answers[-1].json()["errorCode"]) == (429, "42901")
            assert int(answers[-1].headers["retry-after"]) > 0
            with live.client_for("other") as other:
                assert other.post("/denoise", files={"audio": ("a.wav", long.read_bytes())}).status_code == 200

    @pytest.mark.parametrize(
        ("name", "source_type", "audio_format"),
        [
            ("a.MP4", "video", "mp4"),
            ("a.mov", "video", "mov"),
            ("a.MKV", "video", "mkv"),
            ("a.webm", "video", "webm"),
            ("a.avi", "video", "avi"),
            ("a.m4v", "video", "m4v"),
            ("a.WAV", "audio", "wav"),
            ("a.b.mp3", "audio", "mp3"),
            ("noextension", "audio", "wav"),
        ],
    )
    def test_video_is_decided_by_the_extension(
        self, live: Live, noisy_wav: Path, name: str, source_type: str, audio_format: str
    ) -> None:
        record = live.record(live.upload(noisy_wav, name))
        assert (record["source_type"], record["audio_format"], record["file_name"]) == (source_type, audio_format, name)

    @pytest.mark.parametrize(
        "extension", ["wav", "mp3", "m4a", "flac", "ogg", "opus", "mp4", "mkv", "aiff", "amr", "wma"]
    )
    def test_the_result_is_a_wav_like_the_source_track(self, live: Live, tmp_path: Path, extension: str) -> None:
        path = tmp_path / f"a.{extension}"
        layout = ["-ar", "8000", "-ac", "1"] if extension == "amr" else ["-ac", "2"]
        picture = ["-f", "lavfi", "-i", "testsrc=d=2:s=64x64"] if extension in ("mp4", "mkv") else []
        source = ["-f", "lavfi", "-i", "sine=d=2:sample_rate=44100"]
        codec = ["-c:a", "libopencore_amrnb"] if extension == "amr" else []
        writer = program("ffmpeg-amr" if extension == "amr" else "ffmpeg")
        subprocess.run([writer, "-v", "error", *source, *picture, *layout, *codec, str(path)], check=True)
        job_id = live.upload(path)
        assert live.events(job_id)[-1]["stage"] == "done"
        record = live.record(job_id)
        answer = httpx.get(record["audio_url"])
        (tmp_path / "result.wav").write_bytes(answer.content)
        result, probed = soundfile.info(tmp_path / "result.wav"), _track(path)
        assert (result.samplerate, result.channels) == probed
        assert result.duration == pytest.approx(2, abs=0.06)
        assert answer.headers["content-type"] == "audio/wav"

    def test_pcm_keeps_its_length_to_the_sample(self, live: Live, tmp_path: Path) -> None:
        path = write_noisy(tmp_path / "odd.wav", 1.23457, 44_100, 2)
        job_id = live.upload(path)
        url = live.events(job_id)[-1]["url"]
        (tmp_path / "result.wav").write_bytes(httpx.get(url).content)
        assert soundfile.info(tmp_path / "result.wav").frames == soundfile.info(path).frames


def _track(path: Path) -> tuple[int, int]:
    arguments = ["-v", "error", "-select_streams", "a:0", "-of", "json", "-show_entries", "stream=sample_rate,channels"]
    done = subprocess.run(["ffprobe", *arguments, str(path)], check=True, capture_output=True)
    stream = json.loads(done.stdout)["streams"][0]
    return int(stream["sample_rate"]), int(stream["channels"])


@pytest.fixture(scope="module")
def history(live: Live, noisy_wav: Path) -> Iterator[tuple[httpx.Client, list[str]]]:
    with live.client_for("historian") as client:
        ids = [live.upload(noisy_wav, f"{n}.wav", client) for n in range(5)]
        live.events(ids[-1], client)
        yield client, ids[::-1]


class TestHistory:
    def test_it_is_a_bare_array_newest_first(self, history: tuple[httpx.Client, list[str]]) -> None:
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
    def test_offset_and_limit_select(self, history: tuple[httpx.Client, list[str]], query: str, part: slice) -> None:
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
            answer = httpx.get(finished[name], headers={"range": "bytes=0-3"})
            assert (answer.status_code, answer.content) == (206, b"RIFF")

    def test_a_pending_record_has_no_result_yet(self, tmp_path: Path) -> None:
        with run_live(tmp_path / "data") as live:
            record = live.record(live.upload(write_silence(tmp_path / "long.wav", 800)))
            assert record["status"] == "pending"
            assert record["audio_url"] is None
            assert record["original_audio_url"]

    @pytest.mark.parametrize(
        "name", ["مقابلة صحفية.wav", "日本語 🎙.wav", "../../etc/passwd", "a'b;c&d.wav", "<b>.wav", "x" * 900]
    )
    def test_the_name_is_kept_as_it_was_sent(self, live: Live, noisy_wav: Path, name: str) -> None:
        record = live.record(live.upload(noisy_wav, name))
        assert record["file_name"] == name
        assert httpx.get(record["original_audio_url"]).status_code == 200

    def test_nobody_sees_the_records_of_others(self, live: Live, finished: dict[str, Any]) -> None:
        with live.client_for("stranger") as client:
            assert client.get("/denoise").json() == []


class TestProgress:
    def test_headers_are_those_of_an_unbuffered_stream(self, live: Live, finished: dict[str, Any]) -> None:
        for accept in ("text/event-stream", "*/*", None):
            headers = {"x-api-key": live.key} | ({"accept": accept} if accept else {})
            request = httpx.Request("GET", f"{live.url}/api/v1/denoise/{finished['id']}/progress", headers=headers)
            with httpx.Client() as client:
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

    def test_stages_come_in_order_and_percentages_never_fall(self, live: Live, tmp_path: Path) -> None:
        events = live.events(live.upload(write_noisy(tmp_path / "a.wav", 50)))
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
        assert httpx.get(done["url"]).status_code == 200

    def test_when_done_arrives_record_and_file_are_there(self, live: Live, noisy_wav: Path) -> None:
        job_id = live.upload(noisy_wav)
        with live.client.stream("GET", f"/denoise/{job_id}/progress") as answer:
            for line in answer.iter_lines():
                if '"done"' in line:
                    assert live.record(job_id)["status"] == "success"
                    assert httpx.head(json.loads(line[6:])["url"]).status_code == 200

    def test_a_finished_job_is_its_end_alone_any_number_of_times(self, live: Live, finished: dict[str, Any]) -> None:
        for _ in range(3):
            events = live.events(finished["id"])
            assert events == [{"stage": "done", "url": finished["audio_url"], "denoiseId": finished["id"]}]

    def test_in_mid_job_the_latest_state_comes_first(self, live: Live, tmp_path: Path) -> None:
        job_id = live.upload(write_noisy(tmp_path / "long.wav", 80))
        with live.client.stream("GET", f"/denoise/{job_id}/progress") as first:
            for line in first.iter_lines():
                if line.startswith("data: ") and json.loads(line[6:]).get("pct", 0) > 20:
                    break
            events = live.events(job_id)
        assert events[0]["pct"] > 20
        assert events[-1]["stage"] == "done"

    def test_any_number_of_listeners_hear_the_end(self, live: Live, tmp_path: Path) -> None:
        job_id = live.upload(write_noisy(tmp_path / "a.wav", 20))
        ends: list[str] = []
        threads = [threading.Thread(target=lambda: ends.append(live.events(job_id)[-1]["stage"])) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ends == ["done"] * 30

    def test_one_that_leaves_disturbs_nobody(self, live: Live, tmp_path: Path) -> None:
        job_id = live.upload(write_noisy(tmp_path / "a.wav", 20))
        for _ in range(10):
            with live.client.stream("GET", f"/denoise/{job_id}/progress") as answer:
                next(answer.iter_lines())
        assert live.events(job_id)[-1]["stage"] == "done"

    def test_without_an_event_the_server_closes_and_pings_do_not_count(self, tmp_path: Path) -> None:
        with run_live(tmp_path / "data", sse_idle_timeout_s=1.5, sse_ping_s=0.3, sse_recheck_s=0.2) as live:
            live.upload(write_silence(tmp_path / "long.wav", 890))
            waiting = live.upload(write_silence(tmp_path / "other.wav", 1))
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

    def test_each_event_arrives_when_it_happens(self, live: Live, tmp_path: Path) -> None:
        """With `curl -N`, the first line is there long before the last."""
        job_id = live.upload(write_noisy(tmp_path / "a.wav", 60))
        command = ["curl", "-sN", "-H", f"x-api-key: {live.key}", f"{live.url}/api/v1/denoise/{job_id}/progress"]
        times = []
        with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            assert curl.stdout
            for line in curl.stdout:
                if line.startswith(b"data: "):
                    times.append(time.monotonic())
        assert times[-1] - times[0] > 0.2
        assert len(times) > 3


def test_a_failed_job_says_why_in_record_and_stream(live: Live, tmp_path: Path) -> None:
    """The original vanishes before the job runs: the worst that can happen to an accepted file."""
    live.upload(write_noisy(tmp_path / "first.wav", 60))
    job_id = live.upload(write_noisy(tmp_path / "a.wav", 1))
    live_file = live.settings.storage_root / job_id[:2] / job_id / "original"
    live_file.unlink()
    events = live.events(job_id)
    record = live.record(job_id)
    assert events[-1] == {"stage": "error", "message": record["error"]}
    assert record["status"] == "failed"
    assert record["error"] == "The original recording is no longer on the server."
    assert record["audio_url"] is None
    assert live.events(job_id) == [events[-1]]


def test_routes_that_do_not_exist_answer_in_the_dialect(live: Live) -> None:
    answer = live.client.get("/nothing")
    assert (answer.status_code, answer.json()) == (404, {"errorCode": "40401", "errorMessage": "Not Found"})
    assert live.client.delete("/denoise").json()["errorCode"] == "40501"
