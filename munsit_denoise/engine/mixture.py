"""Several models together: the mean of their results errs less than each of them, where they err differently."""

from collections.abc import Sequence

import numpy as np

from munsit_denoise.engine.catalogue import ModelInfo
from munsit_denoise.engine.enhancer import Denoiser, Enhancer
from munsit_denoise.engine.stream import Block, StreamFormat


class Mixture:
    """An enhancer whose result is a weighted mean of others'."""

    def __init__(self, parts: Sequence[tuple[Enhancer, float]]) -> None:
        """The weights together are 1."""
        self._parts = parts

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Which models it is made of."""
        return tuple(model for enhancer, _ in self._parts for model in enhancer.models)

    def begin(self, stream: StreamFormat, strength: float) -> Denoiser:
        """Return a denoiser for one recording."""
        if strength == 0:
            return self._parts[0][0].begin(stream, strength)  # no mean changes what none of them changes
        return MixedDenoiser([(enhancer.begin(stream, strength), weight) for enhancer, weight in self._parts], stream)


class MixedDenoiser:
    """One recording through several denoisers."""

    def __init__(self, parts: Sequence[tuple[Denoiser, float]], stream: StreamFormat) -> None:
        self._denoisers = [denoiser for denoiser, _ in parts]
        self._weights = [np.float32(weight) for _, weight in parts]
        self._waiting: list[Block] = [np.zeros((0, stream.channels), np.float32) for _ in parts]

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that all of them have ready. Raises Stopped."""
        return self._mean([denoiser.feed(block) for denoiser in self._denoisers])

    def flush(self) -> Block:
        """Return the rest; the recording ends here. Raises Stopped."""
        return self._mean([denoiser.flush() for denoiser in self._denoisers])

    def stop(self) -> None:
        """Let every `feed` and `flush` raise Stopped; return when the one that another thread is in has ended."""
        for denoiser in self._denoisers:
            denoiser.stop()

    def _mean(self, found: list[Block]) -> Block:
        joined = [np.concatenate(pair) for pair in zip(self._waiting, found, strict=True)]
        ready = min(map(len, joined))
        self._waiting = [block[ready:] for block in joined]
        mean: Block = sum(weight * block[:ready] for weight, block in zip(self._weights, joined, strict=True))  # type: ignore[assignment]
        return mean
