"""`make bench-harm`: what remains of sound without speech, and how evenly, because fluctuating noise disturbs most."""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.quality import enhance_with_service, run_peer

PEERS = ("noisereduce", "rnnoise", "dfn3")
FRAME_S = 0.1
INAUDIBLE_DB = -30.0  # relative to the input: changes below are not audible as pumping
QUIETEST_DB = -50.0  # relative to the input's loudest frame: softer frames do not count
Decibels = NDArray[np.float64]


def main() -> None:
    """Process the noises of the pairs alone and print what remains."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harm", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the peers")
    parser.add_argument("--pairs", type=Path, required=True, help="folder with noisy, clean and pairs.csv")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, pairs in (("music", arguments.shared / "audio" / "dev"), ("noise", arguments.pairs)):
            alone = write_noises(pairs, work / name, only="music" if name == "music" else "")
            print(f"\n{len(list(alone.iterdir()))} recordings of {name} without speech; gains of {FRAME_S} s, in dB")
            print(f"{'':14}{'mean gain':>12}{'loudest 1 %':>14}{'swing':>8}")
            enhance_with_service(alone, work / "ours" / name)
            print_row("ours", alone, work / "ours" / name)
            for peer in PEERS:
                run_peer(arguments, peer, alone, work / peer / name)
                print_row(peer, alone, work / peer / name)


def write_noises(pairs: Path, folder: Path, only: str) -> Path:
    """Write the noise of each pair whose kind starts with `only`."""
    folder.mkdir(parents=True)
    with (pairs / "pairs.csv").open(newline="") as file:
        names = [row["id"] for row in csv.DictReader(file) if row["noise"].startswith(only)]
    for name in names:
        noisy, rate_hz = soundfile.read(pairs / "noisy" / f"{name}.flac", dtype="float32")
        clean, _ = soundfile.read(pairs / "clean" / f"{name}.flac", dtype="float32")
        soundfile.write(folder / f"{name}.wav", noisy - clean, rate_hz)
    return folder


def print_row(name: str, source: Path, target: Path) -> None:
    """Print the means over a folder."""
    found = [gains_db(path, target / path.name) for path in sorted(source.iterdir())]
    means = [float(np.mean([10 * np.log10(np.mean(10 ** (gains / 10))) for gains in found]))]
    means.append(float(np.mean([np.percentile(gains, 99) for gains in found])))
    means.append(float(np.mean([swing_db(gains) for gains in found])))
    print(f"{name:14}{means[0]:12.1f}{means[1]:14.1f}{means[2]:8.1f}")


def gains_db(source: Path, target: Path) -> Decibels:
    """Return the level of each frame of the output relative to the input."""
    (before, rate_hz), (after, _) = (soundfile.read(path, dtype="float64") for path in (source, target))
    levels = [10 * np.log10(frame_power(x, int(FRAME_S * rate_hz)) + 1e-12) for x in (before, after)]
    loud = levels[0] > levels[0].max() + QUIETEST_DB
    return np.asarray((levels[1] - levels[0])[loud])


def frame_power(x: Decibels, length: int) -> Decibels:
    """Return the mean power of each whole frame."""
    return np.asarray(np.square(x[: len(x) // length * length]).reshape(-1, length).mean(axis=1))


def swing_db(gains: Decibels) -> float:
    """Return the range between high and low gains of a recording, as far as it is audible."""
    low, high = np.percentile(np.maximum(gains, INAUDIBLE_DB), (10, 90))
    return float(high - low)


if __name__ == "__main__":
    main()
