"""Some 140 broken inputs: each gets a clean 400 or a failed record, the server goes on, nothing stays behind."""

import re
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from munsit_denoise.media.ffmpeg import program
from tests.audio import write_noisy
from tests.live import Live, run_live

CONTAINERS = ("wav", "mp3", "m4a", "flac", "ogg", "webm", "mkv", "mp4", "aac", "avi")
NAMES = ("wav", "mp3", "mp4")  # of what is in no container at all
HOPELESS = ("zeros", "empty", "text", "html", "playlist", "script")  # in which nobody finds a sound
NEARLY_WHOLE = tuple(
    f"truncated-0.999.{extension}" for extension in ("wav", "mp3", "flac", "ogg", "webm", "mkv", "aac", "avi")
)
PATHS = r"/(tmp|home|usr|root|var)|0x[0-9a-f]{4}|\.py\b"
FORBIDDEN = re.compile(PATHS + "|Traceback|Errno|ffmpeg|ffprobe|sqlite", re.IGNORECASE)
UPLOADS_AT_ONCE = 4


def broken_inputs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents, the same in every run."""
    rng = np.random.default_rng(7)
    source = write_noisy(folder / "whole.wav", 1.0, 16_000)
    for extension in CONTAINERS:
        path = folder / f"a.{extension}"
        subprocess.run([program("encoder"), "-v", "error", "-y", "-i", source, path], check=True)
        whole = path.read_bytes()
        for share in (0.001, 0.1, 0.5, 0.999):
            yield f"truncated-{share}.{extension}", whole[: int(len(whole) * share)]
        for number in range(4):
            mutated = np.frombuffer(whole, np.uint8).copy()
            reach = len(whole) if number % 2 else min(200, len(whole))  # half of them hit the headers
            mutated[rng.integers(0, reach, 8)] = rng.integers(0, 256, 8)
            yield f"mutated-{number}.{extension}", mutated.tobytes()
        yield f"headless.{extension}", whole[len(whole) // 3 :]
    for extension in NAMES:
        yield f"random.{extension}", rng.bytes(30_000)
        yield f"zeros.{extension}", bytes(10_000)
        yield f"empty.{extension}", b""
        yield f"text.{extension}", b"This is not a recording.\n" * 200
        yield f"html.{extension}", b"<html><body>404</body></html>"
        yield f"playlist.{extension}", f"#EXTM3U\n#EXTINF:1,\n{source}\n#EXT-X-ENDLIST\n".encode()
        yield f"script.{extension}", f"ffconcat version 1.0\nfile '{source}'\n".encode()
    for data_size in (0, 1, 100, 2**31, 2**32 - 1):
        yield f"lying-{data_size}.wav", _wav_header(data_size=data_size) + rng.bytes(8_000)
    for rate_hz, channels in ((0, 1), (1, 1), (2**31, 1), (44_100, 0), (44_100, 65_535), (8_000, 255)):
        yield f"absurd-{rate_hz}-{channels}.wav", _wav_header(rate_hz=rate_hz, channels=channels) + bytes(8_000)


def _wav_header(data_size: int = 8_000, rate_hz: int = 16_000, channels: int = 1) -> bytes:
    bytes_a_second, block = rate_hz * channels * 2 & 0xFFFFFFFF, channels * 2 & 0xFFFF
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, bytes_a_second, block, 16)
    riff = struct.pack("<4sI4s", b"RIFF", (36 + data_size) & 0xFFFFFFFF, b"WAVE")
    return riff + form + struct.pack("<4sI", b"data", data_size)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with run_live(tmp_path_factory.mktemp("hostile"), job_concurrency=2) as live:
        yield live


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_broken_inputs_are_refused_or_fail_with_a_sentence(server: Live, tmp_path: Path) -> None:
    inputs = list(broken_inputs(tmp_path))
    assert len(inputs) >= 120

    def send(case: tuple[str, bytes]) -> tuple[str, httpx.Response]:
        name, content = case
        return name, server.client.post("/denoise", files={"audio": (name, content)})

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        answers = list(pool.map(send, inputs))
    refused = [answer.json() for _, answer in answers if answer.status_code == 400]
    accepted = [answer.json()["denoiseId"] for _, answer in answers if answer.status_code == 200]
    assert len(refused) + len(accepted) == len(inputs), [(n, a.status_code) for n, a in answers]
    for body in refused:
        check_sentence(body["errorMessage"])
    ends = [server.events(job_id)[-1] for job_id in accepted]
    becomes = {name: answer.status_code for name, answer in answers}
    assert {status for name, status in becomes.items() if name.startswith(HOPELESS)} == {400}
    stages = dict(
        zip((n for n, answer in answers if answer.status_code == 200), (e["stage"] for e in ends), strict=True)
    )
    assert {name: stages.get(name) for name in NEARLY_WHOLE} == dict.fromkeys(NEARLY_WHOLE, "done")
    for end in ends:
        assert end["stage"] in ("done", "error")
        if end["stage"] == "error":
            check_sentence(end["message"])
    print(f"{len(refused)} refused, {len(accepted)} accepted, {sum(e['stage'] == 'error' for e in ends)} failed")
    check_nothing_is_left(server, accepted)


def check_sentence(message: str) -> None:
    assert re.fullmatch(r"[A-Za-z].{10,300}", message), message
    assert not FORBIDDEN.search(message), message


def check_nothing_is_left(server: Live, accepted: list[str]) -> None:
    records: dict[str, dict[str, Any]] = {r["id"]: r for r in server.client.get("/denoise").json()}
    assert set(records) == set(accepted)
    assert {record["status"] for record in records.values()} <= {"success", "failed"}
    found: dict[str, int] = {}
    for path in server.files():
        if not path.name.startswith("tiles-"):  # pictures, which a sound may be too short for
            found[path.parent.name] = found.get(path.parent.name, 0) + 1
    assert found == {job_id: 2 if record["status"] == "success" else 1 for job_id, record in records.items()}
    assert subprocess.run(["pgrep", "-f", str(server.settings.data_dir)], check=False).returncode == 1
