"""Limits how many jobs run: places at the model, and places for last steps, which do not need the model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from munsit_denoise.jobs.fair import FairLimiter

LAST_STEPS = 2  # last steps at the same time; at most half of them for one user


class Place:
    """A job's place at the model; leaving it twice has no effect."""

    def __init__(self, model: anyio.Semaphore | None = None) -> None:
        self._model = model

    def leave(self) -> None:
        """Give the place to the next job."""
        if self._model is not None:
            self._model.release()
            self._model = None


class Places:
    """The places of this process."""

    def __init__(self, at_the_model: int = 1) -> None:
        self._model = anyio.Semaphore(at_the_model)
        self._last_steps = FairLimiter(LAST_STEPS)

    async def take(self) -> Place:
        """Return a place at the model; waits for one."""
        await self._model.acquire()
        return Place(self._model)

    @asynccontextmanager
    async def last_step(self, place: Place, user_id: str) -> AsyncIterator[None]:
        """Leave the place at the model, and hold one for the last step inside the block."""
        place.leave()
        async with self._last_steps.place(user_id):
            yield
