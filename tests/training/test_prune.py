"""Weights of a network are a start for one with fewer blocks."""

import torch
from torch import nn

from training.prune import pruned


def test_kept_blocks_close_up_and_all_else_stays() -> None:
    network = nn.ModuleDict({"dense": nn.Sequential(*(nn.Linear(1, 1) for _ in range(4))), "dense_in": nn.Linear(1, 1)})
    before = network.state_dict()
    after = pruned(before, {"dense": (0, 3)})
    assert set(after) == {
        "dense.0.weight",
        "dense.0.bias",
        "dense.1.weight",
        "dense.1.bias",
        "dense_in.weight",
        "dense_in.bias",
    }
    assert torch.equal(after["dense.1.weight"], before["dense.3.weight"])
    assert torch.equal(after["dense.0.bias"], before["dense.0.bias"])


def test_a_sequence_of_a_scale_can_go_altogether() -> None:
    tensors = {
        name: torch.zeros(1) for name in ("blocks_in.0.0.conv.weight", "blocks_in.1.0.conv.weight", "norm.weight")
    }
    assert set(pruned(tensors, {"blocks_in.0": ()})) == {"blocks_in.1.0.conv.weight", "norm.weight"}
