"""Checks API keys. `key_form` has their format, `key_book` their rows."""

import asyncio
import hmac
import time
from dataclasses import dataclass

from sqlalchemy import bindparam, select, update

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.key_book import KeyBook, is_over
from munsit_denoise.db.key_form import hash_key, is_well_formed, new_key
from munsit_denoise.db.readers import Query
from munsit_denoise.db.tables import api_keys, users
from munsit_denoise.records import Identity, Scope

__all__ = ["Keys", "hash_key", "is_well_formed", "new_key"]
MEMORY_S = 2.0  # how long a valid key is cached; another process notices a revocation after this time
MEMORY_SIZE = 10_000
NOTED_EVERY_S = 60.0  # the shortest time between two writes of a key's last use
OWNER = Query(
    select(api_keys.c.key_hash, api_keys.c.user_id, users.c.name, api_keys.c.scope, api_keys.c.expires_at)
    .join(users)
    .where(api_keys.c.key_hash == bindparam("key_hash"), api_keys.c.revoked_at.is_(None))
)


@dataclass(frozen=True)
class _CachedKey:
    identity: Identity
    expires_at_us: int | None
    until_s: float  # on the monotonic clock: the end of the cached entry


class Keys(KeyBook):
    """Identifies the owners of keys, with a cache."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._known: dict[str, _CachedKey] = {}  # by key hash
        self._asked: dict[str, asyncio.Future[Identity | None]] = {}  # by key hash
        self._names: dict[str, str] = {}  # of users, by id
        self._noted_s: dict[str, float] = {}  # by key hash: when its use was last noted
        self._uses: dict[str, int] = {}  # by key hash: last uses that are not written yet
        self._used = asyncio.Event()

    async def rotate(self, prefix: str, grace_us: int, expires_at_us: int | None = None) -> str:
        """Replace a key as `KeyBook` does; in this process the old key's new expiry applies at once."""
        key = await super().rotate(prefix, grace_us, expires_at_us)
        self._known.clear()
        return key

    async def revoke(self, prefix: str) -> int:
        """Revoke keys as `KeyBook` does; in this process at once."""
        count = await super().revoke(prefix)
        self._known.clear()
        return count

    async def find_user(self, key: str) -> str | None:
        """Return the id of a valid key's user; a revocation takes effect within `MEMORY_S`."""
        found = await self.identify(key)
        return found.user_id if found else None

    async def identify(self, key: str) -> Identity | None:
        """Return the owner of a valid key; a revocation takes effect within `MEMORY_S`, in this process at once."""
        if not is_well_formed(key):
            return None
        key_id = hash_key(key)
        identity = self._remembered(key_id)
        if identity is None:
            identity = await self._look_up_once(key_id)
            if identity is not None:
                self._note(key_id)
        return identity

    async def is_valid(self, key_id: str) -> bool:
        """Return whether an identified key is still valid, without the cache."""
        return await self._look_up(key_id) is not None

    async def write_uses(self) -> None:
        """Wait for uses of keys, and write their times."""
        await self._used.wait()
        self._used.clear()
        uses = dict(self._uses)
        async with self._database.write() as connection:
            for key_id, used_us in sorted(uses.items()):  # in one order, or two servers may wait for each other
                this = api_keys.c.key_hash == key_id
                await connection.execute(update(api_keys).where(this).values(last_used_at=used_us))
        self._uses = {key_id: used_us for key_id, used_us in self._uses.items() if uses.get(key_id) != used_us}

    async def learn_names(self) -> None:
        """Read the names of all users, for log lines about jobs of an earlier process."""
        async with self._database.read() as connection:
            self._names = {row.id: row.name for row in await connection.execute(select(users.c.id, users.c.name))}

    def name_of(self, user_id: str) -> str:
        """Return a user's name, or the id if it is unknown."""
        return self._names.get(user_id, user_id)

    def _note(self, key_id: str) -> None:
        now_s = time.monotonic()
        if now_s - self._noted_s.get(key_id, float("-inf")) >= NOTED_EVERY_S:
            if len(self._noted_s) >= MEMORY_SIZE:
                self._noted_s.clear()
            self._noted_s[key_id], self._uses[key_id] = now_s, now_us()
            self._used.set()

    def _remembered(self, key_id: str) -> Identity | None:
        known = self._known.get(key_id)
        good = known is not None and time.monotonic() < known.until_s and not is_over(known.expires_at_us)
        return known.identity if known is not None and good else None

    async def _look_up_once(self, key_id: str) -> Identity | None:
        """Look a key up, once for all simultaneous requests with it."""
        asked = self._asked.get(key_id)
        if asked is None:
            asked = self._asked[key_id] = asyncio.ensure_future(self._look_up(key_id))
            asked.add_done_callback(lambda _: self._asked.pop(key_id))
        return await asyncio.shield(asked)

    async def _look_up(self, key_id: str) -> Identity | None:
        rows = await self._database.readers.ask(OWNER, {"key_hash": key_id}, list)
        if not rows or not hmac.compare_digest(rows[0][0], key_id) or is_over(rows[0][4]):
            self._known.pop(key_id, None)
            return None
        if len(self._known) >= MEMORY_SIZE:
            self._known.clear()
        user_id, name, scope, expires_at_us = rows[0][1:]
        identity = Identity(user_id, key_id, Scope(scope))
        self._known[key_id] = _CachedKey(identity, expires_at_us, time.monotonic() + MEMORY_S)
        self._names[user_id] = name
        return identity
