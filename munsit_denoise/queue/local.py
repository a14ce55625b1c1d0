"""The in-memory queue of a server that runs its own jobs, rebuilt from the records at each start."""

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import anyio

from munsit_denoise.errors import Unavailable

Priorities = Callable[[], Awaitable[Mapping[str, int]]]  # of users with another priority than 0; raises Unavailable


class LocalQueue:
    """Job ids, first in first out for each user; users with a higher priority first, in turn for equal priorities.

    A user's long queue delays the next job of another user with the same priority by one job at most. At most
    `most_per_user` jobs of a user are taken at the same time; None means no limit. `priorities` is called whenever a
    job is added or taken.
    """

    def __init__(self, most_per_user: int | None = None, priorities: Priorities | None = None) -> None:
        self._most, self._ask = most_per_user, priorities
        self._priorities: Mapping[str, int] = {}
        self._taken: dict[str, str] = {}  # user id by job id, for jobs that were taken
        self._working: dict[str, int] = {}  # the number of these for each user
        self._turns: OrderedDict[str, deque[str]] = OrderedDict()  # job ids by user id; the first user is next
        self._waiting = 0
        self._arrived = anyio.Condition()
        self.changes = 0  # grows with each change of places in the queue

    def __len__(self) -> int:
        return self._waiting

    def waiting(self, user_id: str) -> int:
        """Return the number of a user's waiting jobs."""
        return len(self._turns.get(user_id, ()))

    def position(self, user_id: str, job_id: str) -> int | None:
        """Return how many jobs will be taken before this one; None if it does not wait here."""
        jobs = self._turns.get(user_id, deque())
        if job_id not in jobs:
            return None
        own, ahead, passed, priority = jobs.index(job_id), 0, False, self._priority(user_id)
        for other, waiting in self._turns.items():
            if other == user_id:
                passed = True
                ahead += own
            elif self._priority(other) != priority:
                ahead += len(waiting) if self._priority(other) > priority else 0
            else:
                ahead += min(len(waiting), own if passed else own + 1)
        return ahead

    def discard(self, user_id: str, job_id: str) -> None:
        """Remove a job; a missing one is no error."""
        jobs = self._turns.get(user_id, deque())
        if job_id in jobs:
            jobs.remove(job_id)
            self._waiting -= 1
            self.changes += 1
            if not jobs:
                del self._turns[user_id]

    async def put(self, user_id: str, job_id: str) -> None:
        """Add a job; if it waits already, it keeps its place."""
        await self._learn()
        async with self._arrived:
            jobs = self._turns.setdefault(user_id, deque())
            if job_id in jobs:
                return
            jobs.append(job_id)
            self._waiting += 1
            self.changes += 1
            self._arrived.notify()

    async def take(self) -> str:
        """Remove and return the next job, or wait for one; it counts for its user until `done` is called."""
        while True:
            async with self._arrived:
                while self._next_user() is None:
                    await self._arrived.wait()
            await self._learn()
            user_id = self._next_user()
            if user_id is not None:  # unless another runner was faster
                return self._take_from(user_id)

    def _take_from(self, user_id: str) -> str:
        jobs = self._turns.pop(user_id)
        job_id = jobs.popleft()
        self._waiting -= 1
        if job_id not in self._taken:  # a queue may return a job twice
            self._taken[job_id] = user_id
            self._working[user_id] = self._working.get(user_id, 0) + 1
        self.changes += 1
        if jobs:
            self._turns[user_id] = jobs  # to the end of the line
        return job_id

    async def done(self, job_id: str) -> None:
        """Note that the work on a job has ended."""
        with anyio.CancelScope(shield=True):
            async with self._arrived:
                user_id = self._taken.pop(job_id, None)
                if user_id is not None:
                    self._working[user_id] -= 1
                    if not self._working[user_id]:
                        del self._working[user_id]
                    self._arrived.notify_all()

    def _next_user(self) -> str | None:
        """Return the next user with a free place, by priority and then in turn."""
        most = self._most
        able = [user for user in self._turns if most is None or self._working.get(user, 0) < most]
        return max(able, key=self._priority, default=None)

    def _priority(self, user_id: str) -> int:
        return self._priorities.get(user_id, 0)

    async def _learn(self) -> None:
        """Read the priorities; on an error, keep the known ones."""
        if self._ask is not None:
            with suppress(Unavailable):
                self._priorities = await self._ask()
