"""The engine for one process: the model loaded once, a denoiser for each recording."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from munsit_denoise.engine.allocator import Rest, give_memory_back, keep_freed_memory
from munsit_denoise.engine.threads import wait_briefly
from munsit_denoise.treatment import Keep, Quality, Treatment

if TYPE_CHECKING:
    from torch import Tensor

    from munsit_denoise.engine.enhancer import Enhancer
    from munsit_denoise.engine.keeping import KeepingDenoiser
    from munsit_denoise.engine.stream import Denoiser


def open_engine(
    device_name: str, threads: int, precision: str = "auto", concurrency: int = 1
) -> Callable[[int, int, Treatment], "Denoiser | KeepingDenoiser"]:
    """Return a maker of denoisers for a sample rate in hertz, a number of channels and what is to be done.

    The network's products are in `precision`; `auto` takes bfloat16 where the device computes in it, which is faster.
    Of all denoisers together, `concurrency` windows are in work at a time. PyTorch is loaded here.
    Raises RuntimeError when the device is not there, BrokenWeights when the model is not.
    """
    keep_freed_memory()
    wait_briefly()
    from munsit_denoise.engine.keeping import KeepingDenoiser
    from munsit_denoise.engine.stream import Denoiser, StreamFormat

    enhancer = _OwnThreads(lambda: _load(device_name, threads, precision), concurrency)

    def make(rate_hz: int, channels: int, treatment: Treatment) -> Denoiser | KeepingDenoiser:
        if treatment.quality is Quality.BEST:
            raise RuntimeError("quality=best cannot be computed yet")
        stream = StreamFormat(rate_hz, channels)
        denoiser = Denoiser(enhancer, stream, treatment.strength)
        return denoiser if treatment.keep is Keep.VOICE else KeepingDenoiser(denoiser, stream, treatment.strength)

    return make


def _load(device_name: str, threads: int, precision: str) -> "Enhancer":
    from munsit_denoise.engine.device import choose_device, choose_precision, use_threads
    from munsit_denoise.engine.enhancer import Enhancer
    from munsit_denoise.engine.weights import load_network

    use_threads(threads)
    device = choose_device(device_name)
    dtype = choose_precision(precision, device)
    return Enhancer(load_network(device, precision=dtype), device, dtype)


class _OwnThreads:
    """An enhancer whose windows are worked on in threads of its own, whoever asks.

    OpenMP keeps a team for each thread that ever called PyTorch, and once they outnumber the cores it lets them sleep
    between any two operations; waking them takes longer than most of a window's operations.
    """

    def __init__(self, load: Callable[[], "Enhancer"], concurrency: int) -> None:
        self._threads = ThreadPoolExecutor(concurrency, "engine")
        self._enhancer = self._threads.submit(load).result()
        self._rest = Rest()
        give_memory_back()

    def enhance(
        self, window: "Tensor", sample_rate_hz: int, strength: float, should_stop: Callable[[], bool]
    ) -> "Tensor":
        """Return what the enhancer makes of a window."""
        try:
            return self._threads.submit(self._enhancer.enhance, window, sample_rate_hz, strength, should_stop).result()
        finally:
            self._rest.put_off()
