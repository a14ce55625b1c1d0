"""Films of our own making, and what a player finds in them."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from munsit_denoise.jobs.pipeline import Outcome, PipelineTask, Report, enhance_file
from munsit_denoise.media.probe import probe
from tests.audio import ffmpeg

RATE_HZ = 48_000
CASES = Path(__file__).parent.parent / "cases"
Heard = tuple[NDArray[np.float32], float]  # samples, and seconds from the first frame to the first of them


class Passthrough:
    """Leaves the sound alone."""

    def feed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        return block

    def flush(self) -> NDArray[np.float32]:
        return np.zeros((0, 2), np.float32)


async def convert(source: Path, target: Path, level_lufs: float | None = None, report: Report | None = None) -> Outcome:
    """Run a job that leaves the sound alone."""
    work = PipelineTask(source, target, await probe(source), target.suffix[1:], level_lufs)
    return await enhance_file(work, Passthrough(), report or (lambda _, __: None))


def shown(path: Path, *what: str) -> dict[str, Any]:
    """Return what ffprobe shows."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters", *what, path]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def codecs(path: Path) -> list[str]:
    return [stream.get("codec_name", "unknown") for stream in shown(path)["streams"]]


def tags(path: Path, everything: dict[str, Any] | None = None) -> dict[str, str]:
    """Return a file's tags by their lower-case names, wherever they stand, unless `everything` has been shown."""
    found = everything or shown(path)
    each = [stream.get("tags", {}) for stream in found["streams"] if stream["codec_type"] == "audio"]
    return {key.lower(): value for some in (*each, found["format"].get("tags", {})) for key, value in some.items()}


def frames(path: Path) -> list[str]:
    """Return the hash of each frame that is shown."""
    told = ffmpeg("-i", path, "-map", "0:V:0", "-fps_mode", "passthrough", "-f", "framemd5", "-").decode()
    return [line.split(",")[-1] for line in told.splitlines() if not line.startswith("#")]


def heard(path: Path) -> Heard:
    raw = ffmpeg("-i", path, "-map", "0:a:0", "-ac", "1", "-ar", str(RATE_HZ), "-f", "f32le", "-", which="ffmpeg")
    picture = ("-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-frames:v", "5")
    with tempfile.TemporaryDirectory() as folder:
        sounds, pictures = Path(folder) / "sounds", Path(folder) / "pictures"
        outputs = ("-map", "0:a:0", "-frames:a", "5", "-f", "framemd5", sounds, *picture, "-f", "framemd5", pictures)
        ffmpeg("-copyts", "-i", path, *outputs, which="ffmpeg")
        return np.frombuffer(raw, "<f4"), _first_s(sounds.read_text()) - _first_s(pictures.read_text())


def _first_s(framemd5: str) -> float:
    told = framemd5.splitlines()
    above, _, below = next(line for line in told if line.startswith("#tb")).split(": ")[1].partition("/")
    first = next(line for line in told if not line.startswith("#"))
    return int(first.split(",")[2]) * int(above) / int(below)


def lag_s(before: Heard, after: Heard) -> float:
    """Return by how much sound comes later against its picture than it did."""
    size = 1 << (len(before[0]) + len(after[0])).bit_length()
    spectrum = np.fft.rfft(after[0], size) * np.conj(np.fft.rfft(before[0], size))
    at = int(np.argmax(np.fft.irfft(spectrum, size)))
    return (at - size if at > size // 2 else at) / RATE_HZ + after[1] - before[1]


def write_film(path: Path, codecs: tuple[str, str], start_s: float = 0.0, *more: str) -> Path:
    """Write a second of picture, with B-frames where there can be, and half one of noise that begins when it should."""
    noise = np.random.default_rng(1).standard_normal(RATE_HZ // 2) * 0.1
    sound = path.with_suffix(".noise.wav")
    soundfile.write(sound, noise * np.abs(np.sin(np.arange(RATE_HZ // 2) / 1_200)), RATE_HZ, subtype="PCM_24")
    picture = ["-itsoffset", str(max(-start_s, 0.0)), "-f", "lavfi", "-i", "testsrc=d=1:s=64x36:r=25"]
    options = ["-bf", "3"] if codecs[0] == "libx264" else []
    options += ["-c:v", codecs[0], "-g", "12", "-pix_fmt", "yuv420p", "-c:a", codecs[1], *more]
    ffmpeg(*picture, "-itsoffset", max(start_s, 0.0), "-i", sound, "-map", "0", "-map", "1", *options, path)
    return path
