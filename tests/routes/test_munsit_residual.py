"""The residual, the report and the pictures of a job, as the contract and docs/tiles.md have them."""

import hashlib
import io
import math
import struct
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import soundfile

from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.subtract import header
from tests.audio import write_noisy, write_silence
from tests.live import Live

READING = ["loudness_lufs", "true_peak_dbtp", "noise_floor_db", "snr_db", "clipped_samples"]
CHANGES = ["removed_energy_db", "speech_level_change_db"]
KEYS = ["duration_s", "sample_rate_hz", "channels", "before", "after", *CHANGES, "model", "options", "sha256"]


def done(live: Live, path: Path) -> dict[str, Any]:
    job_id = live.upload(path)
    live.events(job_id)
    return live.record(job_id)


@pytest.fixture(scope="module")
def job(live: Live, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("residual")
    return done(live, write_noisy(folder / "a.wav", 1.3, 22_050, 2, "PCM_24")) | {"path": folder / "a.wav"}


@pytest.fixture(scope="module")
def whole(live: Live, job: dict[str, Any]) -> bytes:
    return live.client.get(f"/denoise/{job['id']}/residual").content


def test_it_is_original_minus_result_to_the_bit(job: dict[str, Any], whole: bytes) -> None:
    original, rate_hz = soundfile.read(job["path"], dtype="float64")
    result, _ = soundfile.read(io.BytesIO(httpx2.get(job["audio_url"]).content), dtype="float64")
    found, found_rate_hz = soundfile.read(io.BytesIO(whole), dtype="float32")
    assert found_rate_hz == rate_hz
    assert np.array_equal(found, (original - result).astype(np.float32))
    assert np.abs(found).max() > 0.01
    assert soundfile.info(io.BytesIO(whole)).subtype == "FLOAT"


def test_its_head_says_what_its_body_is(live: Live, job: dict[str, Any], whole: bytes) -> None:
    head = live.client.head(f"/denoise/{job['id']}/residual")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len(whole)
    assert (head.headers["accept-ranges"], head.headers["content-type"]) == ("bytes", "audio/wav")


@pytest.mark.parametrize(
    "wanted", ["0-0", "0-99", "10-", "-100", "50-70000", "70001-70002", "100-999999999", "-999999999"]
)
def test_ranges_are_parts_of_it(live: Live, job: dict[str, Any], whole: bytes, wanted: str) -> None:
    answer = live.client.get(f"/denoise/{job['id']}/residual", headers={"range": f"bytes={wanted}"})
    first, last = wanted.split("-")
    start = int(first) if first else max(len(whole) - int(last), 0)
    stop = min(int(last) + 1, len(whole)) if first and last else len(whole)
    assert answer.content == whole[start:stop]
    if stop - start < len(whole):
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


@pytest.mark.parametrize("wanted", ["items=0-1", "bytes=9-5", "bytes=", "nonsense"])
def test_what_is_no_range_is_ignored(live: Live, job: dict[str, Any], whole: bytes, wanted: str) -> None:
    """Of the residual as of the other downloads (RFC 9110, 14.2)."""
    for url in (f"/denoise/{job['id']}/residual", job["audio_url"], job["original_audio_url"]):
        plain, asked = live.client.get(url), live.client.get(url, headers={"range": wanted})
        assert (asked.status_code, asked.content) == (200, plain.content)


def test_who_has_a_file_is_told_so_and_not_sent_it_again(live: Live, job: dict[str, Any], whole: bytes) -> None:
    for url in (f"/denoise/{job['id']}/residual", job["audio_url"], job["original_audio_url"]):
        tag = live.client.head(url).headers["etag"]
        known = live.client.get(url, headers={"if-none-match": f'"another", {tag}'})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
        assert live.client.get(url, headers={"if-none-match": '"another"'}).status_code == 200


def test_what_lies_behind_its_end_is_a_416(live: Live, job: dict[str, Any], whole: bytes) -> None:
    for wanted in (f"{len(whole)}-", "-0"):
        answer = live.client.get(f"/denoise/{job['id']}/residual", headers={"range": f"bytes={wanted}"})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(whole)}")


def test_a_range_of_another_version_is_the_whole(live: Live, job: dict[str, Any], whole: bytes) -> None:
    url, wanted = f"/denoise/{job['id']}/residual", {"range": "bytes=5-6"}
    tag = live.client.head(url).headers["etag"]
    assert live.client.get(url, headers=wanted | {"if-range": tag}).content == whole[5:7]
    assert live.client.get(url, headers=wanted | {"if-range": '"another"'}).content == whole


def test_a_reader_who_leaves_lets_the_next_have_its_place(live: Live, job: dict[str, Any], whole: bytes) -> None:
    for _ in range(6):
        with live.client.stream("GET", f"/denoise/{job['id']}/residual") as answer:
            next(answer.iter_bytes(16))
    assert live.client.get(f"/denoise/{job['id']}/residual").content == whole


