"""`python -m training.prune WEIGHTS TARGET blocks_in.0= dense=0,1,4`: weights for a network with fewer blocks.

Blocks are residual, so what the others have learned is a start for a network without some of them. Each argument names
a sequence of blocks and which of them stay, in the order that they come in.
"""

import argparse
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from munsit_denoise.engine.model import ModelSize

Kept = dict[str, tuple[int, ...]]  # which blocks of a sequence stay
BLOCK = re.compile(r"(?P<sequence>dense|blocks_(?:in|out)\.\d+)\.(?P<number>\d+)\.(?P<rest>.+)")


def pruned(tensors: dict[str, Tensor], kept: Kept) -> dict[str, Tensor]:
    """Return a network's tensors without the blocks of the named sequences that are not kept, the rest renumbered."""
    found = {}
    for name, tensor in tensors.items():
        match = BLOCK.fullmatch(name)
        if match and match["sequence"] in kept:
            numbers = kept[match["sequence"]]
            if int(match["number"]) not in numbers:
                continue
            name = f"{match['sequence']}.{numbers.index(int(match['number']))}.{match['rest']}"
        found[name] = tensor
    return found


def pruned_size(size: ModelSize, kept: Kept) -> ModelSize:
    """Return the size of what is left."""

    def left(sequence: str, dilations: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dilations[number] for number in kept.get(sequence, range(len(dilations))))

    return replace(
        size,
        dilations_in=tuple(left(f"blocks_in.{scale}", part) for scale, part in enumerate(size.dilations_in)),
        dilations_out=tuple(left(f"blocks_out.{scale}", part) for scale, part in enumerate(size.dilations_out)),
        dense_dilations=left("dense", size.dense_dilations),
    )


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.prune", description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("kept", nargs="+")
    arguments = parser.parse_args()
    kept: Kept = {}
    for argument in arguments.kept:
        sequence, _, numbers = argument.partition("=")
        kept[sequence] = tuple(int(number) for number in numbers.split(",") if number)
    with safe_open(str(arguments.weights), framework="pt") as file:
        size = ModelSize.of(json.loads(file.metadata()["model"]))
    metadata = {"model": json.dumps(asdict(pruned_size(size, kept))), "step": "0"}
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    save_file(pruned(load_file(arguments.weights), kept), arguments.target, metadata)


if __name__ == "__main__":
    main()
