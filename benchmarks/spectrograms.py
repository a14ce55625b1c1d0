"""`make spectrograms`: pictures of recordings before and after, for the model card.

Runs in the environment of the peers, which has matplotlib. OURS is a folder written by `benchmarks.quality --keep`.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import soundfile
from PIL import Image
from scipy.signal import stft

mpl.use("Agg")
RANGE_DB = 80
WINDOW_S = 0.032
COLOURS = 64  # a quarter of the size, without a visible difference


def main() -> None:
    """Draw noisy, enhanced and clean side by side, one row for each recording."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spectrograms", description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("ours", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("names", nargs="+")
    arguments = parser.parse_args()
    columns = (("noisy", arguments.pairs / "noisy"), ("enhanced", arguments.ours), ("clean", arguments.pairs / "clean"))
    size = (3.6 * len(columns), 2.2 * len(arguments.names))
    figure, axes = plt.subplots(len(arguments.names), len(columns), figsize=size, squeeze=False)
    for row, name in zip(axes, arguments.names, strict=True):
        for axis, (title, folder) in zip(row, columns, strict=True):
            draw(axis, next(folder.glob(f"{name}.*")))
            axis.set_title(f"{name}: {title}", fontsize=7)
    figure.tight_layout()
    figure.savefig(arguments.picture, dpi=90)
    Image.open(arguments.picture).convert("RGB").quantize(COLOURS).save(arguments.picture, optimize=True)


def draw(axis: plt.Axes, path: Path) -> None:
    """Draw one recording, with the loudest part in white."""
    x, rate_hz = soundfile.read(path)
    frequency_hz, time_s, spectrum = stft(x, rate_hz, nperseg=round(rate_hz * WINDOW_S))
    level_db = 20 * np.log10(np.abs(spectrum) + 1e-9)
    top = level_db.max()
    axis.pcolormesh(time_s, frequency_hz / 1000, level_db, vmin=top - RANGE_DB, vmax=top, cmap="magma", rasterized=True)
    axis.tick_params(labelsize=6)


if __name__ == "__main__":
    main()
