"""The jobs that are worked on in this process, so that they can be stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio


@dataclass(frozen=True)
class _Work:
    scope: anyio.CancelScope
    ended: anyio.Event


class RunningJobs:
    """Work on a job happens inside `working`; `stop` ends it."""

    def __init__(self) -> None:
        self._work: dict[str, list[_Work]] = {}  # a queue may run a job twice

    @contextmanager
    def working(self, job_id: str) -> Iterator[None]:
        """Register the block as work on a job; stopping the job cancels the block."""
        with anyio.CancelScope() as scope:
            work = _Work(scope, anyio.Event())
            self._work.setdefault(job_id, []).append(work)
            try:
                yield
            finally:
                self._work[job_id].remove(work)
                if not self._work[job_id]:
                    del self._work[job_id]
                work.ended.set()

    def ids(self) -> set[str]:
        """Return the ids of jobs in progress."""
        return set(self._work)

    def cancel(self, job_id: str) -> None:
        """Stop the work on a job without waiting."""
        for work in self._work.get(job_id, ()):
            work.scope.cancel()

    async def stop(self, job_id: str) -> None:
        """Stop the work on a job, if there is any, and wait until it has ended."""
        works = list(self._work.get(job_id, ()))
        for work in works:
            work.scope.cancel()
        for work in works:
            await work.ended.wait()
