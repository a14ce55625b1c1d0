"""What a bell promises."""

from contextlib import AbstractContextManager
from typing import Protocol

from munsit_denoise.records import Event


class BellClosed(Exception):
    """The process stops; nothing will ring any more."""


class Subscription(Protocol):
    """One listener's ear on one job: a slot that holds the latest event only."""

    async def next(self) -> Event:
        """Return the latest event that was not returned yet, waiting for one. Raises BellClosed."""
        ...

    def take(self) -> Event | None:
        """Return the latest event that was not returned yet, None when there is none."""
        ...


class Bell(Protocol):
    """Carries a job's events to whoever listens at that moment."""

    def publish(self, job_id: str, event: Event) -> None:
        """Ring; never waits for a listener."""
        ...

    def subscribe(self, job_id: str) -> AbstractContextManager[Subscription]:
        """Listen from now on; the latest progress known is there at once."""
        ...

    def close(self) -> None:
        """Wake every listener for good."""
        ...
