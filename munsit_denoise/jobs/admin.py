"""What administrators can see and do: users, keys, balances and jobs of all users."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from munsit_denoise.db.admin import Ended, OpenJob, Overview, Stored, User
from munsit_denoise.db.balance import Balances
from munsit_denoise.db.engine import now_us
from munsit_denoise.db.key_book import KeyInfo, KeyOptions
from munsit_denoise.db.key_form import SHOWN_DIGITS
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.users import Users
from munsit_denoise.errors import InvalidOption, NotFound
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.speed import WINDOW_S, Speed
from munsit_denoise.jobs.user_removal import delete_user
from munsit_denoise.logs import get_logger
from munsit_denoise.records import Scope
from munsit_denoise.times import duration_s, moment_us

__all__ = ["Admin", "AdminLeaves", "Disk", "KeyInfo", "KeyRequest", "OpenJob", "QueuedJob", "Rates", "User"]
log = get_logger()


@dataclass(frozen=True)
class KeyRequest:
    """A key to create; `expires` is a date, or a duration from now such as `30d`."""

    name: str | None = None
    scope: Scope = Scope.FULL
    expires: str | None = None


@dataclass(frozen=True)
class QueuedJob:
    """A job that has not ended, and its state."""

    job: OpenJob
    state: str  # waiting, downloading, running
    percent: int
    age_s: float


@dataclass(frozen=True)
class Disk:
    """Free disk space, and what is stored."""

    free_bytes: int
    stored: Stored


@dataclass(frozen=True)
class Rates:
    """Figures of the last hour; the factor is None if no job has succeeded since the server started."""

    window_s: float
    ended: Ended
    real_time_factor: float | None


@dataclass(frozen=True)
class AdminLeaves:
    """Leaves that only administration uses."""

    overview: Overview
    balances: Balances
    users: Users
    lease_s: float | None = None  # how long a worker elsewhere may be silent; None if there are no other workers


class Admin:
    """Administration of all users. Every method may raise DatabaseBusy, and those that write StorageFull."""

    def __init__(self, parts: Parts, keys: Keys, leaves: AdminLeaves) -> None:
        self._parts, self._keys, self._leaves, self._overview = parts, keys, leaves, leaves.overview
        self._speed = Speed()
        parts.journal.tell_ends_to(self._speed.note)

    async def users(self, offset: int, limit: int) -> Sequence[User]:
        """Return a page of users, newest first, with their balances."""
        return await self._overview.users(offset, limit)

    async def user(self, user_id: str) -> User:
        """Return a user with their balance. Raises NotFound."""
        return await self._overview.user(user_id)

    async def add_user(self, name: str) -> User:
        """Create a user without a key and return them. Raises AlreadyThere."""
        return await self._overview.add_user(name)

    async def credit(self, user_id: str, amount_ms: int) -> User:
        """Add milliseconds of sound to a user's balance; return the user. Raises NotFound."""
        user = await self._overview.user(user_id)
        await self._leaves.balances.credit(user.name, amount_ms)
        log.info("minutes credited", to=user.name, minutes=amount_ms / 60_000)
        return await self._overview.user(user_id)

    async def set_priority(self, user_id: str, priority: int) -> User:
        """Set the priority of a user's jobs, higher ones run first; return the user. Raises NotFound."""
        await self._leaves.users.set_priority(user_id, priority)
        user = await self._overview.user(user_id)
        log.info("priority set", to=user.name, priority=priority)
        return user

    async def delete_user(self, user_id: str) -> None:
        """Stop a user's jobs and remove the user with all data. Raises NotFound, StorageBroken."""
        user = await self._overview.user(user_id)
        await delete_user(self._leaves.users, self._parts.storage, user.name)
        log.info("user deleted", to=user.name)

    async def keys(self, user_id: str | None, offset: int, limit: int) -> Sequence[KeyInfo]:
        """Return a page of the keys of one user, or of all, newest first. Raises NotFound."""
        if user_id is not None:
            await self._overview.user(user_id)
        return await self._keys.page(user_id, offset, limit)

    async def add_key(self, user_id: str, wanted: KeyRequest) -> tuple[str, KeyInfo]:
        """Create a key for a user; its text cannot be shown again. Raises NotFound, InvalidOption."""
        options = KeyOptions(wanted.name, wanted.scope, _moment(wanted.expires))
        key = await self._keys.create_for(user_id, options)
        return key, await self._keys.find(key)

    async def rotate_key(self, key_id: str, grace: str, expires: str | None) -> tuple[str, KeyInfo]:
        """Create a key that replaces another, which stays valid for `grace`. Raises NotFound, InvalidOption."""
        _check(key_id)
        with _about("grace"):
            grace_us = duration_s(grace) * 1_000_000
        key = await self._keys.rotate(key_id, grace_us, _moment(expires))
        return key, await self._keys.find(key)

    async def revoke_key(self, key_id: str) -> None:
        """Revoke a key. Raises NotFound."""
        _check(key_id)
        if not await self._keys.revoke(key_id):
            raise NotFound("There is no such valid key.")

    async def queue(self, offset: int, limit: int) -> Sequence[QueuedJob]:
        """Return a page of the jobs that have not ended, oldest first."""
        now, at_work = now_us(), self._parts.running.ids()
        return [self._queued(job, now, at_work) for job in await self._overview.open_jobs(offset, limit)]

    async def disk(self) -> Disk:
        """Return free and used disk space. Raises StorageBroken."""
        return Disk(self._parts.storage.free_bytes(), await self._overview.stored())

    async def rates(self) -> Rates:
        """Return the figures of the last hour."""
        return Rates(WINDOW_S, await self._overview.ended(WINDOW_S), self._speed.factor())

    def _queued(self, job: OpenJob, now: int, at_work: set[str]) -> QueuedJob:
        doing = "downloading" if job.source_url else "running"
        state = doing if job.id in at_work or self._is_at_work_elsewhere(job, now) else "waiting"
        latest = self._parts.board.latest(job.id)
        return QueuedJob(job, state, latest.percent if latest else job.percent, max(0, now - job.created_at_us) / 1e6)

    def _is_at_work_elsewhere(self, job: OpenJob, now: int) -> bool:
        """Return whether another worker has renewed its lease on a job; clocks differ by less than a lease."""
        lease_s, heard_us = self._leaves.lease_s, job.heartbeat_at_us
        return lease_s is not None and heard_us is not None and now - heard_us < lease_s * 1e6


def _check(key_id: str) -> None:
    if len(key_id) != SHOWN_DIGITS:  # fewer digits could match several keys
        raise NotFound("There is no such key.")


def _moment(expires: str | None) -> int | None:
    with _about("expires"):
        return None if expires is None else moment_us(expires, now_us())


@contextmanager
def _about(field: str) -> Iterator[None]:
    """Put the field's name in front of the message of an InvalidOption."""
    try:
        yield
    except InvalidOption as error:
        raise InvalidOption(f"{field} is wrong: {error.message}") from None
