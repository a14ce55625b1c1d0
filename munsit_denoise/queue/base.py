"""The protocol of a queue: it holds ids of jobs and their users, serves users in turn, and may return a job twice."""

from typing import Protocol


class JobQueue(Protocol):
    """Waiting jobs."""

    changes: int  # grows with each change of places in the queue

    def __len__(self) -> int:
        """Return the number of waiting jobs."""
        ...

    def waiting(self, user_id: str) -> int:
        """Return the number of a user's waiting jobs."""
        ...

    def position(self, user_id: str, job_id: str) -> int | None:
        """Return how many jobs will be taken before this one; None if it does not wait here."""
        ...

    def discard(self, user_id: str, job_id: str) -> None:
        """Remove a job; a missing one is no error."""
        ...

    async def put(self, user_id: str, job_id: str) -> None:
        """Add a job; if it waits already, it may keep its place."""
        ...

    async def take(self) -> str:
        """Remove and return the next job, or wait for one; it counts for its user until `done` is called."""
        ...

    async def done(self, job_id: str) -> None:
        """Note that the work on a job has ended."""
        ...
