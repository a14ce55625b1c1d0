"""`python -m training.evaluate WEIGHTS PAIRS`: SI-SDR on aligned pairs, through the enhancer as it ships.

A quick check during training; `make bench-quality` prints perceptual scores next to other denoisers.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from munsit_denoise.engine.masking import MaskEnhancer
from munsit_denoise.engine.model import MaskNetwork
from munsit_denoise.engine.stream import StreamFormat, WindowedDenoiser
from munsit_denoise.engine.weights import load_network
from training.data.corpus import Waveform


@dataclass(frozen=True)
class Score:
    """SI-SDR of one pair in dB: of the input, of the output, and of the clean speech processed by itself."""

    name: str
    noisy_db: float
    enhanced_db: float
    clean_db: float


def si_sdr_db(estimate: Waveform, target: Waveform) -> float:
    """Return the scale-invariant signal-to-distortion ratio (Le Roux et al., "SDR - half-baked or well done?")."""
    scaled = (estimate @ target) / (target @ target) * target
    error = float(np.square(estimate - scaled).sum())
    return float(10 * np.log10(np.square(scaled).sum() / max(error, 1e-12)))


def evaluate(network: MaskNetwork, pairs: Path) -> list[Score]:
    """Score a network on a folder with `pairs.csv`, `noisy` and `clean`."""
    training = network.training
    network.eval()
    enhancer = MaskEnhancer(network, next(network.parameters()).device)
    with (pairs / "pairs.csv").open(newline="") as file:
        names = [f"{row['id']}.flac" for row in csv.DictReader(file)]
    scores = [_score(enhancer, pairs, name) for name in names]
    network.train(training)
    return scores


def _score(enhancer: MaskEnhancer, pairs: Path, name: str) -> Score:
    noisy, rate_hz = soundfile.read(pairs / "noisy" / name, dtype="float32")
    clean, _ = soundfile.read(pairs / "clean" / name, dtype="float32")
    result, untouched = (enhanced(enhancer, x, rate_hz) for x in (noisy, clean))
    return Score(name, si_sdr_db(noisy, clean), si_sdr_db(result, clean), si_sdr_db(untouched, clean))


def enhanced(enhancer: MaskEnhancer, x: Waveform, rate_hz: int) -> Waveform:
    """Return a waveform [samples] without its noise."""
    denoiser = WindowedDenoiser(enhancer, StreamFormat(rate_hz, 1))
    return np.concatenate([denoiser.feed(x[:, None]), denoiser.flush()])[:, 0]


def summary(scores: list[Score]) -> dict[str, float]:
    """Return the means, and the lowest score of clean speech, which no recording should fall below."""
    return {
        "dev_si_sdr_db": round(float(np.mean([s.enhanced_db for s in scores])), 2),
        "dev_clean_db": round(float(np.mean([s.clean_db for s in scores])), 2),
        "dev_clean_least_db": round(min(s.clean_db for s in scores), 2),
    }


def main() -> None:
    """Run the command and print a table."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("pairs", type=Path)
    arguments = parser.parse_args()
    scores = evaluate(load_network(torch.device("cpu"), arguments.weights), arguments.pairs)
    print(f"{'SI-SDR in dB':28} noisy  enhanced  clean in")
    for s in sorted(scores, key=lambda s: s.noisy_db):
        print(f"{s.name:28} {s.noisy_db:5.1f}  {s.enhanced_db:8.1f}  {s.clean_db:8.1f}")
    print(summary(scores))


if __name__ == "__main__":
    main()
