"""Two models in a row: the second one gets what the first one returns."""

from functools import partial

import numpy as np

from munsit_denoise.engine.catalogue import ModelInfo
from munsit_denoise.engine.enhancer import Denoiser, Enhancer
from munsit_denoise.engine.mixture import MixedDenoiser
from munsit_denoise.engine.stream import Block, StreamFormat


class Chain:
    """An enhancer that processes the result of another."""

    def __init__(self, first: Enhancer, second: Enhancer) -> None:
        self._first, self._second = first, second

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that it uses."""
        return (*self._first.models, *self._second.models)

    def begin(self, stream: StreamFormat, strength: float) -> Denoiser:
        """Return a denoiser for one recording."""
        unchanged = partial(self._first.begin, stream, 0.0)
        if strength == 0:
            return unchanged()
        whole = ChainedDenoiser(self._first.begin(stream, 1.0), self._second.begin(stream, 1.0))
        return whole if strength == 1 else MixedDenoiser([(whole, strength), (unchanged(), 1 - strength)], stream)


class ChainedDenoiser:
    """One recording through a denoiser, and its result through another."""

    def __init__(self, first: Denoiser, second: Denoiser) -> None:
        self._first, self._second = first, second

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that both have ready. Raises Stopped."""
        return self._second.feed(self._first.feed(block))

    def flush(self) -> Block:
        """Return the remaining frames and end the recording. Raises Stopped."""
        last = self._second.feed(self._first.flush())
        return np.concatenate([last, self._second.flush()])

    def stop(self) -> None:
        """Make `feed` and `flush` raise Stopped; return once a call in another thread has ended."""
        self._first.stop()
        self._second.stop()
