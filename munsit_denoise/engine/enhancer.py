"""What every model is to the rest of the program, and what a package of your own has to be: docs/enhancers.md."""

from typing import Protocol

from munsit_denoise.engine.catalogue import ModelInfo
from munsit_denoise.engine.stream import Block, StreamFormat


class Denoiser(Protocol):
    """One recording: what `feed` and `flush` return is together as long as what was fed, sample for sample."""

    def feed(self, block: Block) -> Block:
        """Take [frames, channels] and return the frames that are ready, often none. Raises Stopped."""
        ...

    def flush(self) -> Block:
        """Return the rest; the recording ends here. Raises Stopped."""
        ...

    def stop(self) -> None:
        """Let every `feed` and `flush` raise Stopped; return when the one that another thread is in has ended."""
        ...


class Enhancer(Protocol):
    """A model that takes noise out of recordings, loaded once; several recordings may be in work at a time."""

    @property
    def models(self) -> tuple[ModelInfo, ...]:
        """Which models it is made of."""
        ...

    def begin(self, stream: StreamFormat, strength: float) -> Denoiser:
        """Return a denoiser for one recording; a `strength` of 0 leaves the sound as it is, 1 takes all noise out.

        How the recording is cut into blocks changes no sample.
        """
        ...