@pytest.mark.parametrize("what", ["report", "residual", "tiles", "tiles/before/peaks/0"])
def test_there_is_none_before_success_nor_for_others(
    live: Live, job: dict[str, Any], tmp_path: Path, what: str
) -> None:
    job_id = live.upload(write_silence(tmp_path / "long.wav", 890))
    assert live.client.get(f"/denoise/{job_id}/{what}").status_code == 404
    live.client.delete(f"/denoise/{job_id}")
    with live.client_for("stranger") as stranger:
        answer = stranger.get(f"/denoise/{job['id']}/{what}")
        assert (answer.status_code, answer.json()) == (404, {"message": "Denoising job not found"})


def audo(live: Live, path: Path, **options: Any) -> str:
    """Send a file through the other dialect, which has options; return the id of the job, which has ended."""
    with httpx2.Client(base_url=live.url + "/v1", headers={"x-api-key": live.key}, timeout=60) as client:
        file_id = client.post("/upload", files={"file": (path.name, path.read_bytes())}).json()["fileId"]
        job_id = str(client.post("/remove-noise", json={"input": file_id, **options}).json()["jobId"])
    live.events(job_id)
    return job_id


def test_where_loudness_was_changed_there_is_none(live: Live, tmp_path: Path) -> None:
    job_id = audo(live, write_noisy(tmp_path / "a.wav", 1.0), autoVolume=-20, outputExtension="flac")
    answer = live.client.get(f"/denoise/{job_id}/residual")
    assert (answer.status_code, answer.json()["errorCode"]) == (409, "40902")
    report = live.client.get(f"/denoise/{job_id}/report").json()
    assert report["after"]["loudness_lufs"] == pytest.approx(-20, abs=0.6)
    assert report["options"] == {"strength": 1.0, "output_format": "flac", "loudness": -20.0, "audio_track": 0}


def test_a_lossy_result_as_long_as_its_original_is_subtracted(live: Live, tmp_path: Path) -> None:
    path = write_noisy(tmp_path / "a.wav", 1.0, 48_000)
    found = live.client.get(f"/denoise/{audo(live, path, outputExtension='mp3')}/residual")
    assert found.status_code == 200
    assert soundfile.info(io.BytesIO(found.content)).frames == 48_000


def test_files_that_were_deleted_are_a_410(live: Live, tmp_path: Path) -> None:
    record = done(live, write_noisy(tmp_path / "a.wav", 0.3))
    url = f"{live.url}/v1/remove-noise/{record['id']}/delete-results"
    assert httpx2.post(url, headers={"x-api-key": live.key}).status_code == 200
    for what in ("residual", "tiles", "tiles/before/peaks/0", "report"):
        assert live.client.get(f"/denoise/{record['id']}/{what}").status_code == 410


def test_the_report_has_its_keys_and_finite_numbers(live: Live, job: dict[str, Any]) -> None:
    report = live.client.get(f"/denoise/{job['id']}/report").json()
    assert list(report) == KEYS
    assert [report[name] for name in KEYS[:3]] == [pytest.approx(1.3, abs=1e-4), 22_050, 2]
    for sound in ("before", "after"):
        assert list(report[sound]) == READING
        assert all(value is None or math.isfinite(value) for value in report[sound].values())
    assert report["after"]["noise_floor_db"] < report["before"]["noise_floor_db"]
    assert report["removed_energy_db"] < 0
    assert report["sha256"] == {
        "original": hashlib.sha256(job["path"].read_bytes()).hexdigest(),
        "result": hashlib.sha256(httpx2.get(job["audio_url"]).content).hexdigest(),
    }
    assert (report["model"]["name"], len(report["model"]["sha256"])) == ("munsit-denoise", 64)


def test_every_picture_that_the_index_names_can_be_fetched(live: Live, job: dict[str, Any]) -> None:
    index = live.client.get(f"/denoise/{job['id']}/tiles").json()
    for sound in ("before", "after"):
        for level, found in enumerate(index[sound]["peaks"]):
            answer = live.client.get(f"/denoise/{job['id']}/tiles/{sound}/peaks/{level}")
            assert len(answer.content) == 2 * found["count"]
        for level, found in enumerate(index[sound]["spectrogram"]):
            for number in range(found["tiles"]):
                answer = live.client.get(f"/denoise/{job['id']}/tiles/{sound}/spectrogram/{level}/{number}.png")
                assert (answer.headers["content-type"], answer.content[:4]) == ("image/png", b"\x89PNG")
    for other in ("before/peaks/99", "during/peaks/0", "after/spectrogram/0/x.png", "after/peaks/-1"):
        assert live.client.get(f"/denoise/{job['id']}/tiles/{other}").status_code == 404


@pytest.mark.parametrize("frames", [10, 2**30, 2**33])
@pytest.mark.parametrize("channels", [1, 6])
def test_a_head_tells_any_length(frames: int, channels: int) -> None:
    found = header(AudioTrack(48_000, channels, None, "pcm_s16le", 16, False, 1.0, "wav"), frames)
    data_bytes = frames * channels * 4
    if found[:4] == b"RF64":
        riff_bytes, told_bytes, told_frames = struct.unpack("<QQQ", found[20:44])
        assert told_frames == frames
    else:
        riff_bytes, told_bytes = struct.unpack("<I", found[4:8])[0], struct.unpack("<I", found[-4:])[0]
    assert (riff_bytes, told_bytes) == (len(found) + data_bytes - 8, data_bytes)
