"""The mean of weights is a network that loads and lies between them."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from munsit_denoise.engine.model import MaskNetwork, ModelSize
from munsit_denoise.engine.weights import load_network
from training.average import average


def write(path: Path, channels: int, seed: int) -> Path:
    torch.manual_seed(seed)
    metadata = {"model": json.dumps({"channels": channels}), "step": str(seed)}
    state = MaskNetwork(ModelSize(channels)).state_dict()
    save_file({name: value.contiguous() for name, value in state.items()}, path, metadata)
    return path


def test_the_mean_loads_and_lies_in_the_middle(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{seed}.safetensors", 8, seed) for seed in (1, 2)]
    average(tmp_path / "mean.safetensors", paths)
    one, two, mean = (load_file(path) for path in (*paths, tmp_path / "mean.safetensors"))
    assert all(
        torch.allclose(mean[name].float(), (one[name] + two[name]) / 2, rtol=1e-3, atol=1e-6)
        for name in one
        if one[name].is_floating_point()
    )
    assert load_network(torch.device("cpu"), tmp_path / "mean.safetensors").size == ModelSize(8)


def test_other_networks_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{channels}.safetensors", channels, 1) for channels in (8, 16)]
    with pytest.raises(ValueError, match="different networks"):
        average(tmp_path / "mean.safetensors", paths)
