"""What a queue promises: it carries a job's id and whose it is, users in turn; it may hand a job out twice."""

from typing import Protocol


class JobQueue(Protocol):
    """Jobs that wait."""

    changes: int  # grows whenever a place in the queue changes

    def __len__(self) -> int:
        """Return how many jobs wait."""
        ...

    def waiting(self, user_id: str) -> int:
        """Return how many jobs of a user wait."""
        ...

    def position(self, user_id: str, job_id: str) -> int | None:
        """Return how many jobs will be taken before one, None when it does not wait here."""
        ...

    def discard(self, user_id: str, job_id: str) -> None:
        """Take a job out; one that does not wait here is fine."""
        ...

    async def put(self, user_id: str, job_id: str) -> None:
        """Add a job; one that waits already may keep its place."""
        ...

    async def take(self) -> str:
        """Remove and return the next job, waiting for one; it counts as its user's until it is `done`."""
        ...

    async def done(self, job_id: str) -> None:
        """Note that a job which was taken is no longer worked on."""
        ...
