"""Limits how many jobs run: places at the model, and places for last steps, which do not need it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from munsit_denoise.jobs.fair import FairLimiter

LAST_STEPS = 2  # results that are put together at the same time; a user's at most half of them


class Place:
    """One job's place at the model, left once."""

    def __init__(self, model: anyio.Semaphore | None = None) -> None:
        self._model = model

    def leave(self) -> None:
        """Let the next job have it."""
        if self._model is not None:
            self._model.release()
            self._model = None


class Places:
    """All of them."""

    def __init__(self, at_the_model: int = 1) -> None:
        self._model = anyio.Semaphore(at_the_model)
        self._last_steps = FairLimiter(LAST_STEPS)

    async def take(self) -> Place:
        """Return a place at the model, waiting for one."""
        await self._model.acquire()
        return Place(self._model)

    @asynccontextmanager
    async def last_step(self, place: Place, user_id: str) -> AsyncIterator[None]:
        """Leave the model's place, and hold one for the last step while the block lasts."""
        place.leave()
        async with self._last_steps.place(user_id):
            yield
