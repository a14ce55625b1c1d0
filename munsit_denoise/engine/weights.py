"""The network with its trained weights, which carry its size."""

import json
from importlib import resources
from pathlib import Path

import torch
from safetensors import safe_open

from munsit_denoise.engine.model import MaskNetwork, ModelSize

DEFAULT_WEIGHTS = "denoiser.safetensors"


def load_network(device: torch.device, path: Path | None = None) -> MaskNetwork:
    """Return the network of a safetensors file (default: the packaged one), ready for inference on a device."""
    if path is not None:
        return _read(path, device)
    with resources.as_file(resources.files("munsit_denoise.engine") / "weights" / DEFAULT_WEIGHTS) as packaged:
        return _read(packaged, device)


def _read(path: Path, device: torch.device) -> MaskNetwork:
    with safe_open(str(path), framework="pt") as file:
        size = ModelSize(**json.loads(file.metadata()["model"]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    network = MaskNetwork(size)
    network.load_state_dict(tensors)
    network.eval().fuse()
    return network.to(device).requires_grad_(False)
