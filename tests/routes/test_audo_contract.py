"""Audo's dialect: states, access, downloads, deletion, a test a sentence of the contract, against a live server."""

import json
from pathlib import Path

import httpx2
import pytest
from websocket import WebSocketBadStatusException, create_connection

from tests.audio import write_noisy, write_silence
from tests.live import Live, run_waiting
from tests.peers import Peer
from tests.routes.audo import fetch, post_form, post_job, states, upload


class TestStates:
    def test_percent_rises_to_100_and_the_server_closes(self, server: Live, api: httpx2.Client, tmp_path: Path) -> None:
        found = states(server, post_form(api, write_silence(tmp_path / "a.wav", 30)))
        percents = [state["percent"] for state in found if state["state"] == "in_progress"]
        assert percents == sorted(set(percents))
        assert percents[-1] == 100
        assert [s["state"] for s in found].count("succeeded") == 1

    def test_a_finished_job_is_one_state_for_ever(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        first = states(server, job_id)[-1]
        assert states(server, job_id) == states(server, job_id, "/v1/remove-noise/{}/ws") == [first]

    def test_jobs_ahead_falls(self, server: Live, api: httpx2.Client, tmp_path: Path) -> None:
        long, short = (write_silence(tmp_path / f"{seconds}.wav", seconds) for seconds in (600, 1))
        running, *jobs = (post_form(api, path) for path in (long, short, short, short, short))
        waiting = [api.get(f"/remove-noise/{job}/status").json() for job in jobs]
        assert waiting == [{"state": "queued", "jobsAhead": number} for number in range(4)]
        url = server.url.replace("http", "ws") + f"/v1/remove-noise/{jobs[-1]}/ws"
        connection = create_connection(url, header={"x-api-key": server.key}, timeout=60)
        for ahead, job in zip((3, 2, 1, 0), (*jobs[:3], running), strict=True):
            assert json.loads(connection.recv()) == {"state": "queued", "jobsAhead": ahead}
            assert api.post(f"/remove-noise/{job}/delete-results").status_code == 200
        assert '"succeeded"' in list(iter(connection.recv, ""))[-1]
        connection.shutdown()

    def test_no_text_but_states(self, server: Live, api: httpx2.Client, tmp_path: Path) -> None:
        for state in states(server, post_form(api, write_noisy(tmp_path / "a.wav", 1))):
            assert state["state"] in ("queued", "in_progress", "succeeded")

    @pytest.mark.parametrize("path", ["/v1/remove-noise/{}/ws", "/v1/wss/remove-noise/{}/status"])
    def test_a_socket_needs_the_key_and_a_job_of_ones_own(
        self, server: Live, api: httpx2.Client, mp3: Path, path: str
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
    def test_a_good_key_is_told_so(self, api: httpx2.Client) -> None:
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
            answer = httpx2.request(method, server.url + "/v1" + path, headers=headers)
            assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid or missing API key"})

    def test_unknown_jobs_are_a_404(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        with httpx2.Client(base_url=server.url + "/v1", headers={"x-api-key": server.new_key("stranger")}) as other:
            answers = [other.get(f"/remove-noise/{job}/status") for job in (job_id, "a", "0" * 36)]
            answers += [other.post(f"/remove-noise/{job_id}/delete-results")]
        assert {(a.status_code, a.text) for a in answers} == {(404, '{"detail":"Denoising job not found"}')}
        assert states(server, job_id)[-1]["state"] == "succeeded"

    def test_a_file_over_the_limit_is_a_413(self, api: httpx2.Client) -> None:
        answer = api.post("/upload", files={"file": ("a.wav", bytes(21 * 2**20))})
        assert answer.status_code == 413
        assert answer.json()["detail"].startswith("File size exceeds")

    def test_what_the_router_refuses_has_the_dialects_shape(self, api: httpx2.Client) -> None:
        assert api.get("/nothing").json() == {"detail": "Not Found"}
        assert api.get("/upload").status_code == 405

    def test_too_many_jobs_are_a_429_with_a_whole_retry_after(self, tmp_path: Path) -> None:
        path = write_silence(tmp_path / "a.wav", 1)
        with (
            run_waiting(tmp_path / "data", max_pending_jobs_per_user=1) as live,
            httpx2.Client(base_url=live.url + "/v1", headers={"x-api-key": live.key}, timeout=60) as client,
        ):
            first, second = (client.post("/remove-noise", files={"file": ("a.wav", path.read_bytes())}) for _ in "ab")
        assert (first.status_code, second.status_code) == (200, 429)
        assert second.headers["retry-after"].isdigit()


@pytest.fixture(scope="module")
def url(server: Live, api: httpx2.Client, mp3: Path) -> str:
    """A result's URL."""
    return f"{server.url}/v1/" + states(server, post_form(api, mp3))[-1]["processedPath"]


class TestDownloads:
    def test_no_key_and_no_compression(self, url: str) -> None:
        answer = httpx2.get(url, headers={"Accept-Encoding": "gzip, br"})
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-type"] == "audio/mpeg"
        assert answer.headers["content-length"] == str(len(answer.content))

    def test_the_name_is_the_clients_own(self, url: str) -> None:
        disposition = httpx2.get(url).headers["content-disposition"]
        assert "filename*=utf-8''%D9%85%D9%82%D8%A7%D8%A8%D9%84%D8%A9%201.mp3" in disposition

    def test_ranges_head_and_etag(self, url: str) -> None:
        whole = httpx2.get(url)
        part = httpx2.get(url, headers={"Range": "bytes=10-19", "If-Range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
        head = httpx2.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["etag"] == whole.headers["etag"]

    def test_the_oldest_client_glues_the_path_to_the_base(self, url: str) -> None:
        assert httpx2.get(url.replace("/v1/dl/", "/v1dl/")).content == httpx2.get(url).content

    def test_only_the_true_path_leads_there(self, server: Live, url: str) -> None:
        head, _, name = url.rpartition("/")
        for wrong in (name.replace(".mp3", ".wav"), name + "x", "../" + name, name.upper(), name.replace("-", "")):
            assert httpx2.get(f"{head}/{wrong}").status_code == 404, wrong

    def test_both_dialects_show_the_same_job(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        job_id = post_form(api, mp3)
        end = states(server, job_id)[-1]
        record = server.record(job_id)
        assert (record["status"], record["file_name"], record["audio_format"]) == ("success", mp3.name, "mp3")
        assert record["audio_url"].endswith("_denoised.mp3")
        assert httpx2.get(record["audio_url"]).content == fetch(server, end).content
        assert server.events(job_id)[-1] == {"stage": "done", "url": record["audio_url"], "denoiseId": job_id}


class TestDeletion:
    def test_the_files_go_and_the_record_stays(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        file_id = upload(api, mp3)
        job_id = post_job(api, input=file_id)
        end = states(server, job_id)[-1]
        record = server.record(job_id)
        answer = api.post(f"/remove-noise/{job_id}/delete-results")
        assert answer.status_code == 200
        assert isinstance(answer.json(), dict)
        assert fetch(server, end).status_code == 410
        assert {httpx2.get(record[u]).status_code for u in ("audio_url", "original_audio_url")} == {410}
        assert not [path for path in server.files() if job_id in str(path) or file_id in str(path)]
        deleted = server.record(job_id)
        assert deleted["status"] == "success"
        assert (deleted["audio_url"], deleted["original_audio_url"]) == (None, record["original_audio_url"])
        assert server.events(job_id) == [{"stage": "error", "message": "The recording was deleted."}]
        assert states(server, job_id) == [{"state": "failed", "reason": "The recording was deleted."}]
        assert api.post("/remove-noise", json={"input": file_id}).status_code == 404
        assert api.post(f"/remove-noise/{job_id}/delete-results").status_code == 200  # once more does no harm

    def test_other_jobs_of_an_upload_keep_their_files(self, server: Live, api: httpx2.Client, mp3: Path) -> None:
        file_id = upload(api, mp3)
        first, second = post_job(api, input=file_id), post_job(api, input=file_id)
        states(server, first)
        api.post(f"/remove-noise/{first}/delete-results")
        end = states(server, second)[-1]
        assert fetch(server, end).status_code == 200
        assert httpx2.get(server.record(second)["original_audio_url"]).content == mp3.read_bytes()

    def test_a_running_job_is_stopped_and_a_waiting_one_never_runs(
        self, server: Live, api: httpx2.Client, tmp_path: Path
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

    def test_a_download_is_stopped(self, server: Live, api: httpx2.Client, peer: Peer) -> None:
        job_id = post_job(api, input=f"{peer.url}/endless")
        assert api.post(f"/remove-noise/{job_id}/delete-results").status_code == 200
        assert states(server, job_id)[-1]["state"] == "failed"
        assert not [file for file in server.files() if job_id in str(file)]
