"""The device of the network, and the precision of its products."""

from typing import TYPE_CHECKING

from munsit_denoise.engine.threads import wait_briefly

if TYPE_CHECKING:
    import torch

FAST_IN_BFLOAT16 = ("avx512_bf16", "amx_bf16")  # flags of processors that compute in bfloat16; others emulate it


def choose_device(name: str) -> "torch.device":
    """Return the torch device for `auto`, `cpu` or `cuda`; `auto` takes CUDA if there is one.

    Raises RuntimeError when `cuda` is asked for and there is none.
    """
    wait_briefly()
    import torch

    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise RuntimeError("DENOISE_DEVICE is cuda, but PyTorch finds no usable CUDA device")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def choose_precision(name: str, device: "torch.device") -> "torch.dtype":
    """Return the type of the network's products for `auto`, `float32` or `bfloat16`.

    `auto` takes bfloat16 where the device has instructions for it.
    """
    import torch

    if name == "auto":
        name = "bfloat16" if _computes_in_bfloat16(device) else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def _computes_in_bfloat16(device: "torch.device") -> bool:
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in FAST_IN_BFLOAT16)


def use_threads(threads: int) -> None:
    """Let PyTorch use this many cores in this process; 0 leaves its default."""
    import torch

    if threads > 0:
        torch.set_num_threads(threads)
