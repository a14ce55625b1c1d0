"""What this server holds among many: kept for as long as it lives and works on it, and told when it has lost it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import anyio

from munsit_denoise.errors import Unavailable

HELD_S = 5.0  # after the last sign of life; then another server may take it
KEEP_S = 1.0  # between two signs of life, and so until it is noticed that something is lost
TAKE_OVER_S = 1.5 * KEEP_S  # for a server that works to notice it


class Rows(Protocol):
    """What is asked of the database."""

    async def take(self, name: str, seconds: float, *, by_force: bool = False) -> bool:
        """Hold something unless another process does."""
        ...

    async def keep(self, names: Sequence[str], seconds: float) -> set[str]:
        """Hold some things for longer; return those that are held still."""
        ...

    async def held(self, names: Sequence[str]) -> set[str]:
        """Return which of some things are held still."""
        ...

    async def release(self, name: str) -> None:
        """Hold something no more."""
        ...

    async def forget(self) -> None:
        """Remove the holds of processes that died."""
        ...


class Holder(Protocol):
    """Whoever works on what is held."""

    def goes_on(self) -> bool:
        """Say whether it is to be held for longer."""
        ...

    async def pause(self) -> None:
        """Make safe what there is: somebody else may take it over."""
        ...

    def lose(self) -> None:
        """Leave it: somebody else has it now."""
        ...


class Steady:
    """Goes on until it is over; what it does is refused where it ends, if another server came first."""

    def goes_on(self) -> bool:
        """Say so."""
        return True

    async def pause(self) -> None:
        """Never asked for."""

    def lose(self) -> None:
        """Go on."""


class Holdings:
    """All that this server holds, while `keep_forever` runs."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._own: dict[str, Holder] = {}

    async def take(self, name: str) -> bool:
        """Hold something unless another server does. Raises Unavailable's."""
        return await self._rows.take(name, HELD_S)

    async def take_over(self, name: str) -> None:
        """Hold something, whoever did; return when one that works has noticed. Raises Unavailable's."""
        if not await self._rows.take(name, HELD_S):
            await self._rows.take(name, HELD_S, by_force=True)
            await anyio.sleep(TAKE_OVER_S)

    @asynccontextmanager
    async def holding(self, name: str, holder: Holder) -> AsyncIterator[None]:
        """Keep what was taken while the block lasts."""
        self._own[name] = holder
        try:
            yield
        finally:
            del self._own[name]
            with anyio.CancelScope(shield=True), suppress(Unavailable):  # it is void soon in any case
                await self._rows.release(name)

    async def keep_forever(self) -> None:
        """Give signs of life for what goes on, and tell holders what they have lost."""
        with suppress(Unavailable):
            await self._rows.forget()
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.sleep(KEEP_S)
                if self._own:
                    with suppress(Unavailable):  # the next round has all of it
                        for holder in await self._keep():
                            tasks.start_soon(holder.pause)

    async def _keep(self) -> list[Holder]:
        """Give a sign of life; return who has fallen silent."""
        own = dict(self._own)
        lasting = [name for name, holder in own.items() if holder.goes_on()]
        silent = [name for name in own if name not in lasting]
        kept = await self._rows.keep(lasting, HELD_S) if lasting else set()
        kept |= await self._rows.held(silent) if silent else set()
        for name, holder in own.items():
            if name not in kept and self._own.get(name) is holder:
                holder.lose()
        return [own[name] for name in silent if name in kept]
