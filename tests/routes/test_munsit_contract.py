"""The Munsit dialect, a test a sentence of the contract, against a live server: keys, and what may be sent."""

import json
import os
import re
import socket
import subprocess
import threading
import uuid
from pathlib import Path
from typing import Any

import httpx2
import pytest
import soundfile

from tests.audio import ffmpeg, write_noisy, write_silence
from tests.live import Live, run_waiting
from tests.prepared import run

UNKNOWN = "03876b19-7220-47f3-8d75-34494fe9b7ab"  # a job that nobody has
UNAUTHORISED = b'{"errorCode":"40101","errorMessage":"Invalid or missing API key"}'


class TestKeys:
    @pytest.mark.parametrize("key", [None, "", "wrong", "mds_" + "0" * 38])
    @pytest.mark.parametrize("path", ["/denoise", "/denoise?offset=-1", f"/denoise/{UNKNOWN}/progress"])
    def test_every_get_needs_a_key(self, live: Live, key: str | None, path: str) -> None:
        headers = {"x-api-key": key} if key is not None else {}
        answer = httpx2.get(live.url + "/api/v1" + path, headers=headers)
        assert (answer.status_code, answer.content) == (401, UNAUTHORISED)
        assert answer.headers["content-type"] == "application/json"

    def test_two_keys_at_once_are_none(self, live: Live) -> None:
        headers = [("x-api-key", live.key), ("x-api-key", live.key)]
        assert httpx2.get(live.url + "/api/v1/denoise", headers=headers).content == UNAUTHORISED

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
        with run_waiting(tmp_path, sse_recheck_s=0.2) as live:
            job_id, answers = live.upload(write_silence(tmp_path / "a.wav", 1)), []
            thread = threading.Thread(target=lambda: answers.append(live.events(job_id)))
            thread.start()
            environment = os.environ | {"DENOISE_DATA_DIR": str(tmp_path)}
            assert run("keys", "revoke", live.key[:12], environment=environment).returncode == 0
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
        assert httpx2.get(record["original_audio_url"]).content == noisy_wav.read_bytes()

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
        with run_waiting(tmp_path / "data", max_upload_mb=1, max_duration_minutes=0.5) as live:
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
        with run_waiting(tmp_path, max_upload_mb=1) as live:
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
        with run_waiting(tmp_path / "data", max_upload_mb=0, max_duration_minutes=0) as live:
            assert live.upload(write_silence(tmp_path / "long.wav", 20 * 60))

    def test_a_full_queue_is_a_503_with_an_integer_retry_after(self, tmp_path: Path, noisy_wav: Path) -> None:
        with run_waiting(tmp_path, max_pending_jobs=1) as live:
            live.upload(noisy_wav)
            answer = live.client.post("/denoise", files={"audio": (noisy_wav.name, noisy_wav.read_bytes())})
            assert (answer.status_code, answer.json()["errorCode"]) == (503, "50301")
            assert int(answer.headers["retry-after"]) > 0

    def test_a_user_with_too_many_waiting_jobs_gets_a_429_and_others_do_not(
        self, tmp_path: Path, noisy_wav: Path
    ) -> None:
        with run_waiting(tmp_path / "data", max_pending_jobs_per_user=1) as live:
            live.upload(noisy_wav)
            answer = live.client.post("/denoise", files={"audio": ("a.wav", noisy_wav.read_bytes())})
            assert (answer.status_code, answer.json()["errorCode"]) == (429, "42901")
            assert int(answer.headers["retry-after"]) > 0
            with live.client_for("other") as other:
                live.upload(noisy_wav, client=other)

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

    def test_it_is_not_decided_by_the_content_however_the_bytes_arrive(self, live: Live, tmp_path: Path) -> None:
        path = tmp_path / "a.mp4"
        picture = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-f", "lavfi", "-i", "sine=d=1", "-shortest"]
        subprocess.run(["ffmpeg", "-v", "error", *picture, str(path)], check=True)
        headers = {"x-api-key": live.key}
        files = {"file": ("noextension", path.read_bytes())}
        upload = httpx2.post(f"{live.url}/v1/upload", files=files, headers=headers).json()["fileId"]
        jobs = [
            live.upload(path, "noextension"),
            live.client.post("/denoise", json={"upload_id": upload}).json()["jobId"],
        ]
        assert [live.record(job_id)["source_type"] for job_id in jobs] == ["audio", "audio"]

    @pytest.mark.parametrize("extension", ["wav", "mp3", "m4a", "flac", "ogg", "mp4", "amr"])
    def test_the_result_is_a_wav_like_the_source_track(self, live: Live, tmp_path: Path, extension: str) -> None:
        path = tmp_path / f"a.{extension}"
        layout = ["-ar", "8000", "-ac", "1"] if extension == "amr" else ["-ac", "2"]
        picture = ["-f", "lavfi", "-i", "testsrc=d=2:s=64x64"] if extension == "mp4" else []
        source = ["-f", "lavfi", "-i", "sine=d=2:sample_rate=44100"]
        codec = ["-c:a", "libopencore_amrnb"] if extension == "amr" else []
        ffmpeg(*source, *picture, *layout, *codec, path)
        job_id = live.upload(path)
        assert live.events(job_id)[-1]["stage"] == "done"
        record = live.record(job_id)
        answer = httpx2.get(record["audio_url"])
        (tmp_path / "result.wav").write_bytes(answer.content)
        result, probed = soundfile.info(tmp_path / "result.wav"), _track(path)
        assert (result.samplerate, result.channels) == probed
        assert result.duration == pytest.approx(2, abs=0.06)
        assert answer.headers["content-type"] == "audio/wav"

    def test_pcm_keeps_its_length_to_the_sample(self, live: Live, tmp_path: Path) -> None:
        path = write_noisy(tmp_path / "odd.wav", 1.23457, 44_100, 2)
        job_id = live.upload(path)
        url = live.events(job_id)[-1]["url"]
        (tmp_path / "result.wav").write_bytes(httpx2.get(url).content)
        assert soundfile.info(tmp_path / "result.wav").frames == soundfile.info(path).frames


def _track(path: Path) -> tuple[int, int]:
    arguments = ["-v", "error", "-select_streams", "a:0", "-of", "json", "-show_entries", "stream=sample_rate,channels"]
    done = subprocess.run(["ffprobe", *arguments, str(path)], check=True, capture_output=True)
    stream = json.loads(done.stdout)["streams"][0]
    return int(stream["sample_rate"]), int(stream["channels"])


def test_routes_that_do_not_exist_answer_in_the_dialect(live: Live) -> None:
    answer = live.client.get("/nothing")
    assert (answer.status_code, answer.json()) == (404, {"errorCode": "40401", "errorMessage": "Not Found"})
    assert live.client.delete("/denoise").json()["errorCode"] == "40501"
