"""Where the network runs."""

import torch


def choose_device(name: str) -> torch.device:
    """Return the torch device for `auto`, `cpu` or `cuda`; `auto` takes CUDA where it is.

    Raises RuntimeError when CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise RuntimeError("DENOISE_DEVICE is cuda, but PyTorch finds no usable CUDA device")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def use_threads(threads: int) -> None:
    """Let PyTorch use this many cores in this process; 0 leaves its own choice."""
    if threads > 0:
        torch.set_num_threads(threads)
