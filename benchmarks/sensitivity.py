"""`python -m benchmarks.sensitivity WEIGHTS SCALES`: what each factor alone does to the scores of pairs.

The means, and the mean differences from the weights as they are with their standard errors over the pairs: what is
within two of those on these pairs may be nothing on others. In files of 16 bits, as the service makes them.
"""

import argparse
import os
import tempfile
from pathlib import Path

import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from benchmarks.quality import Rows, mean, score, standard_error
from munsit_denoise.engine.enhancer import Enhancer
from munsit_denoise.engine.weights import load_network, save_weights
from training.evaluate import enhanced
from training.scaling import Scale, read_scales, scaled

METRICS = ("pesq_wb", "estoi", "si_sdr", "dns_ovrl", "lsd_8_24k")


def main() -> None:
    """Score each factor alone, then all together."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sensitivity", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("scales", type=Path)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--peers", default=".venv-bench/bin/python", help="Python with the scores")
    parser.add_argument("--pairs", type=Path, help="folder with noisy and clean (default: development)")
    arguments = parser.parse_args()
    arguments.pairs = arguments.pairs or arguments.shared / "audio" / "dev"
    os.environ.setdefault("DNSMOS_HOPS", "1")
    scales = read_scales(arguments.scales)
    print(f"{'':36}" + "".join(f"{metric:>11}{'change':>9}{'+-':>7}" for metric in METRICS))
    before = scores(arguments, [])
    print_row("as it is", before, before)
    for scale in scales:
        outputs = "'s shared gain" if scale.last_output else ""
        print_row(f"{scale.module}{outputs} x {scale.factor:g}", scores(arguments, [scale]), before)
    print_row("all", scores(arguments, scales), before)


def scores(arguments: argparse.Namespace, scales: list[Scale]) -> Rows:
    """Return the scores of the pairs through scaled weights, by file."""
    with safe_open(str(arguments.weights), framework="pt") as file:
        metadata = file.metadata()
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "scaled.safetensors"
        save_weights(scaled(load_file(arguments.weights), scales), weights, metadata)
        device = torch.device("cpu")
        enhancer = Enhancer(load_network(device, weights), device)
        for path in sorted((arguments.pairs / "noisy").iterdir()):
            noisy, rate_hz = soundfile.read(path, dtype="float32")
            result = enhanced(enhancer, noisy, rate_hz)
            soundfile.write(Path(folder) / f"{path.stem}.wav", result, rate_hz, subtype="PCM_16")
        return score(arguments, arguments.pairs / "clean", Path(folder))


def print_row(name: str, rows: Rows, before: Rows) -> None:
    """Print each metric's mean, its change and the standard error of that."""
    print(f"{name:36}", end="")
    for metric in METRICS:
        found = mean(rows, metric)
        print(f"{found:11.4f}{found - mean(before, metric):+9.4f}{standard_error(rows, before, metric):7.4f}", end="")
    print(flush=True)


if __name__ == "__main__":
    main()
