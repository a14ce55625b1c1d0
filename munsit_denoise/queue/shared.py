"""What a shared queue asks of the database: whose job is next, and which entries there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Turn(Protocol):
    """A job that was taken."""

    @property
    def job_id(self) -> str:
        """Which."""
        ...

    @property
    def user_id(self) -> str:
        """Whose."""
        ...


class Turns(Protocol):
    """What is asked of the records."""

    async def take(self) -> Turn | None:
        """Take the next job."""
        ...

    async def keep(self, job_ids: Sequence[str]) -> None:
        """Give a sign of life for jobs that were taken."""
        ...

    async def release(self, job_id: str) -> None:
        """Let another worker take a job."""
        ...

    async def line(self, limit: int) -> Sequence[Turn]:
        """Return the jobs that wait, in order."""
        ...

    async def counts(self) -> dict[str, int]:
        """Return how many jobs of each user have not ended."""
        ...

    async def unannounced(self, limit: int) -> Sequence[str]:
        """Return free jobs that no waiting entry names."""
        ...


class Entries(Protocol):
    """What is done with the queue's entries, besides what Procrastinate does."""

    async def announce(self, connection: Any, job_id: str) -> None:
        """Add an entry for a job, in the transaction of a connection that accepts the job."""
        ...

    async def add(self, job_id: str) -> None:
        """Add an entry for a job, unless one waits already."""
        ...

    async def withdraw(self, job_id: str) -> None:
        """Remove the entries of a job that wait."""
        ...

    async def tidy(self, silent_s: float) -> None:
        """Remove entries whose worker was silent for so long, and those of jobs that have ended."""
        ...

    async def is_my_turn(self) -> bool:
        """Say whether this process should sweep in this round."""
        ...


@dataclass(frozen=True)
class SharedQueue:
    """One queue of the database: where, under which name, and what is asked of its records and entries."""

    url: str
    name: str
    turns: Turns
    entries: Entries
    listens: bool = True
