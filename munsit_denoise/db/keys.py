"""Users and their API keys: random, shown once, stored as hashes.

A key is `mds_`, 32 random base-62 digits (190 bits) and the base-62 CRC-32 of what stands before, so that a
mistyped key is told from an unknown one and secret scanners recognise it. With that much randomness one
round of SHA-256 is the right hash.
"""

import asyncio
import hashlib
import hmac
import secrets
import string
import time
import uuid
import zlib
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update

from munsit_denoise.db.engine import Database, now_us
from munsit_denoise.db.readers import Query
from munsit_denoise.db.tables import api_keys, users
from munsit_denoise.records import Identity

ALPHABET = string.digits + string.ascii_letters
RANDOM_DIGITS = 32
CHECK_DIGITS = 6
MEMORY_S = 2.0  # how long a key that was found counts as valid without another look: a revocation takes this long
MEMORY_SIZE = 10_000
SHOWN_DIGITS = 12  # how much of a key is kept to recognise it by: `mds_` and 8 digits
OWNER = Query(
    select(api_keys.c.key_hash, api_keys.c.user_id, users.c.name)
    .join(users)
    .where(api_keys.c.key_hash == bindparam("key_hash"), api_keys.c.revoked_at.is_(None))
)


@dataclass(frozen=True)
class KeyInfo:
    """What a list of keys tells; never the key."""

    prefix: str
    user_name: str
    created_at_us: int
    revoked: bool


class Keys:
    """API keys in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[str, float]] = {}  # key hash to user id, and until when
        self._asked: dict[str, asyncio.Future[str | None]] = {}  # by key hash
        self._names: dict[str, str] = {}  # of users, by id

    async def create(self, user_name: str) -> str:
        """Return a new key for a user, who is created with their first one. It cannot be shown again."""
        key = new_key()
        async with self._database.write() as connection:
            user_id = await connection.scalar(select(users.c.id).where(users.c.name == user_name))
            if user_id is None:
                user_id = str(uuid.uuid4())
                await connection.execute(insert(users).values(id=user_id, name=user_name, created_at=now_us()))
            row = {"key_hash": hash_key(key), "prefix": key[:SHOWN_DIGITS], "user_id": user_id}
            await connection.execute(insert(api_keys).values(**row, created_at=now_us()))
        return key

    async def take_back(self, key: str) -> None:
        """Remove a key that nobody has seen, as if it had never been made."""
        async with self._database.write() as connection:
            await connection.execute(delete(api_keys).where(api_keys.c.key_hash == hash_key(key)))

    async def find_user(self, key: str) -> str | None:
        """Return the id of the user that a valid key belongs to; a revoked one is dead after `MEMORY_S`."""
        found = await self.identify(key)
        return found.user_id if found else None

    async def identify(self, key: str) -> Identity | None:
        """Return whom a valid key belongs to; a revoked one is dead after `MEMORY_S`, in this process at once."""
        if not is_well_formed(key):
            return None
        key_id = hash_key(key)
        if (known := self._remembered(key_id)) is not None:
            return Identity(known, key_id)
        user_id = await self._look_up_once(key_id)
        return Identity(user_id, key_id) if user_id else None

    async def is_valid(self, key_id: str) -> bool:
        """Look, whatever is remembered, whether a key that was identified has not been revoked since."""
        return await self._look_up(key_id) is not None

    def _remembered(self, key_id: str) -> str | None:
        user_id, until = self._known.get(key_id, ("", 0.0))
        return user_id if time.monotonic() < until else None

    async def _look_up_once(self, key_id: str) -> str | None:
        """Look a key up, for all requests that bring it at the same time."""
        asked = self._asked.get(key_id)
        if asked is None:
            asked = self._asked[key_id] = asyncio.ensure_future(self._look_up(key_id))
            asked.add_done_callback(lambda _: self._asked.pop(key_id))
        return await asyncio.shield(asked)

    async def _look_up(self, key_id: str) -> str | None:
        rows = await self._database.readers.ask(OWNER, {"key_hash": key_id}, list)
        if not rows or not hmac.compare_digest(rows[0][0], key_id):
            self._known.pop(key_id, None)
            return None
        if len(self._known) >= MEMORY_SIZE:
            self._known.clear()
        user_id, name = rows[0][1:]
        self._known[key_id] = (user_id, time.monotonic() + MEMORY_S)
        self._names[user_id] = name
        return str(user_id)

    async def learn_names(self) -> None:
        """Read the names of all users, so that the log can tell whose job goes on after a start."""
        async with self._database.read() as connection:
            self._names = {row.id: row.name for row in await connection.execute(select(users.c.id, users.c.name))}

    def name_of(self, user_id: str) -> str:
        """Return a user's name, the id itself where it is not known."""
        return self._names.get(user_id, user_id)

    async def list(self) -> list[KeyInfo]:
        """Return all keys, oldest first."""
        query = select(api_keys, users.c.name).join(users).order_by(api_keys.c.created_at)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [KeyInfo(row.prefix, row.name, row.created_at, row.revoked_at is not None) for row in rows]

    async def revoke(self, prefix: str) -> int:
        """Revoke the keys that begin with this; return how many there were."""
        live = api_keys.c.prefix.startswith(prefix, autoescape=True) & api_keys.c.revoked_at.is_(None)
        async with self._database.write() as connection:
            result = await connection.execute(update(api_keys).where(live).values(revoked_at=now_us()))
        self._known.clear()
        return result.rowcount


def new_key() -> str:
    """Return a random key."""
    body = "mds_" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_DIGITS))
    return body + _check_digits(body)


def is_well_formed(key: str) -> bool:
    """Say whether a string can be a key at all, by its form and check digits."""
    body, check = key[:-CHECK_DIGITS], key[-CHECK_DIGITS:]
    right_length = len(key) == len("mds_") + RANDOM_DIGITS + CHECK_DIGITS
    return right_length and key.isascii() and hmac.compare_digest(check, _check_digits(body))


def hash_key(key: str) -> str:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _check_digits(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_DIGITS):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
