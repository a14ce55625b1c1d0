"""Audo's dialect, a test a sentence of the contract, against a live server."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile
from websocket import WebSocketBadStatusException, create_connection

from tests.audio import write_noisy, write_silence
from tests.live import Live, run_live
from tests.peers import Peer, run_peer

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
State = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that may fetch from this machine."""
    with run_live(tmp_path_factory.mktemp("audo"), allowed_networks="127.0.0.0/8", max_upload_mb=20) as live:
        yield live


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    folder = tmp_path_factory.mktemp("peer")
    write_noisy(folder / "speech.wav", 1.5, 16_000)
    with run_peer(folder) as peer:
        yield peer


@pytest.fixture(scope="module")
def api(server: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url + "/v1", headers={"x-api-key": server.key}, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mp3")
    source, target = write_noisy(folder / "a.wav", 1.5, 44_100, 2), folder / "مقابلة 1.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", source, target], check=True)
    return target


def post_form(api: httpx.Client, path: Path, **params: str) -> str:
    with path.open("rb") as file:
        answer = api.post("/remove-noise", files={"file": (path.name, file)}, params=params)
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"jobId"}
    return str(answer.json()["jobId"])


def upload(api: httpx.Client, path: Path) -> str:
    with path.open("rb") as file:
        answer = api.post("/upload", files={"file": (path.name, file)})
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"fileId"}
    return str(answer.json()["fileId"])


def post_job(api: httpx.Client, **fields: Any) -> str:
    answer = api.post("/remove-noise", json=fields)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jobId"])


def states(server: Live, job_id: str, path: str = "/v1/wss/remove-noise/{}/status") -> list[State]:
    """Return all states that a WebSocket brings until the server closes it."""
    url = server.url.replace("http", "ws") + path.format(job_id)
    connection = create_connection(url, header={"x-api-key": server.key}, timeout=60)
    found = [json.loads(message) for message in iter(connection.recv, "")]  # empty: the server closed
    connection.shutdown()
    return found


def fetch(server: Live, state: State) -> httpx.Response:
    path = state.get("downloadPath") or "/" + state["processedPath"]
    return httpx.get(f"{server.url}/v1{path}")


