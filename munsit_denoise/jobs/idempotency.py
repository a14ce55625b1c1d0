"""Idempotency keys: a repeated submission creates no second job."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
from xxhash import xxh3_128

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.idempotency import First, IdempotencyKeys, Note
from munsit_denoise.db.records import Beside
from munsit_denoise.errors import KeyInUse, KeyReused
from munsit_denoise.jobs.holdings import Holdings, Steady
from munsit_denoise.records import Options

LIFETIME_US = 24 * 3600 * 10**6
EXPIRY_INTERVAL_S = 600
NO_OPTIONS = Options()
OF_THE_SERVER = {"webhook_base"}  # options that the server adds to those of a client
HALF = 32  # digits of a fingerprint


def fingerprint(source: str, options: Options, named: str | None = None) -> str:
    """Return a digest of a submission: its source and the options that differ from the defaults.

    If `named` differs from the source, the second half is a digest of it. So a repeated submission is recognised even
    if the upload that it names has expired.
    """
    asked = {
        name: value
        for name, value in vars(options).items()
        if value != getattr(NO_OPTIONS, name) and name not in OF_THE_SERVER
    }
    return _digest(source, asked)[:HALF] + _digest(named or source, asked)[HALF:]


def _digest(source: str, asked: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps([source, asked], sort_keys=True).encode()).hexdigest()


def content_digest() -> xxh3_128:
    """Return a hash object for the bytes of a file.

    XXH3-128 is not cryptographic, but fifteen times as fast as SHA-256. A key belongs to one user, so a user who makes
    two files with the same digest only affects their own submissions.
    """
    return xxh3_128()


class KeyedSubmission:
    """One submission, with or without a key; `first` is the earlier submission with the same key."""

    def __init__(self, note: Note | None = None, first: First | None = None) -> None:
        self._note, self.first = note, first

    @property
    def has_key(self) -> bool:
        """Whether the submission has a key, so that its content has to be compared."""
        return self._note is not None

    @property
    def beside(self) -> Sequence[Beside]:
        """Statements for the transaction that accepts the job."""
        return (self._note,) if self._note else ()

    def repeats(self, named: str, options: Options) -> bool:
        """Return whether the first submission named the same source, so that it need not be read again."""
        return self.first is not None and self.first.fingerprint[HALF:] == fingerprint(named, options)[HALF:]

    def wants(self, source: str, options: Options, named: str | None = None) -> None:
        """Note what is submitted, before it is accepted. Raises KeyReused if the first submission differs."""
        if self._note is None:
            return
        self._note.fingerprint = fingerprint(source, options, named)
        if self.first is not None and self.first.fingerprint[:HALF] != self._note.fingerprint[:HALF]:
            raise KeyReused


class Idempotency:
    """Admits submissions; of those with the same key, one at a time.

    If this fails to separate them, the database still accepts only one.
    """

    def __init__(self, keys: IdempotencyKeys, holdings: Holdings | None = None) -> None:
        """`holdings` is needed if several servers take submissions."""
        self._keys, self._holdings = keys, holdings
        self._coming: set[tuple[str, str]] = set()  # (user, key) of submissions in progress

    @asynccontextmanager
    async def submission(self, user_id: str, key: str | None) -> AsyncIterator[KeyedSubmission]:
        """Yield a submission, which ends with the block. Raises KeyInUse while another with this key is in progress."""
        if key is None:
            yield KeyedSubmission()
            return
        note, own = Note(user_id, key, LIFETIME_US), (user_id, key)
        self._check(own)  # before the question: one that is accepted meanwhile has come after this one
        first = await self._find(user_id, key)
        if first is not None:
            yield KeyedSubmission(note, first)
            return
        self._check(own)
        self._coming.add(own)
        try:
            async with self._alone(user_id, key):
                # another server may have accepted one between the first answer and now
                yield KeyedSubmission(note, await self._find(user_id, key) if self._holdings is not None else None)
        finally:
            self._coming.discard(own)

    def _check(self, own: tuple[str, str]) -> None:
        if own in self._coming:
            raise KeyInUse

    @asynccontextmanager
    async def _alone(self, user_id: str, key: str) -> AsyncIterator[None]:
        """Keep other servers from admitting a submission with this key. Raises KeyInUse if one has admitted it."""
        if self._holdings is None:
            yield
            return
        name = f"key {user_id} {hashlib.sha256(key.encode()).hexdigest()}"
        if not await self._holdings.take(name):
            raise KeyInUse
        async with self._holdings.holding(name, Steady()):
            yield

    async def expire_forever(self) -> None:
        """Delete expired keys, at regular intervals."""
        while True:
            await self._keys.forget(now_us() - LIFETIME_US)
            await anyio.sleep(EXPIRY_INTERVAL_S)

    async def _find(self, user_id: str, key: str) -> First | None:
        return await self._keys.find(user_id, key, now_us() - LIFETIME_US)
