"""The network with its trained weights, which carry its size."""

import json
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from munsit_denoise.engine.model import MaskNetwork, ModelSize

DEFAULT_WEIGHTS = "denoiser.safetensors"


def load_network(device: torch.device, path: Path | None = None, precision: torch.dtype = torch.float32) -> MaskNetwork:
    """Return the network of a safetensors file (default: the packaged one), ready for inference on a device."""
    with ExitStack() as stack:
        if path is None:
            packaged = resources.files("munsit_denoise.engine") / "weights" / DEFAULT_WEIGHTS
            path = stack.enter_context(resources.as_file(packaged))
        network = _read(path)
    network.eval().fuse(winograd=device.type == "cpu" and precision == torch.float32)
    return network.to(device).requires_grad_(False)


def save_weights(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write weights as the package holds them: matrices in half precision, which is half the size and inaudible."""
    packed = {name: t.half() if t.is_floating_point() and t.dim() > 1 else t for name, t in tensors.items()}
    save_file({name: t.cpu().contiguous() for name, t in packed.items()}, path, metadata)


def _read(path: Path) -> MaskNetwork:
    with safe_open(str(path), framework="pt") as file:
        size = ModelSize.of(json.loads(file.metadata()["model"]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    network = MaskNetwork(size)
    network.load_state_dict(tensors)
    return network