class TestFirstForm:
    def test_the_inputs_extension_is_the_default(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        end = states(server, post_form(api, mp3))[-1]
        assert re.fullmatch(rf"dl/artifacts/clean/audo_enhanced_{UUID}\.mp3", end["processedPath"])
        assert set(end) == {"state", "processedPath"}

    @pytest.mark.parametrize("extension", ["ogg", ".ogg", "OGG", ".flac"])
    def test_an_extension_with_and_without_a_dot(
        self, server: Live, api: httpx.Client, mp3: Path, extension: str
    ) -> None:
        end = states(server, post_form(api, mp3, outputExt=extension))[-1]
        assert end["processedPath"].endswith("." + extension.strip(".").lower())
        answer = fetch(server, end)
        assert answer.content[:4] == (b"fLaC" if "flac" in extension else b"OggS")

    def test_an_extension_that_cannot_be_written_is_refused_before_the_file(self, api: httpx.Client, mp3: Path) -> None:
        answer = api.post("/remove-noise", files={"file": ("a.mp3", mp3.read_bytes())}, params={"outputExt": "xyz"})
        assert answer.status_code == 422
        assert "xyz" in answer.json()["detail"]

    def test_status_and_both_sockets_tell_the_same_end(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        ends = [states(server, job_id)[-1], states(server, job_id, "/v1/remove-noise/{}/ws")[-1]]
        ends.append(api.get(f"/remove-noise/{job_id}/status").json())
        assert ends[0] == ends[1] == ends[2]
        assert ends[0]["state"] == "succeeded"

    def test_a_video_keeps_its_picture(self, server: Live, api: httpx.Client, tmp_path: Path) -> None:
        sources = ["-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-f", "lavfi", "-i", "sine=d=1"]
        subprocess.run(["ffmpeg", "-v", "error", *sources, tmp_path / "a.mp4"], check=True)
        end = states(server, post_form(api, tmp_path / "a.mp4", outputExt="mp4"))[-1]
        (tmp_path / "b.mp4").write_bytes(fetch(server, end).content)
        assert picture_hash(tmp_path / "a.mp4") == picture_hash(tmp_path / "b.mp4")

    @pytest.mark.parametrize("content", [b"", b"hello" * 100])
    def test_what_is_no_media_is_a_422(self, api: httpx.Client, content: bytes) -> None:
        answer = api.post("/remove-noise", files={"file": ("a.mp3", content)})
        assert answer.status_code == 422
        assert set(answer.json()) == {"detail"}

    def test_a_form_without_a_file_is_a_422(self, api: httpx.Client) -> None:
        answer = api.post("/remove-noise", files={"other": ("a", b"b")})
        assert (answer.status_code, answer.json()["detail"]) == (422, "file is required and must be a file")


def picture_hash(path: Path) -> bytes:
    arguments = ["-v", "error", "-i", str(path), "-map", "0:v", "-c", "copy", "-f", "hash", "-"]
    return subprocess.run(["ffmpeg", *arguments], check=True, capture_output=True).stdout


class TestSecondForm:
    def test_an_upload_becomes_a_job(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        end = states(server, post_job(api, input=upload(api, mp3), outputExtension=None, output=None))[-1]
        assert re.fullmatch(rf"/dl/artifacts/clean/audo_enhanced_{UUID}\.mp3", end["downloadPath"])
        assert set(end) == {"state", "downloadPath"}

    def test_file_id_is_an_alias_and_an_upload_serves_several_jobs(
        self, server: Live, api: httpx.Client, mp3: Path
    ) -> None:
        file_id = upload(api, mp3)
        jobs = [post_job(api, fileId=file_id, outputExtension=e) for e in ("wav", ".mp3")]
        assert [states(server, job)[-1]["downloadPath"][-4:] for job in jobs] == [".wav", ".mp3"]

    @pytest.mark.parametrize(
        "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
    )
    def test_a_body_is_json_whatever_it_is_called(self, api: httpx.Client, mp3: Path, content_type: str) -> None:
        body = json.dumps({"input": upload(api, mp3), "autoVolume": None, "noiseReductionAmount": None})
        answer = api.post("/remove-noise", content=body, headers={"Content-Type": content_type})
        assert answer.status_code == 200, answer.text

    @pytest.mark.parametrize("path", ["/v1//upload", "/v1///upload"])
    def test_double_slashes_mean_single_ones(self, server: Live, mp3: Path, path: str) -> None:
        headers = {"x-api-key": server.key}
        answer = httpx.post(server.url + path, headers=headers, files={"file": ("a.mp3", mp3.read_bytes())})
        assert answer.status_code == 200, path

    def test_a_name_without_an_extension_takes_the_given_one(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        answer = api.post("/upload", files={"file": ("blob", mp3.read_bytes())}, params={"inputExt": ".mp3"})
        assert states(server, post_job(api, input=answer.json()["fileId"]))[-1]["downloadPath"].endswith(".mp3")

    def test_what_is_no_media_is_a_422(self, api: httpx.Client) -> None:
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
            {"input": "a", "output": ["http://a"]},
        ],
    )
    def test_options_that_make_no_sense_are_a_422(self, api: httpx.Client, mp3: Path, fields: dict[str, Any]) -> None:
        if fields.get("input") == "a":
            fields = fields | {"input": upload(api, mp3)}
        answer = api.post("/remove-noise", content=json.dumps(fields))
        assert answer.status_code == 422, answer.text
        assert set(answer.json()) == {"detail"}

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'"a"', b"null"])
    def test_a_body_that_is_no_object_is_a_422(self, api: httpx.Client, body: bytes) -> None:
        assert api.post("/remove-noise", content=body).status_code == 422

    def test_an_unknown_upload_is_a_404(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        own = upload(api, mp3)
        with httpx.Client(base_url=server.url + "/v1", headers={"x-api-key": server.new_key("stranger")}) as other:
            answers = [other.post("/remove-noise", json={"input": source}) for source in (own, "nonsense", "0" * 36)]
        assert {(a.status_code, a.text) for a in answers} == {
            (404, '{"detail":"There is no such file. Please upload it again."}')
        }

    def test_a_url_is_downloaded_first(self, server: Live, api: httpx.Client, peer: Peer) -> None:
        found = states(server, post_job(api, input=f"{peer.url}/speech.wav", outputExtension="mp3"))
        assert found[-1]["state"] == "succeeded"
        kinds = list(dict.fromkeys(state["state"] for state in found))
        assert kinds in (
            ["downloading", "queued", "in_progress", "succeeded"],
            ["downloading", "in_progress", "succeeded"],
        )

    def test_a_url_that_fails_ends_the_job_with_a_reason(self, server: Live, api: httpx.Client, peer: Peer) -> None:
        end = states(server, post_job(api, input=f"{peer.url}/missing.wav"))[-1]
        assert end == {"state": "failed", "reason": "The URL could not be downloaded: its server answered 404."}

    def test_a_url_to_this_network_is_refused(self, live: Live) -> None:
        """On a server whose networks are not opened."""
        with httpx.Client(base_url=live.url + "/v1", headers={"x-api-key": live.key}) as client:
            end = states(live, post_job(client, input=f"{live.url}/healthz"))[-1]
        assert end["state"] == "failed"
        assert "does not connect" in end["reason"]

    def test_the_result_is_put_where_it_is_wanted(self, server: Live, api: httpx.Client, peer: Peer, mp3: Path) -> None:
        url = f"{peer.url}/bucket/result?sig=1"
        end = states(server, post_job(api, input=upload(api, mp3), output=url, outputExtension="flac"))[-1]
        assert end["output"] == "delivered"
        path, media_type, body = peer.received[-1]
        assert (path, media_type) == ("/bucket/result?sig=1", "audio/flac")
        assert body == fetch(server, end).content

    def test_a_result_that_is_refused_is_told_and_can_still_be_downloaded(
        self, server: Live, api: httpx.Client, peer: Peer, mp3: Path
    ) -> None:
        peer.answers = [403]
        end = states(server, post_job(api, input=upload(api, mp3), output=f"{peer.url}/x"))[-1]
        assert (end["state"], end["output"]) == ("succeeded", "failed")
        assert fetch(server, end).status_code == 200

    def test_the_amount_is_the_strength(self, server: Live, api: httpx.Client, tmp_path: Path) -> None:
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
        self, server: Live, api: httpx.Client, tmp_path: Path, volume: Any, lufs: float
    ) -> None:
        file_id = upload(api, write_noisy(tmp_path / "a.wav", 3, 48_000))
        end = states(server, post_job(api, input=file_id, autoVolume=volume))[-1]
        (tmp_path / "b.wav").write_bytes(fetch(server, end).content)
        assert loudness(tmp_path / "b.wav") == pytest.approx(lufs, abs=0.5)

    def test_false_leaves_the_volume_alone(self, server: Live, api: httpx.Client, mp3: Path) -> None:
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


