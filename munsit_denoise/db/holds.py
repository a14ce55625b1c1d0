"""Locks of one process among many: rows that expire unless their holder renews them.

A lock is no fence: a holder that was suspended may act once more after the lock has expired. What must not happen twice
has to be prevented where it happens. Times are the database's own, because clocks of processes may differ.
"""

import secrets
from collections.abc import Sequence

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from munsit_denoise.db.engine import Database
from munsit_denoise.db.tables import holds as t
from munsit_denoise.db.turns import NOW_US

FORGOTTEN_US = 3600 * 10**6  # after expiry; until then the holder can still renew it, unless another has taken it


class Holds:
    """The locks of one process in PostgreSQL. Every method may raise DatabaseBusy."""

    def __init__(self, database: Database) -> None:
        self._database, self._holder = database, secrets.token_hex(16)

    async def take(self, name: str, seconds: float, *, by_force: bool = False) -> bool:
        """Take a lock for `seconds` unless another process holds it; with `by_force`, take it from any holder."""
        until = NOW_US + int(seconds * 1e6)
        free = None if by_force else (t.c.until < NOW_US) | (t.c.holder == self._holder)
        query = insert(t).values(name=name, holder=self._holder, until=until)
        query = query.on_conflict_do_update(
            index_elements=[t.c.name], set_={"holder": self._holder, "until": until}, where=free
        )
        async with self._database.write() as connection:
            return (await connection.execute(query.returning(t.c.name))).first() is not None

    async def keep(self, names: Sequence[str], seconds: float) -> set[str]:
        """Renew locks; return those that this process still holds."""
        own = (t.c.name.in_(names), t.c.holder == self._holder)
        async with self._database.write() as connection:
            until = NOW_US + int(seconds * 1e6)
            held = await connection.scalars(update(t).where(*own).values(until=until).returning(t.c.name))
            return set(held)

    async def held(self, names: Sequence[str]) -> set[str]:
        """Return which of these locks this process still holds, without renewing them."""
        async with self._database.read() as connection:
            held = await connection.scalars(select(t.c.name).where(t.c.name.in_(names), t.c.holder == self._holder))
            return set(held)

    async def release(self, name: str) -> None:
        """Release a lock; one of another process is not changed."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.name == name, t.c.holder == self._holder))

    async def forget(self) -> None:
        """Remove the locks of processes that died."""
        async with self._database.write() as connection:
            await connection.execute(delete(t).where(t.c.until < NOW_US - FORGOTTEN_US))
