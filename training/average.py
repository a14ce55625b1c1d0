"""`python -m training.average OUT WEIGHTS WEIGHTS...`: the mean of weights; a file that is named twice counts twice.

The mean of weights from one run, or from runs that continue each other, is often better than each of them (Izmailov et
al., "Averaging weights leads to wider optima and better generalization", 2018).
"""

import argparse
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from munsit_denoise.engine.weights import save_weights


def average(out: Path, weights: list[Path]) -> None:
    """Write the mean, with the size and step of the last file. Raises ValueError if the networks differ."""
    states = [load_file(path) for path in weights]
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(found != shapes[0] for found in shapes):
        raise ValueError("the weights are of different networks")
    with safe_open(str(weights[-1]), framework="pt") as file:
        metadata = file.metadata()
    mean = {name: _mean([state[name] for state in states]) for name in states[0]}
    save_weights(mean, out, metadata)


def _mean(tensors: list[torch.Tensor]) -> torch.Tensor:
    if not tensors[0].is_floating_point():  # counters are not averaged
        return tensors[-1].clone()
    return torch.stack(tensors).float().mean(dim=0)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m training.average", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    arguments = parser.parse_args()
    average(arguments.out, arguments.weights)


if __name__ == "__main__":
    main()
