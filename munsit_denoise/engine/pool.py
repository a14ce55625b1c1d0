"""Threads of the engine's own, in which all windows are worked on, whoever asks.

OpenMP keeps a team for each thread that ever called PyTorch, and once they outnumber the cores it lets them sleep
between any two operations; waking them takes longer than most of a window's operations.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from munsit_denoise.engine.allocator import Rest

if TYPE_CHECKING:
    from munsit_denoise.engine.catalogue import ModelInfo
    from munsit_denoise.engine.enhancer import Denoiser
    from munsit_denoise.engine.stream import Block

T = TypeVar("T")


class Pool:
    """So many threads; memory goes back to the system once nothing has been done in a while."""

    def __init__(self, threads: int) -> None:
        self._threads, self._rest = ThreadPoolExecutor(threads, "engine"), Rest()

    def do(self, work: Callable[[], T]) -> T:
        """Return what a piece of work returns, done in one of the threads."""
        return self._threads.submit(work).result()

    def put_off_rest(self) -> None:
        """Begin the wait anew after which memory goes back."""
        self._rest.put_off()


class PooledDenoiser:
    """A denoiser whose work is done in the threads of a pool."""

    def __init__(self, inner: "Denoiser", models: "tuple[ModelInfo, ...]", pool: Pool) -> None:
        self._inner, self._pool, self.models = inner, pool, models

    def feed(self, block: "Block") -> "Block":
        """Take [frames, channels] and return the frames that are ready, often none. Raises Stopped."""
        return self._returned(lambda: self._inner.feed(block))

    def flush(self) -> "Block":
        """Return the rest; the recording ends here. Raises Stopped."""
        return self._returned(self._inner.flush)

    def stop(self) -> None:
        """Let every `feed` and `flush` raise Stopped; return when the one that another thread is in has ended."""
        self._inner.stop()

    def _returned(self, work: "Callable[[], Block]") -> "Block":
        ready = self._pool.do(work)
        if len(ready):
            self._pool.put_off_rest()
        return ready
