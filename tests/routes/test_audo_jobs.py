"""Audo's dialect: both forms of a job, a test a sentence of the contract, against a live server."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import pytest
import soundfile

from tests.audio import ffmpeg, write_noisy
from tests.live import Live
from tests.peers import Peer
from tests.routes.audo import fetch, post_form, post_job, states, upload

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class TestFirstForm:
    def test_the_inputs_extension_is_the_default(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        end = states(server, post_form(api, mp3))[-1]
        assert re.fullmatch(rf"dl/artifacts/clean/audo_enhanced_{UUID}\.mp3", end["processedPath"])
        assert set(end) == {"state", "processedPath"}

    @pytest.mark.parametrize("extension", ["ogg", ".ogg", "OGG", ".flac"])
    def test_an_extension_with_and_without_a_dot(
        self, server: Live, api: httpx2.Client, mp3: Path, extension: str
    ) -> None:
        end = states(server, post_form(api, mp3, outputExt=extension))[-1]
        assert end["processedPath"].endswith("." + extension.strip(".").lower())
        answer = fetch(server, end)
        assert answer.content[:4] == (b"fLaC" if "flac" in extension else b"OggS")

    def test_an_extension_that_cannot_be_written_is_refused_before_the_file(
        self, api: httpx2.Client, mp3: Path
    ) -> None:
        answer = api.post("/remove-noise", files={"file": ("a.mp3", mp3.read_bytes())}, params={"outputExt": "xyz"})
        assert answer.status_code == 422
        assert "xyz" in answer.json()["detail"]

    def test_status_and_both_sockets_tell_the_same_end(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        ends = [states(server, job_id)[-1], states(server, job_id, "/v1/remove-noise/{}/ws")[-1]]
        ends.append(api.get(f"/remove-noise/{job_id}/status").json())
        assert ends[0] == ends[1] == ends[2]
        assert ends[0]["state"] == "succeeded"

    def test_a_video_keeps_its_picture(self, server: Live, api: httpx2.Client, tmp_path: Path) -> None:
        sources = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-f", "lavfi", "-i", "sine=d=1"]
        ffmpeg(*sources, tmp_path / "a.mp4")
        end = states(server, post_form(api, tmp_path / "a.mp4", outputExt="mp4"))[-1]
        (tmp_path / "b.mp4").write_bytes(fetch(server, end).content)
        assert picture_hash(tmp_path / "a.mp4") == picture_hash(tmp_path / "b.mp4")

    @pytest.mark.parametrize("content", [b"", b"hello" * 100])
    def test_what_is_no_media_is_a_422(self, api: httpx2.Client, content: bytes) -> None:
        answer = api.post("/remove-noise", files={"file": ("a.mp3", content)})
        assert answer.status_code == 422
        assert set(answer.json()) == {"detail"}

    def test_a_form_without_a_file_is_a_422(self, api: httpx2.Client) -> None:
        answer = api.post("/remove-noise", files={"other": ("a", b"b")})
        assert (answer.status_code, answer.json()["detail"]) == (422, "file is required and must be a file")


def picture_hash(path: Path) -> bytes:
    return ffmpeg("-i", path, "-map", "0:v", "-c", "copy", "-f", "hash", "-")


class TestSecondForm:
    def test_an_upload_becomes_a_job(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        end = states(server, post_job(api, input=upload(api, mp3), outputExtension=None, output=None))[-1]
        assert re.fullmatch(rf"/dl/artifacts/clean/audo_enhanced_{UUID}\.mp3", end["downloadPath"])
        assert set(end) == {"state", "downloadPath"}

    def test_file_id_is_an_alias_and_an_upload_serves_several_jobs(
        self, server: Live, api: httpx2.Client, mp3: Path
    ) -> None:
        file_id = upload(api, mp3)
        jobs = [post_job(api, fileId=file_id, outputExtension=e) for e in ("wav", ".mp3")]
        assert [states(server, job)[-1]["downloadPath"][-4:] for job in jobs] == [".wav", ".mp3"]

    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"],
    )
    def test_a_body_is_json_whatever_it_is_called(self, api: httpx2.Client, mp3: Path, content_type: str) -> None:
        body = json.dumps({"input": upload(api, mp3), "autoVolume": None, "noiseReductionAmount": None})
        answer = api.post("/remove-noise", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == 200, answer.text

    @pytest.mark.parametrize("path", ["/v1//upload", "/v1///upload"])
    def test_double_slashes_mean_single_ones(self, server: Live, mp3: Path, path: str) -> None:
        headers = {"x-api-key": server.key}
        answer = httpx2.post(server.url + path, headers=headers, files={"file": ("a.mp3", mp3.read_bytes())})
        assert answer.status_code == 200, path

    def test_a_name_without_an_extension_takes_the_given_one(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        answer = api.post("/upload", files={"file": ("blob", mp3.read_bytes())}, params={"inputExt": ".mp3"})
        assert states(server, post_job(api, input=answer.json()["fileId"]))[-1]["downloadPath"].endswith(".mp3")

    def test_what_is_no_media_is_a_422(self, api: httpx2.Client) -> None:
        answer = api.post("/upload", files={"file": ("a.mp3", b"hello" * 100)})
        assert answer.status_code == 422
        assert set(answer.json()) == {"detail"}

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"input": 5},
            {"input": "ftp://example.org/a"},
            {"input": "x://"},
            {"input": "http://[/"},
            {"input": "http://a:99999/"},
            {"input": "http://a b/"},
            {"input": "http://a:0/"},
            {"input": "a", "outputExtension": "xyz"},
            {"input": "a", "outputExtension": 3},
            {"input": "a", "noiseReductionAmount": 0},
            {"input": "a", "noiseReductionAmount": 101},
            {"input": "a", "noiseReductionAmount": "much"},
            {"input": "a", "noiseReductionAmount": True},
            {"input": "a", "autoVolume": 6},
            {"input": "a", "autoVolume": "loud"},
            {"input": "a", "autoVolume": float("nan")},
            {"input": "a", "output": "file:///etc/passwd"},
            {"input": "a", "output": "http://a:0/"},
            {"input": "a", "output": ["http://a"]},
        ],
    )
    def test_options_that_make_no_sense_are_a_422(self, api: httpx2.Client, mp3: Path, fields: dict[str, Any]) -> None:
        if fields.get("input") == "a":
            fields = fields | {"input": upload(api, mp3)}
        answer = api.post("/remove-noise", content=json.dumps(fields))
        assert answer.status_code == 422, answer.text
        assert set(answer.json()) == {"detail"}

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"a"', b"null"])
    def test_a_body_that_is_no_object_is_a_422(self, api: httpx2.Client, body: bytes) -> None:
        assert api.post("/remove-noise", content=body).status_code == 422

    def test_an_unknown_upload_is_a_404(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        own = upload(api, mp3)
        with httpx2.Client(base_url=server.url + "/v1", headers={"x-api-key": server.new_key("stranger")}) as other:
            answers = [other.post("/remove-noise", json={"input": source}) for source in (own, "nonsense", "0" * 36)]
        assert {(a.status_code, a.text) for a in answers} == {
            (404, '{"detail":"There is no such file. Please upload it again."}')
        }

    def test_a_url_is_downloaded_first(self, server: Live, api: httpx2.Client, peer: Peer) -> None:
        found = states(server, post_job(api, input=f"{peer.url}/speech.wav", outputExtension="mp3"))
        assert found[-1]["state"] == "succeeded"
        kinds = list(dict.fromkeys(state["state"] for state in found))
        assert kinds in (
            ["downloading", "queued", "in_progress", "succeeded"],
            ["downloading", "in_progress", "succeeded"],
        )

    def test_the_link_to_an_original_from_before_its_download_works_afterwards(
        self, server: Live, api: httpx2.Client, peer: Peer
    ) -> None:
        job_id = post_job(api, input=f"{peer.url}/speech.wav")
        states(server, job_id)
        url = server.record(job_id)["original_audio_url"]
        before = url.removesuffix(".wav") + ".bin"
        assert httpx2.get(before).content == httpx2.get(url).content

    def test_a_url_that_fails_ends_the_job_with_a_reason(self, server: Live, api: httpx2.Client, peer: Peer) -> None:
        end = states(server, post_job(api, input=f"{peer.url}/missing.wav"))[-1]
        assert end == {"state": "failed", "reason": "The URL could not be downloaded: its server answered 404."}

    def test_a_url_to_this_network_is_refused(self, live: Live) -> None:
        """On a server whose networks are not opened."""
        with httpx2.Client(base_url=live.url + "/v1", headers={"x-api-key": live.key}) as client:
            end = states(live, post_job(client, input=f"{live.url}/healthz"))[-1]
        assert end["state"] == "failed"
        assert "does not connect" in end["reason"]

    def test_the_result_is_put_where_it_is_wanted(
        self, server: Live, api: httpx2.Client, peer: Peer, mp3: Path
    ) -> None:
        url = f"{peer.url}/bucket/result?sig=1"
        end = states(server, post_job(api, input=upload(api, mp3), output=url, outputExtension="flac"))[-1]
        assert end["output"] == "delivered"
        path, media_type, body = peer.received[-1]
        assert (path, media_type) == ("/bucket/result?sig=1", "audio/flac")
        assert body == fetch(server, end).content

    def test_a_result_that_is_refused_is_told_and_can_still_be_downloaded(
        self, server: Live, api: httpx2.Client, peer: Peer, mp3: Path
    ) -> None:
        peer.answers = [403]
        end = states(server, post_job(api, input=upload(api, mp3), output=f"{peer.url}/x"))[-1]
        assert (end["state"], end["output"]) == ("succeeded", "failed")
        assert fetch(server, end).status_code == 200

    def test_the_amount_is_the_strength(self, server: Live, api: httpx2.Client, tmp_path: Path) -> None:
        file_id = upload(api, write_noisy(tmp_path / "a.wav", 2, 16_000))
        source = soundfile.read(tmp_path / "a.wav")[0]
        changed = []
        for amount in (1, "50", 100):
            end = states(server, post_job(api, input=file_id, noiseReductionAmount=amount))[-1]
            (tmp_path / "b.wav").write_bytes(fetch(server, end).content)
            changed.append(float(abs(soundfile.read(tmp_path / "b.wav")[0] - source).std()))
        assert changed == sorted(changed)
        assert changed[0] < 0.05 * changed[2]

    @pytest.mark.parametrize(("volume", "lufs"), [(True, -16), (-23, -23), ("-20", -20)])
    def test_the_volume_is_normalised(
        self, server: Live, api: httpx2.Client, tmp_path: Path, volume: Any, lufs: float
    ) -> None:
        file_id = upload(api, write_noisy(tmp_path / "a.wav", 3, 48_000))
        end = states(server, post_job(api, input=file_id, autoVolume=volume))[-1]
        (tmp_path / "b.wav").write_bytes(fetch(server, end).content)
        assert loudness(tmp_path / "b.wav") == pytest.approx(lufs, abs=0.5)

    def test_false_leaves_the_volume_alone(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        file_id = upload(api, mp3)
        results = [
            fetch(server, states(server, post_job(api, input=file_id, outputExtension="wav", **extra))[-1]).content
            for extra in ({}, {"autoVolume": False}, {"autoVolume": None})
        ]
        assert results[0] == results[1] == results[2]


def loudness(path: Path) -> float:
    arguments = ["-hide_banner", "-nostats", "-i", str(path), "-af", "ebur128", "-f", "null", "-"]
    done = subprocess.run(["ffmpeg", *arguments], check=True, capture_output=True, text=True)
    return float(re.findall(r"I:\s+(-?[\d.]+) LUFS", done.stderr)[-1])
