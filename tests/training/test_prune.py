"""Weights of a network are a start for one with fewer blocks."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.weights import load_network, save_weights
from training.prune import main, pruned


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


def test_the_file_is_a_network_of_the_size_that_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size, source, target = ModelSize(8), tmp_path / "whole.safetensors", tmp_path / "fewer.safetensors"
    save_weights(MaskNetwork(size).state_dict(), source, {"model": json.dumps(asdict(size))})
    monkeypatch.setattr("sys.argv", ["prune", str(source), str(target), "blocks_in.0=", "blocks_in.2=1", "dense=0,4"])
    main()
    found = load_network(torch.device("cpu"), target).size
    assert found == ModelSize(8, dilations_in=((), (2,), (4,)), dense_dilations=(1, 16))
