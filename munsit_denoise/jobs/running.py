"""The jobs that run in this process, so that one can be stopped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio


@dataclass(frozen=True)
class _Work:
    scope: anyio.CancelScope
    ended: anyio.Event


class RunningJobs:
    """Who works on a job does it in `working`; who wants it stopped calls `stop`."""

    def __init__(self) -> None:
        self._work: dict[str, list[_Work]] = {}  # a queue may run a job twice

    @contextmanager
    def working(self, job_id: str) -> Iterator[None]:
        """Work on a job in the block, which ends early when the job is stopped."""
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
        """Return the jobs that are worked on."""
        return set(self._work)

    def cancel(self, job_id: str) -> None:
        """Stop the work on a job without waiting for its end."""
        for work in self._work.get(job_id, ()):
            work.scope.cancel()

    async def stop(self, job_id: str) -> None:
        """Stop the work on a job and wait until it has ended; one that nobody works on is fine."""
        works = list(self._work.get(job_id, ()))
        for work in works:
            work.scope.cancel()
        for work in works:
            await work.ended.wait()
