"""The engine of one process: loads each model once and makes a denoiser for each recording."""

from collections.abc import Callable
from functools import cache, partial
from threading import RLock
from typing import TYPE_CHECKING

from munsit_denoise.engine.allocator import give_memory_back, keep_freed_memory
from munsit_denoise.engine.catalogue import DEEPFILTERNET3, OWN, OWN_DRY, ModelInfo, brought
from munsit_denoise.engine.pool import Pool, PooledDenoiser
from munsit_denoise.engine.threads import cores, wait_briefly
from munsit_denoise.treatment import Keep, Quality, Treatment

if TYPE_CHECKING:
    from munsit_denoise.engine.enhancer import Enhancer

OWN_SHARE = 0.6  # of the own model in `quality=best`; docs/quality.md has the table
MakeDenoiser = Callable[[int, int, Treatment], PooledDenoiser]


def open_engine(
    device_name: str, threads: int, precision: str = "auto", concurrency: int = 1, enhancer_name: str = OWN
) -> MakeDenoiser:
    """Return a function that makes a denoiser for a sample rate in hertz, a number of channels and a treatment.

    `precision` applies to the products of our own network; `auto` takes bfloat16 where the device computes in it, which
    is faster. `enhancer_name` is the model of the standard quality. The models of `quality=best` and `keep=dry-voice`
    are loaded at their first use. All denoisers together process `concurrency` windows at a time, on a CPU at most one
    for each core: more would be no faster, and leave the event loop a smaller share. PyTorch is loaded here. Raises
    RuntimeError when the device or the model is missing, BrokenWeights when the weights of a model are.
    """
    keep_freed_memory()
    wait_briefly()
    from munsit_denoise.engine.keeping import KeepingDenoiser
    from munsit_denoise.engine.stream import StreamFormat

    models = _Models(device_name, threads, precision, batches=concurrency > 1)
    pool = Pool(concurrency if models.on_gpu else min(concurrency, cores()))
    usual = pool.do(lambda: models.named(enhancer_name))
    give_memory_back()

    def make(rate_hz: int, channels: int, treatment: Treatment) -> PooledDenoiser:
        enhancer = pool.do(models.best) if treatment.quality is Quality.BEST else usual
        if treatment.keep is Keep.DRY_VOICE:
            enhancer = pool.do(partial(models.dry, enhancer))
        stream = StreamFormat(rate_hz, channels)
        inner = enhancer.begin(stream, treatment.strength)
        if treatment.keep is Keep.VOICE_AND_MUSIC:
            inner = KeepingDenoiser(inner, stream, treatment.strength)
        return PooledDenoiser(inner, enhancer.models, pool)

    return make


def load_enhancer(name: str, device_name: str = "cpu", precision: str = "auto") -> "Enhancer":
    """Return a model by its name: `best`, or a value of DENOISE_ENHANCER. Raises what `open_engine` raises."""
    wait_briefly()
    models = _Models(device_name, 0, precision, batches=False)
    return models.best() if name == Quality.BEST else models.named(name)


class _Models:
    """The models of a process, each loaded once, when it is first asked for, by however many threads."""

    def __init__(self, device_name: str, threads: int, precision: str, *, batches: bool) -> None:
        from munsit_denoise.engine.device import choose_device, use_threads

        use_threads(threads)
        self._device, self._precision = choose_device(device_name), precision
        self._batches = batches and self.on_gpu  # on a CPU it is no faster
        self._loading = RLock()
        self._named, self._best = cache(self._load), cache(self._mix)

    @property
    def on_gpu(self) -> bool:
        """Whether the models run on a CUDA device."""
        return self._device.type == "cuda"

    def named(self, name: str) -> "Enhancer":
        """Return a model by its name. Raises NoSuchEnhancer, BrokenWeights, and what a package's model raises."""
        with self._loading:
            return self._named(name)

    def best(self) -> "Enhancer":
        """Return the model of `quality=best`. Raises BrokenWeights."""
        with self._loading:
            return self._best()

    def dry(self, usual: "Enhancer") -> "Enhancer":
        """Return the model of `keep=dry-voice` in place of the usual one, or behind it. Raises BrokenWeights."""
        from munsit_denoise.engine.chain import Chain

        own = self.named(OWN_DRY)
        replaces = usual.models in ((ModelInfo(OWN),), own.models)  # it removes noise itself
        return own if replaces else Chain(usual, own)

    def _load(self, name: str) -> "Enhancer":
        if name in (OWN, OWN_DRY):
            return self._own(name)
        if name == DEEPFILTERNET3:
            from munsit_denoise.engine.channels import ChannelEnhancer
            from munsit_denoise.engine.deepfilternet.enhancer import DeepFilterNet3

            return ChannelEnhancer(DeepFilterNet3(self._device))
        enhancer: Enhancer = brought(name).load()(self._device.type)
        return enhancer

    def _mix(self) -> "Enhancer":
        from munsit_denoise.engine.mixture import Mixture

        return Mixture([(self.named(OWN), OWN_SHARE), (self.named(DEEPFILTERNET3), 1 - OWN_SHARE)])

    def _own(self, name: str) -> "Enhancer":
        from munsit_denoise.engine.batch import BatchingEnhancer
        from munsit_denoise.engine.device import choose_precision
        from munsit_denoise.engine.masking import MaskEnhancer
        from munsit_denoise.engine.weights import load_network

        dtype = choose_precision(self._precision, self._device)
        kind = BatchingEnhancer if self._batches else MaskEnhancer
        network = load_network(self._device, precision=dtype, dry=name == OWN_DRY)
        return kind(network, self._device, dtype, name)
