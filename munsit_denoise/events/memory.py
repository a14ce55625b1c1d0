"""The bell of one process."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from munsit_denoise.events.base import BellClosed


class MemoryEar:
    """Remembers that the bell rang, once or several times, until `next` is called."""

    def __init__(self) -> None:
        self._closed = False
        self._rung = anyio.Event()

    def ring(self) -> None:
        """Wake the listener."""
        self._rung.set()

    async def next(self) -> None:
        """Return once the job has changed since the last call. Raises BellClosed."""
        await self._rung.wait()
        if self._closed:
            raise BellClosed
        self._rung = anyio.Event()

    def close(self) -> None:
        """Wake the listener; it raises BellClosed."""
        self._closed = True
        self._rung.set()


class MemoryBell:
    """Knows only the jobs that have listeners."""

    def __init__(self) -> None:
        self._ears: dict[str, set[MemoryEar]] = {}
        self._closed = False

    def ring(self, job_id: str) -> None:
        """Announce a change of a job; never waits for listeners."""
        self.ring_here(job_id)

    def ring_here(self, job_id: str) -> None:
        """Announce a change to this process, in which all listeners are."""
        for ear in self._ears.get(job_id, ()):
            ear.ring()

    @contextmanager
    def listen(self, job_id: str) -> Iterator[MemoryEar]:
        """Listen to a job from now on."""
        ear = MemoryEar()
        if self._closed:
            ear.close()
        ears = self._ears.setdefault(job_id, set())
        ears.add(ear)
        try:
            yield ear
        finally:
            ears.discard(ear)
            if not ears and self._ears.get(job_id) is ears:
                del self._ears[job_id]

    def close(self) -> None:
        """Wake all listeners; later ones are woken at once."""
        self._closed = True
        for ears in self._ears.values():
            for ear in ears:
                ear.close()