class TestStates:
    def test_percent_rises_to_100_and_the_server_closes(self, server: Live, api: httpx.Client, tmp_path: Path) -> None:
        found = states(server, post_form(api, write_silence(tmp_path / "a.wav", 40)))
        percents = [state["percent"] for state in found if state["state"] == "in_progress"]
        assert percents == sorted(set(percents))
        assert percents[-1] == 100
        assert [s["state"] for s in found].count("succeeded") == 1

    def test_a_finished_job_is_one_state_for_ever(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        first = states(server, job_id)[-1]
        assert states(server, job_id) == states(server, job_id, "/v1/remove-noise/{}/ws") == [first]

    def test_jobs_ahead_falls(self, server: Live, api: httpx.Client, tmp_path: Path) -> None:
        path = write_silence(tmp_path / "a.wav", 40)
        jobs = [post_form(api, path) for _ in range(5)]
        waiting = [api.get(f"/remove-noise/{job}/status").json() for job in jobs]
        ahead = [state["jobsAhead"] for state in waiting if state["state"] == "queued"]
        assert len(ahead) >= 3
        assert ahead == list(range(ahead[0], ahead[0] + len(ahead)))
        told = [state["jobsAhead"] for state in states(server, jobs[-1]) if state["state"] == "queued"]
        assert told == sorted(told, reverse=True)
        assert told[-1] == 0

    def test_no_text_but_states(self, server: Live, api: httpx.Client, tmp_path: Path) -> None:
        for state in states(server, post_form(api, write_noisy(tmp_path / "a.wav", 1))):
            assert state["state"] in ("queued", "in_progress", "succeeded")

    @pytest.mark.parametrize("path", ["/v1/remove-noise/{}/ws", "/v1/wss/remove-noise/{}/status"])
    def test_a_socket_needs_the_key_and_a_job_of_ones_own(
        self, server: Live, api: httpx.Client, mp3: Path, path: str
    ) -> None:
        job_id = post_form(api, mp3)
        url = server.url.replace("http", "ws")
        for key, job, status in (
            ("wrong", job_id, 401),
            (server.new_key("stranger"), job_id, 404),
            (server.key, "nonsense", 404),
        ):
            with pytest.raises(WebSocketBadStatusException) as error:
                create_connection(url + path.format(job), header={"x-api-key": key})
            assert error.value.status_code == status


class TestAccess:
    def test_a_good_key_is_told_so(self, api: httpx.Client) -> None:
        answer = api.get("/apiKey/test")
        assert answer.text == '{"status":"success","detail":"Successfully authorized with api key"}'

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/apiKey/test"),
            ("POST", "/upload"),
            ("POST", "/remove-noise"),
            ("GET", "/remove-noise/a/status"),
            ("POST", "/remove-noise/a/delete-results"),
        ],
    )
    def test_a_bad_key_is_a_401(self, server: Live, method: str, path: str) -> None:
        for headers in ({}, {"x-api-key": "mds_wrong"}):
            answer = httpx.request(method, server.url + "/v1" + path, headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid or missing API key"})

    def test_unknown_jobs_are_a_404(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        with httpx.Client(base_url=server.url + "/v1", headers={"x-api-key": server.new_key("stranger")}) as other:
            answers = [other.get(f"/remove-noise/{job}/status") for job in (job_id, "a", "0" * 36)]
            answers += [other.post(f"/remove-noise/{job_id}/delete-results")]
        assert {(a.status_code, a.text) for a in answers} == {(404, '{"detail":"Denoising job not found"}')}
        assert states(server, job_id)[-1]["state"] == "succeeded"

    def test_a_file_over_the_limit_is_a_413(self, api: httpx.Client) -> None:
        answer = api.post("/upload", files={"file": ("a.wav", bytes(21 * 2**20))})
        assert answer.status_code == 413
        assert answer.json()["detail"].startswith("File size exceeds")

    def test_what_the_router_refuses_has_the_dialects_shape(self, api: httpx.Client) -> None:
        assert api.get("/nothing").json() == {"detail": "Not Found"}
        assert api.get("/upload").status_code == 405

    def test_too_many_jobs_are_a_429_with_a_whole_retry_after(self, tmp_path: Path) -> None:
        path = write_silence(tmp_path / "a.wav", 60)
        with (
            run_live(tmp_path / "data", ready_path="/healthz", max_pending_jobs_per_user=1) as live,
            httpx.Client(base_url=live.url + "/v1", headers={"x-api-key": live.key}, timeout=60) as client,
        ):
            answers = [client.post("/remove-noise", files={"file": ("a.wav", path.read_bytes())}) for _ in range(8)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert all(answer.headers["retry-after"].isdigit() for answer in refused)


@pytest.fixture(scope="module")
def url(server: Live, api: httpx.Client, mp3: Path) -> str:
    """A result's URL."""
    return f"{server.url}/v1/" + states(server, post_form(api, mp3))[-1]["processedPath"]


class TestDownloads:
    def test_no_key_and_no_compression(self, url: str) -> None:
        answer = httpx.get(url, headers={"Accept-Encoding": "gzip, br"})
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-type"] == "audio/mpeg"
        assert answer.headers["content-length"] == str(len(answer.content))

    def test_the_name_is_the_clients_own(self, url: str) -> None:
        disposition = httpx.get(url).headers["content-disposition"]
        assert "filename*=utf-8''%D9%85%D9%82%D8%A7%D8%A8%D9%84%D8%A9%201.mp3" in disposition

    def test_ranges_head_and_etag(self, url: str) -> None:
        whole = httpx.get(url)
        part = httpx.get(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
        head = httpx.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == whole.headers["etag"]

    def test_the_oldest_client_glues_the_path_to_the_base(self, url: str) -> None:
        assert httpx.get(url.replace("/v1/dl/", "/v1dl/")).content == httpx.get(url).content

    def test_only_the_true_path_leads_there(self, server: Live, url: str) -> None:
        head, _, name = url.rpartition("/")
        for wrong in (name.replace(".mp3", ".wav"), name + "x", "../" + name, name.upper(), name.replace("-", "")):
            assert httpx.get(f"{head}/{wrong}").status_code == 404, wrong

    def test_both_dialects_show_the_same_job(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        end = states(server, job_id)[-1]
        record = server.record(job_id)
        assert (record["status"], record["file_name"], record["audio_format"]) == ("success", mp3.name, "mp3")
        assert record["audio_url"].endswith("_denoised.mp3")
        assert httpx.get(record["audio_url"]).content == fetch(server, end).content
        assert server.events(job_id)[-1] == {"stage": "done", "url": record["audio_url"], "denoiseId": job_id}


class TestDeletion:
    def test_the_files_go_and_the_record_stays(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        file_id = upload(api, mp3)
        job_id = post_job(api, input=file_id)
        end = states(server, job_id)[-1]
        record = server.record(job_id)
        answer = api.post(f"/remove-noise/{job_id}/delete-results")
        assert answer.status_code == 200
        assert isinstance(answer.json(), dict)
        assert fetch(server, end).status_code == 410
        assert {httpx.get(record[u]).status_code for u in ("audio_url", "original_audio_url")} == {410}
        assert not [path for path in server.files() if job_id in str(path) or file_id in str(path)]
        assert server.record(job_id)["status"] == "success"
        assert api.post("/remove-noise", json={"input": file_id}).status_code == 404
        assert api.post(f"/remove-noise/{job_id}/delete-results").status_code == 200  # once more does no harm

    def test_other_jobs_of_an_upload_keep_their_files(self, server: Live, api: httpx.Client, mp3: Path) -> None:
        file_id = upload(api, mp3)
        first, second = post_job(api, input=file_id), post_job(api, input=file_id)
        states(server, first)
        api.post(f"/remove-noise/{first}/delete-results")
        end = states(server, second)[-1]
        assert fetch(server, end).status_code == 200
        assert httpx.get(server.record(second)["original_audio_url"]).content == mp3.read_bytes()

    def test_a_running_job_is_stopped_and_a_waiting_one_never_runs(
        self, server: Live, api: httpx.Client, tmp_path: Path
    ) -> None:
        path = write_silence(tmp_path / "long.wav", 800)
        running, waiting = post_form(api, path), post_form(api, path)
        while api.get(f"/remove-noise/{running}/status").json()["state"] == "queued":
            pass
        for job_id in (waiting, running):
            assert api.post(f"/remove-noise/{job_id}/delete-results").status_code == 200
            assert states(server, job_id) == [{"state": "failed", "reason": "The recording was deleted."}]
            assert not [file for file in server.files() if job_id in str(file)]
        assert states(server, post_form(api, write_noisy(tmp_path / "b.wav", 1)))[-1]["state"] == "succeeded"

    def test_a_download_is_stopped(self, server: Live, api: httpx.Client, peer: Peer) -> None:
        job_id = post_job(api, input=f"{peer.url}/endless")
        assert api.post(f"/remove-noise/{job_id}/delete-results").status_code == 200
        assert states(server, job_id)[-1]["state"] == "failed"
        assert not [file for file in server.files() if job_id in str(file)]
