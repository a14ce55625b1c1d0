"""Several models together: where their errors differ, the mean of their results has a smaller error than each."""

from collections.abc import Sequence

import numpy as np

from munsit_denoise.engine.catalogue import ModelInfo
from munsit_denoise.engine.enhancer import Denoiser, Enhancer
from munsit_denoise.engine.stream import Block, StreamFormat


class Mixture:
    """An enhancer whose result is a weighted mean of the results of others."""

    def __init__(self, parts: Sequence[tuple[Enhancer, float]]) -> None:
        """The weights must add up to 1."""
        self._parts = parts

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that it uses."""
        return tuple(model for enhancer, _ in self._parts for model in enhancer.models)

    def begin(self, stream: StreamFormat, strength: float) -> Denoiser:
        """Return a denoiser for one recording."""
        if strength == 0:
            return self._parts[0][0].begin(stream, strength)  # with a strength of 0 all results are the input
        return MixedDenoiser([(enhancer.begin(stream, strength), weight) for enhancer, weight in self._parts], stream)


class MixedDenoiser:
    """One recording through several denoisers."""

    def __init__(self, parts: Sequence[tuple[Denoiser, float]], stream: StreamFormat) -> None:
        self._denoisers = [denoiser for denoiser, _ in parts]
        self._weights = [np.float32(weight) for _, weight in parts]
        self._waiting: list[Block] = [np.zeros((0, stream.channels), np.float32) for _ in parts]

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that all denoisers have ready. Raises Stopped."""
        return self._mean([denoiser.feed(block) for denoiser in self._denoisers])

    def flush(self) -> Block:
        """Return the remaining frames and end the recording. Raises Stopped."""
        return self._mean([denoiser.flush() for denoiser in self._denoisers])

    def stop(self) -> None:
        """Make `feed` and `flush` raise Stopped; return once a call in another thread has ended."""
        for denoiser in self._denoisers:
            denoiser.stop()

    def _mean(self, found: list[Block]) -> Block:
        joined = [np.concatenate(pair) for pair in zip(self._waiting, found, strict=True)]
        ready = min(map(len, joined))
        self._waiting = [block[ready:] for block in joined]
        mean: Block = sum(weight * block[:ready] for weight, block in zip(self._weights, joined, strict=True))  # type: ignore[assignment]
        return mean
