"""`make bench-seams`: ten minutes with other window positions, and clicks at the joints."""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from benchmarks.speed import RATE_HZ, write_speech
from munsit_denoise.engine.open import MakeDenoiser, open_engine
from munsit_denoise.engine.stream import CORE_S
from munsit_denoise.treatment import Treatment

Waveform = NDArray[np.float32]
SECONDS = 600
SHIFTS_S = (4, 8, 12)  # whole frames of the model: the windows start elsewhere, the frames do not
RIM_S = 4  # the recording's own ends differ and do not count
NEAR = RATE_HZ // 200  # samples around a joint: 5 ms
PLANTED = 0.01  # of full scale: a click that the detector must find


def main() -> None:
    """Print the difference between window positions, and the number of clicks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seams", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--precision", default="auto", help="of the model's products: auto, float32 or bfloat16")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of the recording")
    arguments = parser.parse_args()
    enhance = partial(enhanced, open_engine("cpu", 0, arguments.precision))
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as folder:
        path = write_speech(arguments.shared / "audio" / "dev" / "noisy", Path(folder, "long.wav"), seconds)
        samples, _ = soundfile.read(path, dtype="float32", always_2d=True)
    whole = enhance(samples)
    print(f"\n{seconds} s of 48 kHz speech in windows of {CORE_S} s, against windows that begin elsewhere")
    for shift_s in SHIFTS_S:
        shift = shift_s * RATE_HZ
        other = enhance(samples[shift:])
        inner = slice(RIM_S * RATE_HZ, -RIM_S * RATE_HZ)
        difference = whole[shift:][inner] - other[inner]
        level_db = 10 * np.log10(np.mean(difference**2) / np.mean(whole[shift:][inner] ** 2))
        print(f"  {shift_s:2} s later: {level_db:7.1f} dB relative to the signal")
    joints = np.arange(CORE_S, seconds, CORE_S) * RATE_HZ
    print(f"clicks at {len(joints)} joints: {clicks(whole, joints)}")
    marred = whole.copy()
    marred[joints] += PLANTED
    print(f"the same with clicks of {PLANTED} planted there: {clicks(marred, joints)}")


def enhanced(make: MakeDenoiser, samples: Waveform) -> Waveform:
    """Return the denoised first channel."""
    denoiser = make(RATE_HZ, 1, Treatment())
    return np.concatenate([denoiser.feed(samples), denoiser.flush()])[:, 0]


def clicks(samples: Waveform, positions: NDArray[np.int64]) -> int:
    """Count the positions whose surroundings are rougher than 99.9 % of random places in the recording."""
    places = np.random.default_rng(0).integers(NEAR, len(samples) - NEAR, 20_000)
    threshold = np.percentile([roughness(samples, place) for place in places], 99.9)
    return int(sum(roughness(samples, position) > threshold for position in positions))


def roughness(samples: Waveform, position: int) -> float:
    """Return how much the second difference at a position exceeds that of the 5 ms on either side."""
    bends = np.abs(np.diff(samples[position - NEAR : position + NEAR], 2))
    centre = bends[NEAR - 4 : NEAR + 3].max()
    return float(centre / (np.median(bends) + 1e-5))


if __name__ == "__main__":
    main()
