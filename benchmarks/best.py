"""`make bench-best`: gain and cost of `quality=best` against the standard quality, on the development pairs.

The mean of two models is linear, so all shares are computed from one run of each model.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from benchmarks.quality import Rows, mean, score, standard_error
from munsit_denoise.engine.catalogue import DEEPFILTERNET3, OWN
from munsit_denoise.engine.channels import PIECE_S
from munsit_denoise.engine.deepfilternet.enhancer import DeepFilterNet3
from munsit_denoise.engine.open import MakeDenoiser, open_engine
from munsit_denoise.engine.stft import SAMPLE_RATE_HZ
from munsit_denoise.treatment import Quality, Treatment

SHARES = (0.5, 0.6, 0.7)  # of our own model
METRICS = ("pesq_wb", "estoi", "si_sdr", "dns_ovrl")
LONG_S = 120  # duration of the timed recording
Waveform = NDArray[np.float32]  # [frames, channels]


def main() -> None:
    """Print the scores of each model and of their means, the processing times, and the seams."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.best", description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the scores")
    parser.add_argument("--pairs", type=Path, help="folder with noisy and clean (default: development)")
    parser.add_argument("--work", type=Path, default=Path("build/best"), help="folder for the results")
    parser.add_argument("--json", type=Path, help="also write the scores here")
    arguments = parser.parse_args()
    os.environ.setdefault("DNSMOS_HOPS", "1")
    pairs = arguments.pairs or arguments.shared / "audio" / "dev"
    engines = {name: open_engine("cpu", 0, "float32", 1, name) for name in (OWN, DEEPFILTERNET3)}
    for path in sorted((pairs / "noisy").iterdir()):
        noisy, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        own, other = (denoised(make, noisy, rate_hz) for make in engines.values())
        results = {OWN: own, DEEPFILTERNET3: other}
        results |= {f"{share:g} of ours": share * own + (1 - share) * other for share in SHARES}
        for name, result in results.items():
            assert result.shape == noisy.shape
            write(arguments.work / name / f"{path.stem}.wav", result, rate_hz)
    names = (OWN, DEEPFILTERNET3, *(f"{share:g} of ours" for share in SHARES))
    scores = {name: score(arguments, pairs / "clean", arguments.work / name) for name in names}
    print_table(scores)
    if arguments.json:
        arguments.json.write_text(json.dumps(summary(scores), indent=1) + "\n")
    print_cost(engines[OWN], pairs)
    print_seams(engines[DEEPFILTERNET3], pairs)


def denoised(make: MakeDenoiser, noisy: Waveform, rate_hz: int, quality: Quality = Quality.STANDARD) -> Waveform:
    """Return a recording without its noise."""
    denoiser = make(rate_hz, noisy.shape[1], Treatment(quality=quality))
    return np.concatenate([denoiser.feed(noisy), denoiser.flush()])


def write(path: Path, samples: Waveform, rate_hz: int) -> None:
    """Write a float WAV, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, subtype="FLOAT")


def summary(scores: dict[str, Rows]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the means, and the standard errors of the differences to our own model."""
    return {
        "means": {name: {m: round(mean(rows, m), 4) for m in METRICS} for name, rows in scores.items()},
        "standard_errors": {
            name: {m: round(standard_error(rows, scores[OWN], m), 4) for m in METRICS} for name, rows in scores.items()
        },
    }


def print_table(scores: dict[str, Rows]) -> None:
    """Print means, and the difference to our own model with its standard error."""
    print(f"\n{len(scores[OWN])} pairs; DNSMOS_HOPS={os.environ['DNSMOS_HOPS']}")
    print(f"{'':16}" + "".join(f"{metric:>22}" for metric in METRICS))
    for name, rows in scores.items():
        cells = []
        for metric in METRICS:
            gain = mean(rows, metric) - mean(scores[OWN], metric)
            cells.append(f"{mean(rows, metric):8.3f} {gain:+6.3f} +-{standard_error(rows, scores[OWN], metric):.3f}")
        print(f"{name:16}" + "".join(f"{cell:>22}" for cell in cells))


def print_cost(make: MakeDenoiser, pairs: Path) -> None:
    """Print the processing time of a second of sound in each quality, in the same run."""
    long, rate_hz = long_recording(pairs)
    print(f"\nseconds for a second of sound ({LONG_S} s, {rate_hz} Hz, one channel), processor and wall")
    for quality in Quality:
        denoised(make, long[: 8 * rate_hz], rate_hz, quality)
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        denoised(make, long, rate_hz, quality)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        print(f"  {quality:10}{cpu_s / LONG_S:8.4f}{wall_s / LONG_S:8.4f}")


def print_seams(make: MakeDenoiser, pairs: Path) -> None:
    """Print how far DeepFilterNet3 in windows is from a single stream with the same input."""
    sound, rate_hz = long_recording(pairs)
    found = denoised(make, sound, rate_hz)[:, 0]
    listener = DeepFilterNet3(torch.device("cpu")).listen(1)
    mirrored = np.concatenate([sound[:rate_hz][::-1], sound, sound[-rate_hz:][::-1]])[:, 0][None]
    piece = PIECE_S * rate_hz
    parts = [listener.feed(mirrored[:, start : start + piece].copy()) for start in range(0, mirrored.shape[1], piece)]
    stream = np.concatenate(parts, axis=1)[0, rate_hz:][: len(sound)]
    level_db = 10 * np.log10(np.sum((found - stream) ** 2) / np.sum(stream**2))
    print(f"\nDeepFilterNet3 in windows against one stream of {LONG_S} s: {level_db:.1f} dB")


def long_recording(pairs: Path) -> tuple[Waveform, int]:
    """Return the first recording at 48 kHz, repeated, and its rate in hertz."""
    for path in sorted((pairs / "noisy").iterdir()):
        noisy, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        if rate_hz == SAMPLE_RATE_HZ:
            break
    return np.tile(noisy, (-(-LONG_S * rate_hz // len(noisy)), 1))[: LONG_S * rate_hz, :1], rate_hz


if __name__ == "__main__":
    main()
