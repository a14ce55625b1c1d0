"""API keys: created, listed, revoked and replaced. `keys` checks them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_change
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.key_form import SHOWN_DIGITS, hash_key, new_key
from munsit_denoise.db.tables import api_keys, users
from munsit_denoise.errors import NotFound
from munsit_denoise.records import Scope


@dataclass(frozen=True)
class KeyInfo:
    """A listed key, without the key itself. Times are microseconds since 1970, UTC."""

    prefix: str
    user_id: str
    user_name: str
    name: str | None
    scope: Scope
    created_at_us: int
    last_used_at_us: int | None
    expires_at_us: int | None
    revoked_at_us: int | None

    @property
    def revoked(self) -> bool:
        """Whether the key was revoked."""
        return self.revoked_at_us is not None

    @property
    def expired(self) -> bool:
        """Whether the key has expired."""
        return is_over(self.expires_at_us)


@dataclass(frozen=True)
class KeyOptions:
    """The properties of a new key."""

    name: str | None = None
    scope: Scope = Scope.FULL
    expires_at_us: int | None = None


class KeyBook:
    """Keys in SQL. Every method may raise DatabaseBusy, and those that write also StorageFull."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, user_name: str, options: KeyOptions = KeyOptions()) -> str:
        """Create a key and return it; a new user is created with their first one. It cannot be shown again."""
        async with self._database.write() as connection:
            new = {"id": str(uuid.uuid4()), "name": user_name, "created_at": now_us()}
            await connection.execute(insert_or_change(users).values(new).on_conflict_do_nothing())
            user_id = await connection.scalar(select(users.c.id).where(users.c.name == user_name))
            return await _insert(connection, str(user_id), options)

    async def create_for(self, user_id: str, options: KeyOptions) -> str:
        """Create a key for an existing user and return it. Raises NotFound."""
        async with self._database.write() as connection:
            if await connection.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
                raise NotFound("There is no such user.")
            return await _insert(connection, user_id, options)

    async def take_back(self, key: str) -> None:
        """Delete a key that nobody has seen."""
        async with self._database.write() as connection:
            await connection.execute(delete(api_keys).where(api_keys.c.key_hash == hash_key(key)))

    async def rotate(self, prefix: str, grace_us: int, expires_at_us: int | None = None) -> str:
        """Create a key that replaces the valid one with this prefix; the old one stays valid for `grace_us`.

        The new key has the old one's user, name and scope, and its lifetime unless `expires_at_us` is given. Raises
        NotFound, also if several keys have the prefix.
        """
        now = now_us()
        live = (*_begins(prefix), func.coalesce(api_keys.c.expires_at, now + 1) > now)
        async with self._database.write() as connection:
            found = (await connection.execute(select(api_keys).where(*live).limit(2))).all()
            if len(found) != 1:
                how_many = "More than one valid key begins" if found else "No valid key begins"
                raise NotFound(f"{how_many} with {prefix}")
            old = found[0]
            if expires_at_us is None and old.expires_at is not None:
                expires_at_us = now + old.expires_at - old.created_at
            key = await _insert(connection, old.user_id, KeyOptions(old.name, Scope(old.scope), expires_at_us))
            end = now + grace_us if old.expires_at is None else min(old.expires_at, now + grace_us)
            this = api_keys.c.key_hash == old.key_hash
            await connection.execute(update(api_keys).where(this).values(expires_at=end))
        return key

    async def revoke(self, prefix: str) -> int:
        """Revoke the keys with this prefix; return their number."""
        async with self._database.write() as connection:
            result = await connection.execute(update(api_keys).where(*_begins(prefix)).values(revoked_at=now_us()))
        return result.rowcount

    async def list(self) -> Sequence[KeyInfo]:
        """Return all keys, oldest first."""
        return await self._listed(_infos().order_by(api_keys.c.created_at, api_keys.c.key_hash))

    async def page(self, user_id: str | None, offset: int, limit: int) -> Sequence[KeyInfo]:
        """Return keys of one user, or of all, newest first."""
        query = _infos().order_by(api_keys.c.created_at.desc(), api_keys.c.key_hash)
        if user_id is not None:
            query = query.where(api_keys.c.user_id == user_id)
        return await self._listed(query.offset(offset).limit(limit))

    async def find(self, key: str) -> KeyInfo:
        """Return the listed properties of a key. Raises NotFound."""
        found = await self._listed(_infos().where(api_keys.c.key_hash == hash_key(key)))
        if not found:
            raise NotFound
        return found[0]

    async def _listed(self, query: Select[Any]) -> Sequence[KeyInfo]:
        async with self._database.read() as connection:
            return [_info(row) for row in await connection.execute(query)]


async def _insert(connection: AsyncConnection, user_id: str, options: KeyOptions) -> str:
    key = new_key()
    row = {"key_hash": hash_key(key), "prefix": key[:SHOWN_DIGITS], "user_id": user_id, "created_at": now_us()}
    row |= {"name": options.name, "scope": options.scope, "expires_at": options.expires_at_us}
    await connection.execute(insert(api_keys).values(**row))
    return key


def _infos() -> Select[Any]:
    return select(api_keys, users.c.name.label("user_name")).join(users)


def _info(row: Row[Any]) -> KeyInfo:
    return KeyInfo(
        prefix=row.prefix,
        user_id=row.user_id,
        user_name=row.user_name,
        name=row.name,
        scope=Scope(row.scope),
        created_at_us=row.created_at,
        last_used_at_us=row.last_used_at,
        expires_at_us=row.expires_at,
        revoked_at_us=row.revoked_at,
    )


def _begins(prefix: str) -> tuple[Any, ...]:
    """Return the conditions for keys with this prefix that were not revoked."""
    return api_keys.c.prefix.startswith(prefix, autoescape=True), api_keys.c.revoked_at.is_(None)


def is_over(expires_at_us: int | None) -> bool:
    """Return whether a time has passed."""
    return expires_at_us is not None and expires_at_us <= now_us()
