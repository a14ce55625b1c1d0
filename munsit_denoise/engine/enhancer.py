"""The protocol of a model, also for models of other packages: docs/enhancers.md."""

from typing import Protocol

from munsit_denoise.engine.catalogue import ModelInfo
from munsit_denoise.engine.stream import Block, StreamFormat


class Denoiser(Protocol):
    """One recording in progress; all that `feed` and `flush` return is as long as all that was fed."""

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that are ready, often none. Raises Stopped."""
        ...

    def flush(self) -> Block:
        """Return the remaining frames and end the recording. Raises Stopped."""
        ...

    def stop(self) -> None:
        """Make `feed` and `flush` raise Stopped; return once a call in another thread has ended."""
        ...


class Enhancer(Protocol):
    """A model that removes noise, loaded once; it can process several recordings at a time."""

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """The models that it uses."""
        ...

    def begin(self, stream: StreamFormat, strength: float) -> Denoiser:
        """Return a denoiser for one recording; a `strength` of 0 changes nothing, 1 removes all noise.

        The division of the recording into blocks changes no sample.
        """
        ...
