"""Idempotency keys: a repeated submission gets no second job."""

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
OF_THE_SERVER = {"webhook_base"}  # what the server adds to a client's options
HALF = 32  # digits of a fingerprint


def fingerprint(source: str, options: Options, named: str | None = None) -> str:
    """Return a digest of what a submission wants: its source, and the options that are not the usual ones.

    Its second half is of how the source was named, where that is another thing: an upload that has expired meanwhile
    is still known by its name.
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
    """Return what takes a file's bytes and tells it from others.

    No forger is kept out: who has two files of one digest deceives only himself, as keys are each user's own. SHA-256
    takes fifteen times as long.
    """
    return xxh3_128()


class KeyedSubmission:
    """One submission, with a key or without; `first` is what an earlier one with the same key became."""

    def __init__(self, note: Note | None = None, first: First | None = None) -> None:
        self._note, self.first = note, first

    @property
    def has_key(self) -> bool:
        """Whether it may be repeated, so that it has to be known what came."""
        return self._note is not None

    @property
    def beside(self) -> Sequence[Beside]:
        """What the transaction that accepts the job does besides."""
        return (self._note,) if self._note else ()

    def repeats(self, named: str, options: Options) -> bool:
        """Say whether the first one named its source alike, so that nobody needs to look at the source again."""
        return self.first is not None and self.first.fingerprint[HALF:] == fingerprint(named, options)[HALF:]

    def wants(self, source: str, options: Options, named: str | None = None) -> None:
        """Note what is submitted, before it is accepted. Raises KeyReused when the first was another."""
        if self._note is None:
            return
        self._note.fingerprint = fingerprint(source, options, named)
        if self.first is not None and self.first.fingerprint[:HALF] != self._note.fingerprint[:HALF]:
            raise KeyReused


class Idempotency:
    """Admits submissions; of those with one key, one comes in at a time.

    Whatever is known of that, the database lets one of them in, where its job is to be accepted.
    """

    def __init__(self, keys: IdempotencyKeys, holdings: Holdings | None = None) -> None:
        """`holdings` where other servers take submissions in as well."""
        self._keys, self._holdings = keys, holdings
        self._coming: set[tuple[str, str]] = set()  # users and keys whose first submission is not over

    @asynccontextmanager
    async def submission(self, user_id: str, key: str | None) -> AsyncIterator[KeyedSubmission]:
        """Yield a submission, which is over with the block. Raises KeyInUse while the first with its key goes on."""
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
        """Let no other server take a submission with the key in. Raises KeyInUse when one does."""
        if self._holdings is None:
            yield
            return
        name = f"key {user_id} {hashlib.sha256(key.encode()).hexdigest()}"
        if not await self._holdings.take(name):
            raise KeyInUse
        async with self._holdings.holding(name, Steady()):
            yield

    async def expire_forever(self) -> None:
        """Forget keys that are old enough, again and again."""
        while True:
            await self._keys.forget(now_us() - LIFETIME_US)
            await anyio.sleep(EXPIRY_INTERVAL_S)

    async def _find(self, user_id: str, key: str) -> First | None:
        return await self._keys.find(user_id, key, now_us() - LIFETIME_US)
