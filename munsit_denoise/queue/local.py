"""The queue of a server that runs its own jobs: in memory, rebuilt from the records at every start."""

from collections import OrderedDict, deque

import anyio


class LocalQueue:
    """Job ids, first in first out for one user, users in turn.

    A user with a long queue of their own delays another one's next job by one job at the most. At most
    `most_per_user` of their jobs are worked on at the same time, None for any number.
    """

    def __init__(self, most_per_user: int | None = None) -> None:
        self._most = most_per_user
        self._taken: dict[str, str] = {}  # job ids that are worked on to user ids
        self._working: dict[str, int] = {}  # how many of a user's those are
        self._turns: OrderedDict[str, deque[str]] = OrderedDict()  # user id to job ids; the first user is next
        self._waiting = 0
        self._arrived = anyio.Condition()
        self.changes = 0  # grows whenever a place in the queue changes

    def __len__(self) -> int:
        return self._waiting

    def waiting(self, user_id: str) -> int:
        """Return how many jobs of a user wait."""
        return len(self._turns.get(user_id, ()))

    def position(self, user_id: str, job_id: str) -> int | None:
        """Return how many jobs will be taken before one, None when it does not wait here."""
        jobs = self._turns.get(user_id, deque())
        if job_id not in jobs:
            return None
        own, ahead, passed = jobs.index(job_id), 0, False
        for other, waiting in self._turns.items():
            if other == user_id:
                passed = True
                ahead += own
            else:
                ahead += min(len(waiting), own if passed else own + 1)
        return ahead

    def discard(self, user_id: str, job_id: str) -> None:
        """Take a job out; one that does not wait here is fine."""
        jobs = self._turns.get(user_id, deque())
        if job_id in jobs:
            jobs.remove(job_id)
            self._waiting -= 1
            self.changes += 1
            if not jobs:
                del self._turns[user_id]

    async def put(self, user_id: str, job_id: str) -> None:
        """Add a job; one that waits already keeps its place."""
        async with self._arrived:
            jobs = self._turns.setdefault(user_id, deque())
            if job_id in jobs:
                return
            jobs.append(job_id)
            self._waiting += 1
            self.changes += 1
            self._arrived.notify()

    async def take(self) -> str:
        """Remove and return the next job, waiting for one; it counts as its user's until it is `done`."""
        async with self._arrived:
            while (user_id := self._next_user()) is None:
                await self._arrived.wait()
            jobs = self._turns.pop(user_id)
            job_id = jobs.popleft()
            self._waiting -= 1
            if job_id not in self._taken:  # a queue may hand a job out twice
                self._taken[job_id] = user_id
                self._working[user_id] = self._working.get(user_id, 0) + 1
            self.changes += 1
            if jobs:
                self._turns[user_id] = jobs  # to the end of the line
            return job_id

    async def done(self, job_id: str) -> None:
        """Note that a job which was taken is no longer worked on."""
        with anyio.CancelScope(shield=True):
            async with self._arrived:
                user_id = self._taken.pop(job_id, None)
                if user_id is not None:
                    self._working[user_id] -= 1
                    if not self._working[user_id]:
                        del self._working[user_id]
                    self._arrived.notify_all()

    def _next_user(self) -> str | None:
        """Return the first user in turn who may have another job worked on."""
        for user_id in self._turns:
            if self._most is None or self._working.get(user_id, 0) < self._most:
                return user_id
        return None
