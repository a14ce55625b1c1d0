"""`make bench-gpu`: an hour of sound on CUDA, its peak memory, and the difference between CPU and CUDA."""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.speed import RATE_HZ, write_speech
from munsit_denoise.engine.open import MakeDenoiser, open_engine
from munsit_denoise.engine.stream import Block
from munsit_denoise.treatment import Treatment

HOUR_S = 3_600
COMPARED_S = 60
REPEATS = 3


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--recording", type=Path, help="48 kHz mono to use instead of the development recordings")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no usable CUDA device here")
    minute = minute_of_speech(arguments)
    hour = np.tile(minute, (HOUR_S // COMPARED_S, 1))
    cpu = open_engine("cpu", 0, "float32")
    on_cpu, again = (enhanced(cpu, minute) for _ in range(2))
    print(torch.cuda.get_device_name())
    print(f"two runs on the CPU agree to the bit: {'yes' if np.array_equal(on_cpu, again) else 'NO'}")
    for precision in ("float32", "bfloat16"):
        cuda = open_engine("cuda", 0, precision)
        enhanced(cuda, minute)  # the first windows include loading the libraries
        torch.cuda.reset_peak_memory_stats()
        took_s = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            enhanced(cuda, hour)
            took_s.append(time.perf_counter() - started)
        peak_mib = torch.cuda.max_memory_allocated() / 2**20
        difference = relative(enhanced(cuda, minute), on_cpu)
        print(
            f"{precision:9} an hour of 48 kHz mono in {min(took_s):.2f} to {max(took_s):.2f} s, "
            f"at most {peak_mib:.0f} MiB on the GPU; relative difference to the CPU {difference:.1e}"
        )


def minute_of_speech(arguments: argparse.Namespace) -> Block:
    """Return a minute of noisy speech [frames, 1]."""
    with tempfile.TemporaryDirectory() as folder:
        noisy = arguments.shared / "audio" / "dev" / "noisy"
        path = arguments.recording or write_speech(noisy, Path(folder) / "minute.wav", COMPARED_S)
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate_hz == RATE_HZ
    return np.asarray(samples[: COMPARED_S * RATE_HZ], np.float32)


def enhanced(make: MakeDenoiser, recording: Block) -> Block:
    """Return a recording without noise, fed in blocks of a second as in the service."""
    denoiser = make(RATE_HZ, 1, Treatment())
    seconds = range(0, len(recording), RATE_HZ)
    parts = [denoiser.feed(recording[start : start + RATE_HZ]) for start in seconds]
    return np.concatenate([*parts, denoiser.flush()])


def relative(found: Block, wanted: Block) -> float:
    """Return the norm of the difference relative to that of `wanted`."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


if __name__ == "__main__":
    main()
