"""The option `quality`: what a server does that has the second model, and what one says that has not."""

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
import soundfile

from munsit_denoise.bounds import qualities_of
from munsit_denoise.engine.catalogue import has_best
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.treatment import TRANSCRIPTION_STRENGTH
from tests.audio import write_noisy
from tests.live import Live, make_settings, run_live, run_waiting

NOT_HERE = "quality: best is not installed on this server."
INSTALL = "pip install 'munsit-denoise[best]'"


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noisy(tmp_path_factory.mktemp("quality") / "a.wav", 0.4, 16_000, 2)


@pytest.fixture(scope="module")
def best(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server whose usual quality is the best one."""
    if not has_best():
        pytest.skip("munsit-denoise[best] is not installed")
    with run_live(tmp_path_factory.mktemp("best"), quality="best") as live:
        yield live


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """A server without the extra."""
    monkeypatch.setattr("munsit_denoise.bounds.has_best", lambda: False)
    with run_waiting(tmp_path / "without") as live:
        yield live


def send(live: Live, path: Path, key: str | None = None, **fields: str) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return live.client.post("/denoise", files={"audio": path.read_bytes()}, data=fields, headers=headers)


def qualities(live: Live) -> dict[str, str]:
    """Return what stands in the rows, by job."""
    with closing(sqlite3.connect(live.settings.database_path)) as connection:
        return dict(connection.execute("SELECT id, quality FROM denoise_records"))


def test_a_job_that_asks_for_none_gets_the_usual_one_which_its_report_tells(best: Live, wav: Path) -> None:
    usual, standard = (send(best, wav, **asked).json()["jobId"] for asked in ({}, {"quality": "standard"}))
    for job_id in (usual, standard):
        assert best.events(job_id)[-1]["stage"] == "done"
    reports = [best.client.get(f"/denoise/{job_id}/report").json() for job_id in (usual, standard)]
    assert reports[0]["options"] == reports[1]["options"] | {"quality": "best"}
    assert reports[0]["model"] == reports[1]["model"]
    assert reports[0]["second_model"]["name"] == "DeepFilterNet3"
    assert "second_model" not in reports[1]
    found = [best.client.get(best.record(job_id)["audio_url"]).content for job_id in (usual, standard)]
    assert found[0] != found[1]
    for result in found:
        one, other = soundfile.info(wav), soundfile.info(io.BytesIO(result))
        assert (one.frames, one.samplerate, one.channels) == (other.frames, other.samplerate, other.channels)
    assert best.client.get(f"/denoise/{usual}/residual").status_code == 200
    assert qualities(best)[usual] == "best"
    assert qualities(best)[standard] == "standard"


def test_the_other_dialect_gets_the_usual_one(best: Live, wav: Path) -> None:
    with httpx2.Client(base_url=best.url + "/v1", headers={"x-api-key": best.key}, timeout=60) as client:
        job_id = client.post("/remove-noise", files={"file": wav.read_bytes()}).json()["jobId"]
    assert qualities(best)[job_id] == "best"


def test_another_quality_is_another_submission_and_the_usual_one_by_its_name_is_not(best: Live, wav: Path) -> None:
    first = send(best, wav, "q")
    again, other = send(best, wav, "q", quality="best"), send(best, wav, "q", quality="standard")
    assert again.json() == first.json()
    assert (other.status_code, other.json()["errorCode"]) == (422, "42201")


def test_all_that_can_be_done_to_a_sound_is_done_to_an_upload_and_is_the_same_submission_as_a_form(
    best: Live, wav: Path
) -> None:
    with httpx2.Client(base_url=best.url + "/v1", headers={"x-api-key": best.key}, timeout=60) as client:
        upload_id = client.post("/upload", files={"file": wav.read_bytes()}).json()["fileId"]
    asked = {"quality": "best", "keep": "voice+music", "strength": "transcription"}
    job = best.client.post("/denoise", json={"upload_id": upload_id, **asked}, headers={"Idempotency-Key": "all"})
    job_id = job.json()["jobId"]
    assert best.events(job_id)[-1]["stage"] == "done"
    report = best.client.get(f"/denoise/{job_id}/report").json()
    assert report["options"]["strength"] == TRANSCRIPTION_STRENGTH
    assert (report["options"]["quality"], report["options"]["keep"]) == ("best", "voice+music")
    result = soundfile.info(io.BytesIO(best.client.get(best.record(job_id)["audio_url"]).content))
    assert (result.frames, result.channels) == (soundfile.info(wav).frames, 2)
    again = send(best, wav, "all", **asked)
    other = send(best, wav, "all", **(asked | {"keep": "voice"}))
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (job.json(), "true")
    assert other.status_code == 422


def test_without_the_package_best_is_refused_with_what_to_install_and_nothing_is_left(without: Live, wav: Path) -> None:
    before = send(without, wav, quality="best")
    behind = without.client.post("/denoise", files=[("audio", wav.read_bytes()), ("quality", (None, b"best"))])
    as_json = without.client.post("/denoise", json={"url": "http://127.0.0.1/a.wav", "quality": "best"})
    for answer in (before, behind, as_json):
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "40001")
        assert answer.json()["errorMessage"].startswith(NOT_HERE)
        assert INSTALL in answer.json()["errorMessage"]
    assert without.client.get("/denoise").json() == []
    assert without.files() == []


def test_a_server_does_not_start_on_a_usual_quality_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.bounds.has_best", lambda: False)
    with pytest.raises(CannotGoOn, match=r"pip install 'munsit-denoise\[best\]'"):
        qualities_of(make_settings(tmp_path, quality="best"))
