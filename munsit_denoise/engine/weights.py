"""Loads the network with its trained weights; the file also holds its size."""

import errno
import hashlib
import json
from contextlib import ExitStack
from importlib import resources
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from munsit_denoise.engine.catalogue import BrokenWeights
from munsit_denoise.engine.model import MaskNetwork, ModelSize

DEFAULT_WEIGHTS = "denoiser.safetensors"
DIGEST = "denoiser.sha256"  # next to the weights, in the format of sha256sum
DRY_WEIGHTS, DRY_DIGEST = "dry_voice.safetensors", "dry_voice.sha256"  # they remove reverberation too
NO_MEMORY = "can't allocate memory"  # in the RuntimeError of PyTorch
ADVICE = "install munsit-denoise again"


def load_network(
    device: torch.device, path: Path | None = None, precision: torch.dtype = torch.float32, *, dry: bool = False
) -> MaskNetwork:
    """Return the network of a safetensors file (default: the packaged one), ready for inference on a device.

    `dry` takes the packaged one that removes reverberation too; it has no effect on other files.
    Raises BrokenWeights when the file is missing, holds no network, or is the packaged one and has another digest.
    """
    with ExitStack() as stack:
        if path is None:
            folder = stack.enter_context(resources.as_file(resources.files("munsit_denoise.engine") / "weights"))
            path = folder / (DRY_WEIGHTS if dry else DEFAULT_WEIGHTS)
            _check(path, folder / (DRY_DIGEST if dry else DIGEST))
        network = _read(path)
    network.eval().fuse(winograd=device.type == "cpu" and precision == torch.float32)
    return network.to(device).requires_grad_(False)


def save_weights(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write weights as the package holds them: matrices in half precision, which is inaudible and half the size."""
    packed = {name: t.half() if t.is_floating_point() and t.dim() > 1 else t for name, t in tensors.items()}
    save_file({name: t.cpu().contiguous() for name, t in packed.items()}, path, metadata)


def _check(path: Path, digest_path: Path) -> None:
    """Raise BrokenWeights unless the file has the digest in `digest_path`."""
    try:
        expected = digest_path.read_text("ascii").split()[:1]
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise _broken(path, f"the model's weights cannot be read ({_reason(error)}); {ADVICE}", error) from None
    if [found] != expected:
        told = f"their SHA-256 is not the one in {digest_path.name}"
        raise _broken(path, f"the model's weights are damaged ({told}); {ADVICE}")


def _read(path: Path) -> MaskNetwork:
    try:
        with safe_open(str(path), framework="pt") as file:
            size = ModelSize.of(json.loads(file.metadata()["model"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        network = MaskNetwork(size)
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        if NO_MEMORY in str(error):
            raise  # the machine's trouble, and not that of the file
        raise _broken(path, f"the model's weights cannot be used ({_reason(error)})", error) from None
    return network


def _broken(path: Path, what: str, error: Exception | None = None) -> BrokenWeights:
    return BrokenWeights(getattr(error, "errno", None) or errno.EIO, what, str(path))


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return " ".join((reason or str(error) or type(error).__name__).split())
