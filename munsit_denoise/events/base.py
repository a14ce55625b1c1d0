"""What a bell promises: it says which job moved, and nothing of how. Who wants to know looks at the record."""

from contextlib import AbstractContextManager
from typing import Protocol


class BellClosed(Exception):
    """The process stops; nothing will ring any more."""


class Ear(Protocol):
    """One listener's ear on one job."""

    async def next(self) -> None:
        """Return once the job has moved since this was asked last. Raises BellClosed."""
        ...


class Bell(Protocol):
    """Tells whoever listens at that moment that a job moved; it may lose that, and never invents it."""

    def ring(self, job_id: str) -> None:
        """Tell that a job moved; never waits for a listener."""
        ...

    def ring_here(self, job_id: str) -> None:
        """Tell the same to listeners of this process alone: others would find nothing new in the row."""
        ...

    def listen(self, job_id: str) -> AbstractContextManager[Ear]:
        """Listen to a job from now on."""
        ...

    def close(self) -> None:
        """Wake every listener for good."""
        ...
