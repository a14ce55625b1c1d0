"""Locks that one of many servers holds: renewed while it works, and reported when they are lost."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import anyio

from munsit_denoise.errors import Unavailable

HELD_S = 5.0  # after the last renewal; then another server may take the lock
KEEP_S = 1.0  # between two renewals, which is also how long a loss can go unnoticed
TAKE_OVER_S = 1.5 * KEEP_S  # enough for a working server to notice the loss


class Rows(Protocol):
    """The rows of locks in the database."""

    async def take(self, name: str, seconds: float, *, by_force: bool = False) -> bool:
        """Take a lock unless another process holds it."""
        ...

    async def keep(self, names: Sequence[str], seconds: float) -> set[str]:
        """Renew locks; return those that are still held."""
        ...

    async def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these locks are still held."""
        ...

    async def release(self, name: str) -> None:
        """Release a lock."""
        ...

    async def forget(self) -> None:
        """Remove the locks of processes that died."""
        ...


class Holder(Protocol):
    """The work that a lock protects."""

    def goes_on(self) -> bool:
        """Return whether the lock should be renewed."""
        ...

    async def pause(self) -> None:
        """Save the progress, because another server may take over."""
        ...

    def lose(self) -> None:
        """Stop, because another server has the lock."""
        ...


class Steady:
    """Work that continues until it ends; if another server was faster, the database refuses its result."""

    def goes_on(self) -> bool:
        """Return True."""
        return True

    async def pause(self) -> None:
        """Not called, because `goes_on` is always true."""

    def lose(self) -> None:
        """Continue."""


class Holdings:
    """The locks that this server holds; renewed while `keep_forever` runs."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._own: dict[str, Holder] = {}

    async def take(self, name: str) -> bool:
        """Take a lock unless another server holds it. Raises Unavailable."""
        return await self._rows.take(name, HELD_S)

    async def take_over(self, name: str) -> None:
        """Take a lock from any holder; return when a working holder has noticed. Raises Unavailable."""
        if not await self._rows.take(name, HELD_S):
            await self._rows.take(name, HELD_S, by_force=True)
            await anyio.sleep(TAKE_OVER_S)

    @asynccontextmanager
    async def holding(self, name: str, holder: Holder) -> AsyncIterator[None]:
        """Renew a lock that was taken until the end of the block, then release it."""
        self._own[name] = holder
        try:
            yield
        finally:
            del self._own[name]
            with anyio.CancelScope(shield=True), suppress(Unavailable):  # otherwise it expires soon
                await self._rows.release(name)

    async def keep_forever(self) -> None:
        """Renew the locks of work in progress, and tell holders which locks they have lost."""
        with suppress(Unavailable):
            await self._rows.forget()
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.sleep(KEEP_S)
                if self._own:
                    with suppress(Unavailable):  # the next round renews them all
                        for holder in await self._keep():
                            tasks.start_soon(holder.pause)

    async def _keep(self) -> list[Holder]:
        """Renew the locks; return the holders whose work has gone silent."""
        own = dict(self._own)
        lasting = [name for name, holder in own.items() if holder.goes_on()]
        silent = [name for name in own if name not in lasting]
        kept = await self._rows.keep(lasting, HELD_S) if lasting else set()
        kept |= await self._rows.held(silent) if silent else set()
        for name, holder in own.items():
            if name not in kept and self._own.get(name) is holder:
                holder.lose()
        return [own[name] for name in silent if name in kept]
