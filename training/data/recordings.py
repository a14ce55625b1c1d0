"""Recordings from packages as mono FLAC, in the layout of a corpus: a folder with `audio` and MANIFEST.csv.

Needs ffmpeg and, for Debian packages, dpkg-deb.
"""

import csv
import hashlib
import subprocess
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile

from training.data.corpus import Waveform
from training.data.packages import PINS, Package, pinned, unpacked
from training.data.sources import Source
from training.mix.signals import active_rms

COLUMNS = ("file", "kind", "source", "licence", "speaker_or_class", "language", "seconds", "rate", "est_snr_db", "note")
MIN_S = 0.3  # anything shorter is a click or the end of a syllable
MAX_NOISE_S = 45.0  # of one recording: a part of a piece of music is enough


def build(sources: tuple[Source, ...], folder: Path, archives: Path, pins: Path = PINS) -> int:
    """Download, unpack and convert; write MANIFEST.csv; return the number of recordings. Raises WrongPackage."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for name, of_package in groupby(sources, key=lambda source: source.package):
        package = pinned(name, pins)
        with tempfile.TemporaryDirectory(dir=folder) as scratch, ThreadPoolExecutor(2) as pool:
            root = unpacked(package, archives, Path(scratch))
            for source in of_package:
                files = sorted(path for path in root.glob(source.pattern) if path.is_file() and not path.is_symlink())
                found = pool.map(partial(converted, source, package, folder=folder), files)
                rows += unique((row for row in found if row), folder)
    write_manifest(rows, folder)
    return len(rows)


def write_manifest(rows: Iterable[dict[str, object]], folder: Path) -> None:
    """Write the manifest of a corpus, one row for each recording."""
    with (folder / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def converted(source: Source, package: Package, path: Path, folder: Path) -> dict[str, object] | None:
    """Write one recording as mono FLAC at its own rate and return its row; None if it is too short or too noisy."""
    group = source.group.format(path.parent.name, name=path.stem.rstrip("0123456789"))
    name = f"audio/{package.name}-{'-'.join(path.parts[-3:-1])}-{path.stem}.flac".replace(" ", "_")
    if not (folder / name).exists() and not decoded(source, path, folder / name):
        return None
    x, rate_hz = soundfile.read(folder / name, dtype="float32")
    figures = (round(len(x) / rate_hz, 2), rate_hz, round(estimated_snr_db(x, rate_hz), 1), "")
    origin = (name, source.kind, f"{package.registry}:{package}", source.licence, group, source.language)
    return dict(zip(COLUMNS, origin + figures, strict=True))


def decoded(source: Source, path: Path, target: Path) -> bool:
    """Write a recording as mono FLAC; return whether it holds enough sound."""
    longest_s = MAX_NOISE_S if source.kind == "noise" else None
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        found = _opened(path, longest_s) or _opened(_transcoded(path, Path(scratch, "a.wav")), longest_s)
        if found is None or len(found[0]) < MIN_S * found[1] or not np.any(found[0]):
            return False
        soundfile.write(Path(scratch, "a.flac"), *found)
        Path(scratch, "a.flac").replace(target)
    return True


def _opened(path: Path, longest_s: float | None) -> tuple[Waveform, int] | None:
    """Return a recording mixed down to mono, and its rate; None if libsndfile cannot read it."""
    try:
        with soundfile.SoundFile(path) as file:
            frames = -1 if longest_s is None else int(longest_s * file.samplerate)
            x = file.read(frames, dtype="float32", always_2d=True)
            return np.clip(x.mean(axis=1), -1, 1), int(file.samplerate)
    except soundfile.LibsndfileError:
        return None


def _transcoded(path: Path, wav: Path) -> Path:
    """Convert with ffmpeg what libsndfile cannot read; without sound, no file is written."""
    form = ["-f", "g722"] if path.suffix == ".g722" else []
    subprocess.run(["ffmpeg", "-v", "quiet", *form, "-i", path, "-ac", "1", "-c:a", "pcm_s16le", wav], check=False)
    return wav


def estimated_snr_db(x: Waveform, rate_hz: int) -> float:
    """Return the level of the active part above that of the quietest tenth of the 20 ms frames, at most 99 dB."""
    frames = x[: len(x) // (rate_hz // 50) * (rate_hz // 50)].reshape(-1, rate_hz // 50)
    softest = float(np.quantile(np.square(frames, dtype=np.float64).mean(axis=1), 0.1))
    return float(20 * np.log10(max(active_rms(x), 1e-9)) - 10 * np.log10(max(softest, 10**-9.9)))


def unique(rows: Iterable[dict[str, object]], folder: Path) -> list[dict[str, object]]:
    """Return the rows without duplicates of the same recording; many packages hold a file twice."""
    seen: dict[bytes, dict[str, object]] = {}
    for row in rows:
        seen.setdefault(hashlib.sha256((folder / str(row["file"])).read_bytes()).digest(), row)
    return list(seen.values())
