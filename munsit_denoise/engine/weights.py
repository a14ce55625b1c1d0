"""The network with its trained weights, which carry its size."""

import json
from importlib import resources
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from munsit_denoise.engine.model import MaskNetwork, ModelSize

DEFAULT_WEIGHTS = "denoiser.safetensors"


def load_network(device: torch.device, path: Path | None = None) -> MaskNetwork:
    """Return the network of a safetensors file (default: the packaged one), ready for inference on a device."""
    if path is not None:
        return _read(path, device)
    with resources.as_file(resources.files("munsit_denoise.engine") / "weights" / DEFAULT_WEIGHTS) as packaged:
        return _read(packaged, device)


def save_weights(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write weights as the package holds them: matrices in half precision, which is half the size and inaudible."""
    packed = {name: t.half() if t.is_floating_point() and t.dim() > 1 else t for name, t in tensors.items()}
    save_file({name: t.cpu().contiguous() for name, t in packed.items()}, path, metadata)


def _read(path: Path, device: torch.device) -> MaskNetwork:
    with safe_open(str(path), framework="pt") as file:
        size = ModelSize(**json.loads(file.metadata()["model"]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    network = MaskNetwork(size)
    network.load_state_dict(tensors)
    network.eval().fuse()
    return network.to(device).requires_grad_(False)
