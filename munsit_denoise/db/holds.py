"""What one process of many holds for a while: by a row, which is void when its holder says nothing more.

A hold says whose turn it is; it is no fence. Whoever was stopped and wakes up late may act once more, so what must not
happen twice is seen to where it happens. Times are the database's own: the clocks of the processes may differ.
"""

import secrets
from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from munsit_denoise.db.engine import Database
from munsit_denoise.db.tables import holds as t
from munsit_denoise.db.turns import NOW_US

FORGOTTEN_US = 3600 * 10**6  # after its end; whoever holds it may give a sign of life until another one takes it


class Holds:
    """The holds of one process in PostgreSQL. Every method may raise DatabaseBusy."""

    def __init__(self, database: Database) -> None:
        self._database, self._holder = database, secrets.token_hex(16)

    async def take(self, name: str, seconds: float, *, by_force: bool = False) -> bool:
        """Hold something for so long unless another process does; `by_force`, whoever does."""
        until = NOW_US + int(seconds * 1e6)
        free = None if by_force else (t.c.until < NOW_US) | (t.c.holder == self._holder)
        query = insert(t).values(name=name, holder=self._holder, until=until)
        query = query.on_conflict_do_update(
            index_elements=[t.c.name], set_={"holder": self._holder, "until": until}, where=free
        )
        async with self._database.write() as connection:
            return (await connection.execute(query.returning(t.c.name))).first() is not None

    async def keep(self, names: Sequence[str], seconds: float) -> set[str]:
        """Hold some things for longer; return which of them this process holds still."""
        own = (t.c.name.in_(names), t.c.holder == self._holder)
        async with self._database.write() as connection:
            until = NOW_US + int(seconds * 1e6)
            held = await connection.scalars(update(t).where(*own).values(until=until).returning(t.c.name))
            return set(held)

    async def held(self, names: Sequence[str]) -> set[str]:
        """Return which of some things this process holds still, without holding them for longer."""
        async with self._database.read() as connection:
            held = await connection.scalars(select(t.c.name).where(t.c.name.in_(names), t.c.holder == self._holder))
            return set(held)

    async def release(self, name: str) -> None:
        """Hold something no more; what another process holds stays as it is."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.name == name, t.c.holder == self._holder))

    async def forget(self) -> None:
        """Remove the holds of processes that died."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.until < NOW_US - FORGOTTEN_US))
