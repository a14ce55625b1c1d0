"""What the page stands on beside the API: the link that opens it, what its key may do, and a residual by its path."""

from pathlib import Path

import httpx2
import pytest

from munsit_denoise.jobs.qualities import Qualities
from munsit_denoise.serve import _tell
from munsit_denoise.treatment import Quality
from tests.live import Live, make_settings, run_waiting


def test_the_first_start_prints_a_link_that_is_signed_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _tell(make_settings(tmp_path), 8000, "mds_first")
    assert " http://127.0.0.1:8000/#key=mds_first\n" in capsys.readouterr().out


def test_a_later_start_prints_a_link_without_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _tell(make_settings(tmp_path, host="0.0.0.0"), 8000, None)
    told = capsys.readouterr().out
    assert " http://127.0.0.1:8000/\n" in told
    assert "#key" not in told


def test_what_a_key_may_do_is_told_without_an_error(live: Live) -> None:
    for headers, scope in (({"x-api-key": live.key}, "full"), ({"x-api-key": "mds_wrong"}, None), ({}, None)):
        answer = httpx2.get(live.url + "/console/key", headers=headers)
        assert (answer.status_code, answer.json()["scope"]) == (200, scope)


@pytest.mark.parametrize(
    ("qualities", "told"),
    [
        (Qualities(has_best=False), ["standard"]),
        (Qualities(), ["standard", "best"]),
        (Qualities(Quality.BEST), ["best", "standard"]),
    ],
)
def test_the_page_is_told_which_qualities_there_are_the_usual_one_first(
    live: Live, monkeypatch: pytest.MonkeyPatch, qualities: Qualities, told: list[str]
) -> None:
    monkeypatch.setattr(Qualities, "offered", qualities.offered)
    answer = httpx2.get(live.url + "/console/key", headers={"x-api-key": live.key})
    assert answer.json() == {"scope": "full", "qualities": told}


def test_keys_are_not_guessed_here_either(tmp_path: Path) -> None:
    with run_waiting(tmp_path) as live, httpx2.Client(base_url=live.url) as client:
        answers = [client.get("/console/key", headers={"x-api-key": f"mds_{n}"}) for n in range(22)]
    assert [answer.status_code for answer in answers].count(200) == 20
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_residual_is_fetched_by_the_secret_in_its_path(live: Live, noisy_wav: Path) -> None:
    job_id = live.upload(noisy_wav)
    live.events(job_id)
    by_key = live.client.get(f"/denoise/{job_id}/residual")
    path = live.record(job_id)["original_audio_url"].replace("_original.wav", "_residual.wav")
    with httpx2.Client() as anybody:
        whole = anybody.get(path)
        part = anybody.get(path, headers={"Range": "bytes=100-199"})
        assert (whole.status_code, whole.content) == (200, by_key.content)
        assert (part.status_code, part.content) == (206, by_key.content[100:200])
        assert anybody.get(path.replace("_residual", "x_residual")).status_code == 404
        other = path.replace(live.record(job_id)["user_id"], "00000000-0000-0000-0000-000000000000")
        assert anybody.get(other).status_code == 404
        live.client.delete(f"/denoise/{job_id}")
        assert anybody.get(path).status_code in (404, 410)


def test_there_is_no_residual_where_the_loudness_was_changed(live: Live, noisy_wav: Path) -> None:
    with noisy_wav.open("rb") as file:
        answer = live.client.post("/denoise", files={"audio": file}, data={"loudness": "-16"})
    live.events(answer.json()["denoiseId"])
    path = live.record(answer.json()["denoiseId"])["original_audio_url"].replace("_original.wav", "_residual.wav")
    assert httpx2.get(path).status_code == 404
