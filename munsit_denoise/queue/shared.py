"""What a shared queue needs of the database: the next job, and the entries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Turn(Protocol):
    """A job that was taken."""

    @property
    def job_id(self) -> str:
        """The id of the job."""
        ...

    @property
    def user_id(self) -> str:
        """The id of its user."""
        ...


class Turns(Protocol):
    """Queries on the records."""

    async def take(self) -> Turn | None:
        """Take the next job."""
        ...

    async def keep(self, job_ids: Sequence[str]) -> None:
        """Renew jobs that were taken."""
        ...

    async def release(self, job_id: str) -> None:
        """Let another worker take a job."""
        ...

    async def line(self, limit: int) -> Sequence[Turn]:
        """Return the waiting jobs, in order."""
        ...

    async def counts(self) -> dict[str, int]:
        """Return the number of unfinished jobs of each user."""
        ...

    async def unannounced(self, limit: int) -> Sequence[str]:
        """Return free jobs without a waiting entry."""
        ...


class Entries(Protocol):
    """Changes of the queue's entries besides those of Procrastinate."""

    async def announce(self, connection: Any, job_id: str) -> None:
        """Add an entry for a job, in the transaction of a connection that accepts the job."""
        ...

    async def add(self, job_id: str) -> None:
        """Add an entry for a job unless one is waiting."""
        ...

    async def withdraw(self, job_id: str) -> None:
        """Remove the waiting entries of a job."""
        ...

    async def tidy(self, silent_s: float) -> None:
        """Remove entries of workers that were silent for this long, and entries of jobs that have ended."""
        ...

    async def is_my_turn(self) -> bool:
        """Return whether this process sweeps in this round."""
        ...


@dataclass(frozen=True)
class SharedQueue:
    """One queue of the database: its URL and name, and access to records and entries."""

    url: str
    name: str
    turns: Turns
    entries: Entries
    listens: bool = True
