"""`python -m benchmarks.real FOLDER`: DNSMOS of real recordings, which have no clean version.

Each recording is cut into pieces of DNSMOS's length. The pieces of a recording are similar, so the standard errors are
too small. DNSMOS is high even if speech was removed with the noise; compare it with `make bench-hard`.
"""

import argparse
import tempfile
from pathlib import Path

import soundfile

from benchmarks.quality import Rows, error_of_mean, mean, run_peer, score_alone
from munsit_denoise.api import enhance

PIECE_S = 9.02
SHOWN = ("dns_sig", "dns_bak", "dns_ovrl")


def main() -> None:
    """Cut, denoise, score and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real", description=__doc__)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the peers and the scores")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cut(arguments.recordings, folder / "none", folder / "ours")
        run_peer(arguments, "dfn3", folder / "none", folder / "dfn3")
        scores = {name: score_alone(arguments, folder / name) for name in ("none", "ours", "dfn3")}
    print_table(scores)


def cut(recordings: Path, before: Path, after: Path) -> None:
    """Write the pieces of each recording before and after; each recording is processed as a whole."""
    for folder in (before, after):
        folder.mkdir()
    for path in sorted(recordings.iterdir()):
        noisy, rate_hz = soundfile.read(path, dtype="float32")
        clean, length = enhance(noisy, rate_hz), int(PIECE_S * rate_hz)
        for number in range(len(noisy) // length):
            piece = slice(number * length, (number + 1) * length)
            for folder, x in ((before, noisy), (after, clean)):
                soundfile.write(folder / f"{path.stem}-{number}.wav", x[piece], rate_hz, subtype="FLOAT")


def print_table(scores: dict[str, Rows]) -> None:
    """Print means with their standard errors, and the difference to the untouched recordings."""
    print(f"\n{len(scores['none'])} pieces of {PIECE_S} s; means and standard errors")
    print(f"{'':8}" + "".join(f"{metric:>16}" for metric in SHOWN))
    for name, rows in scores.items():
        cells = [f"{mean(rows, m):8.2f} ± {error_of_mean([r[m] for r in rows.values()]):5.2f}" for m in SHOWN]
        print(f"{name:8}" + "".join(cells))


if __name__ == "__main__":
    main()
