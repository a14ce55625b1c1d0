"""The protocol of a bell: it tells which job has changed, but not how. Listeners read the record."""

from contextlib import AbstractContextManager
from typing import Protocol


class BellClosed(Exception):
    """The process stops; the bell will not ring any more."""


class Ear(Protocol):
    """A listener for one job."""

    async def next(self) -> None:
        """Return once the job has changed since the last call. Raises BellClosed."""
        ...


class Bell(Protocol):
    """Tells current listeners that a job has changed; it may lose events, but never invents them."""

    def ring(self, job_id: str) -> None:
        """Announce a change of a job; never waits for listeners."""
        ...

    def ring_here(self, job_id: str) -> None:
        """Announce a change to this process only, because the row has not changed."""
        ...

    def listen(self, job_id: str) -> AbstractContextManager[Ear]:
        """Listen to a job from now on."""
        ...

    def close(self) -> None:
        """Wake all listeners; they raise BellClosed."""
        ...
