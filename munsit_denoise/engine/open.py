"""The engine for one process: the model loaded once, a denoiser for each recording."""

from collections.abc import Callable

import torch

from munsit_denoise.engine.allocator import keep_freed_memory
from munsit_denoise.engine.device import choose_device, use_threads
from munsit_denoise.engine.stream import Denoiser, Enhancer, StreamFormat
from munsit_denoise.engine.weights import load_network


def open_engine(device_name: str, threads: int, precision: str = "float32") -> Callable[[int, int, float], Denoiser]:
    """Return a maker of denoisers for a sample rate in hertz, a number of channels and a strength from 0 to 1.

    The network's products are in `precision`; `bfloat16` is faster where the processor has it.
    Raises RuntimeError when the device is not there.
    """
    keep_freed_memory()
    use_threads(threads)
    device = choose_device(device_name)
    dtype = getattr(torch, precision)
    enhancer = Enhancer(load_network(device, precision=dtype), device, dtype)
    return lambda rate_hz, channels, strength: Denoiser(enhancer, StreamFormat(rate_hz, channels), strength)
