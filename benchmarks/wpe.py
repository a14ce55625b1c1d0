"""`python benchmarks/wpe.py IN OUT`: removes reverberation with WPE, of the package nara-wpe; runs beside the peers.

Weighted prediction error is the usual method without training (Nakatani et al., "Speech dereverberation based on
variance-normalized delayed linear prediction", 2010).
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile
from nara_wpe.utils import istft, stft
from nara_wpe.wpe import wpe_v8 as wpe
from scipy.signal import resample_poly

RATE_HZ = 16_000  # its settings are those of its documentation, which are for this rate
SIZE, SHIFT = 512, 128
TAPS, DELAY, ITERATIONS = 10, 3, 5


def main() -> None:
    """Process all files of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    arguments.target.mkdir(parents=True, exist_ok=True)
    for path in sorted(arguments.source.iterdir()):
        x, rate_hz = soundfile.read(path)
        assert rate_hz % RATE_HZ == 0
        low = resample_poly(x, 1, rate_hz // RATE_HZ)
        spectrum = stft(low[None], size=SIZE, shift=SHIFT).transpose(2, 0, 1)  # [bins, channels, frames]
        found = wpe(spectrum, taps=TAPS, delay=DELAY, iterations=ITERATIONS).transpose(1, 2, 0)
        dry = istft(found, size=SIZE, shift=SHIFT)[0, : len(low)]
        removed = resample_poly(low - np.pad(dry, (0, len(low) - len(dry))), rate_hz // RATE_HZ, 1)[: len(x)]
        soundfile.write(arguments.target / path.name, x - removed, rate_hz, subtype="FLOAT")


if __name__ == "__main__":
    main()
