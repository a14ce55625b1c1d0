"""`python -m training.scaling WEIGHTS TARGET SCALES`: parts of a network weaker or stronger by given factors.

A mean of weights lies where none of them was trained, and how strong its layers speak need not be right there (Jordan
and others, "REPAIR: renormalizing permuted activations for interpolation repair", 2023). A few factors, each found by
what it alone does to the scores of pairs that training has not heard (`python -m benchmarks.sensitivity`), mend a part.
"""

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from munsit_denoise.engine.weights import save_weights

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of a normalisation: not learnt, not scaled


@dataclass(frozen=True)
class Scale:
    """A factor for all parameters of a module, or for the last of its outputs alone."""

    module: str  # its name in the network: of a normalisation, a decoder's last layer
    factor: float
    last_output: bool = False  # a group's shared gain, of a decoder below 4 kHz


def read_scales(path: Path) -> list[Scale]:
    """Read a TOML file with an array of tables `scale`."""
    return [Scale(**table) for table in tomllib.loads(path.read_text())["scale"]]


def scaled(tensors: dict[str, Tensor], scales: Sequence[Scale]) -> dict[str, Tensor]:
    """Return a network's tensors in single precision with the factors applied; statistics stay as they are.

    Raises ValueError for a module without parameters.
    """
    found = {name: t.float().clone() if t.is_floating_point() else t for name, t in tensors.items()}
    for scale in scales:
        names = [name for name in found if name.startswith(f"{scale.module}.") and not name.endswith(STATISTICS)]
        if not names:
            raise ValueError(f"no parameters belong to {scale.module}")
        for name in names:
            (found[name][..., -1] if scale.last_output else found[name]).mul_(scale.factor)
    return found


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.scaling", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("scales", type=Path)
    arguments = parser.parse_args()
    with safe_open(str(arguments.weights), framework="pt") as file:
        metadata = file.metadata()
    tensors = scaled(load_file(arguments.weights), read_scales(arguments.scales))
    save_weights(tensors, arguments.target, metadata)


if __name__ == "__main__":
    main()
