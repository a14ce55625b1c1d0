"""A fixed set of threads that process the windows of all recordings.

OpenMP keeps a team of threads for each thread that has called PyTorch. When these outnumber the cores, it puts them to
sleep between operations, and waking them takes longer than most operations of a window.
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
    """A fixed number of threads; memory is returned to the system after a while without work."""

    def __init__(self, threads: int) -> None:
        self._threads, self._rest = ThreadPoolExecutor(threads, "engine"), Rest()

    def do(self, work: Callable[[], T]) -> T:
        """Run a function in one of the threads and return its result."""
        return self._threads.submit(work).result()

    def put_off_rest(self) -> None:
        """Restart the wait after which memory is returned."""
        self._rest.put_off()


class PooledDenoiser:
    """A denoiser that runs in the threads of a pool."""

    def __init__(self, inner: "Denoiser", models: "tuple[ModelInfo, ...]", pool: Pool) -> None:
        self._inner, self._pool, self.models = inner, pool, models

    def feed(self, block: "Block") -> "Block":
        """Take [frames, channels] and return the frames that are ready, often none. Raises Stopped."""
        return self._returned(lambda: self._inner.feed(block))

    def flush(self) -> "Block":
        """Return the remaining frames and end the recording. Raises Stopped."""
        return self._returned(self._inner.flush)

    def stop(self) -> None:
        """Make `feed` and `flush` raise Stopped; return once a call in another thread has ended."""
        self._inner.stop()

    def _returned(self, work: "Callable[[], Block]") -> "Block":
        ready = self._pool.do(work)
        if len(ready):
            self._pool.put_off_rest()
        return ready
