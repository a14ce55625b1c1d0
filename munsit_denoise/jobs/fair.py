"""A limiter that serves users in turn."""

from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.lowlevel import checkpoint


class FairLimiter:
    """A number of places, of which one user holds at most half; waiting users are served in turn."""

    def __init__(self, places: int) -> None:
        self._free, self._most = places, max(places // 2, 1)
        self._held: dict[str, int] = {}  # for each user
        self._turns: OrderedDict[str, deque[anyio.Event]] = OrderedDict()  # waiting requests by user; the first is next

    @asynccontextmanager
    async def place(self, user_id: str) -> AsyncIterator[None]:
        """Hold a place inside the block; waits for a free one."""
        await self._acquire(user_id)
        try:
            yield
        finally:
            self._release(user_id)

    async def _acquire(self, user_id: str) -> None:
        granted = anyio.Event()
        self._turns.setdefault(user_id, deque()).append(granted)
        self._grant()
        try:
            await (checkpoint() if granted.is_set() else granted.wait())
        except BaseException:
            if granted.is_set():
                self._release(user_id)
            else:
                self._forget(user_id, granted)
            raise

    def _release(self, user_id: str) -> None:
        self._free += 1
        self._held[user_id] -= 1
        if not self._held[user_id]:
            del self._held[user_id]
        self._grant()

    def _grant(self) -> None:
        while self._free and (user_id := self._next_user()) is not None:
            granted = self._turns[user_id][0]
            self._forget(user_id, granted)
            if user_id in self._turns:
                self._turns.move_to_end(user_id)
            self._free -= 1
            self._held[user_id] = self._held.get(user_id, 0) + 1
            granted.set()

    def _next_user(self) -> str | None:
        return next((user for user in self._turns if self._held.get(user, 0) < self._most), None)

    def _forget(self, user_id: str, granted: anyio.Event) -> None:
        waiting = self._turns[user_id]
        waiting.remove(granted)
        if not waiting:
            del self._turns[user_id]
