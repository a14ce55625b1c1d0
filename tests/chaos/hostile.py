"""Some 140 broken inputs: each gets a clean 400 or a failed record, the server goes on, nothing stays behind."""

import re
import struct
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from tests.audio import ffmpeg, write_noisy
from tests.chaos.books import Books
from tests.chaos.kills import serving
from tests.live import Live

CONTAINERS = ("wav", "mp3", "m4a", "flac", "ogg", "webm", "mkv", "mp4", "aac", "avi")
NAMES = ("wav", "mp3", "mp4")  # of what is in no container at all
HOPELESS = ("zeros", "empty", "text", "html", "playlist", "script")  # in which nobody finds a sound
NEARLY_WHOLE = frozenset(
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
        ffmpeg("-i", source, path)
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


def send_all(live: Live, inputs: Iterable[tuple[str, bytes]]) -> list[str]:
    """Send inputs; return what is wrong with the answers, with the ends of those that were accepted, or is left."""

    def send(case: tuple[str, bytes]) -> tuple[str, httpx2.Response]:
        name, content = case
        return name, live.client.post("/denoise", files={"audio": (name, content)})

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        answers = list(pool.map(send, inputs))
    faults = [f"{name}: {answer.status_code}" for name, answer in answers if answer.status_code not in (200, 400)]
    said = {name: answer.json()["errorMessage"] for name, answer in answers if answer.status_code == 400}
    accepted = {answer.json()["denoiseId"]: name for name, answer in answers if answer.status_code == 200}
    faults += [f"{name} was accepted" for name in accepted.values() if name.startswith(HOPELESS)]
    faults += [f"{name} was refused" for name in said if name in NEARLY_WHOLE]
    for job_id, name in accepted.items():
        end = live.events(job_id)[-1]
        if end["stage"] == "error":
            said[name] = end["message"]
            faults += [f"{name} failed: {end['message']}"] if name in NEARLY_WHOLE else []
        elif end["stage"] != "done":
            faults.append(f"{name}: the stream ends with {end}")
    faults += [f"{name}: {message!r}" for name, message in said.items() if not _is_sentence(message)]
    return faults + _left(live, set(accepted))


def _is_sentence(message: str) -> bool:
    return re.fullmatch(r"[A-Za-z].{10,300}", message) is not None and not FORBIDDEN.search(message)


def _left(live: Live, accepted: set[str]) -> list[str]:
    """Return what is not as the records say."""
    records: dict[str, dict[str, Any]] = {r["id"]: r for r in live.client.get("/denoise").json()}
    found: dict[str, int] = {}
    for path in live.files():
        if not path.name.startswith("tiles-"):  # pictures, which a sound may be too short for
            found[path.parent.name] = found.get(path.parent.name, 0) + 1
    due = {job_id: 2 if record["status"] == "success" else 1 for job_id, record in records.items()}
    faults = [] if set(records) == accepted else ["the records are not those of what was accepted"]
    faults += [f"{record['id']} is {record['status']}" for record in records.values() if record["status"] == "pending"]
    faults += [] if found == due else [f"the files are {found}, and should be {due}"]
    if subprocess.run(["pgrep", "-f", str(live.settings.data_dir)], check=False).returncode != 1:
        faults.append("a program still runs")
    return faults


def send_broken_inputs(folder: Path) -> Books:
    """Send all of them to a server of their own."""
    with serving(folder, JOB_CONCURRENCY="2") as (_, live):
        inputs = list(broken_inputs(folder))
        return Books(requests=len(inputs), faults=send_all(live, inputs))
