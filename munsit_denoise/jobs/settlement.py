"""The one way to write the end of a job: retried until the database takes it, then announced."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

from munsit_denoise.db.records import Lease, RunResult
from munsit_denoise.errors import Unavailable
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.logs import get_logger
from munsit_denoise.records import DenoiseRecord, ResultDelivery

log = get_logger()
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
STOP_PATIENCE_S = 5.0  # for a database that is busy, once the work is being stopped

Answer = TypeVar("Answer")


async def persist(write: Callable[[], Awaitable[Answer]]) -> Answer:
    """Write, or read, until the database can: a busy one is no reason to lose a job, nor to fail it."""
    pause_s, told = FIRST_PAUSE_S, ""
    while True:
        try:
            return await write()
        except Unavailable as error:
            if error.message != told:
                log.warning("a job's state cannot be written yet", reason=error.message)
            told = error.message
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class Settlement:
    """Ends a run of a job. Cancelling one that is not written yet leaves nothing written."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def succeed(self, lease: Lease, result: RunResult, delivery: ResultDelivery | None = None) -> None:
        """End a job well; a late run's result goes."""
        ended = await persist(lambda: self._parts.records.succeed(lease, result, delivery))
        if ended is None:
            found = await persist(lambda: self._parts.records.get(lease.record.id))
            if found is not None and found.result_key == result.key:
                ended = found  # it was written before, by a commit whose answer was lost
            else:
                await self.remove(*result.keys)
        self._tell_run(lease, ended)

    async def fail(self, lease: Lease, message: str) -> None:
        """End a job with a sentence."""
        self._tell_run(lease, await persist(lambda: self._parts.records.fail(lease, message)))

    async def fail_fetch(self, job_id: str, message: str) -> None:
        """End a job whose original cannot be had."""
        self.tell(await persist(lambda: self._parts.records.fail_fetch(job_id, message)))

    async def give_back(self, lease: Lease) -> None:
        """Note that a run was no attempt."""
        await persist(lambda: self._parts.records.give_back(lease))
        self._parts.board.end_run(lease)

    async def give_back_at_stop(self, lease: Lease, keys: Sequence[str], reason: str) -> None:
        """Note that a run was no attempt, and remove its files, while the caller is being cancelled."""
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(STOP_PATIENCE_S):
                await self.give_back(lease)
            self._parts.board.end_run(lease)
            await self.remove(*keys)
        self._parts.journal.interrupted(lease.record, reason)

    async def remove(self, *keys: str) -> None:
        """Remove files that no row names; what cannot be removed now is swept later."""
        try:
            for key in keys:
                await self._parts.storage.delete(key)
        except Unavailable as error:
            log.warning("a file could not be removed", reason=error.message)

    def tell(self, ended: DenoiseRecord | None) -> None:
        """Ring for a job that has ended; None is one that another run has ended, and told."""
        if ended is not None:
            self._parts.board.end(ended.id)
            self._parts.journal.ended(ended)
            self._parts.bell.ring(ended.id)

    def _tell_run(self, lease: Lease, ended: DenoiseRecord | None) -> None:
        """Ring for a job that a run has ended, or for one that was ended meanwhile: whoever listens here reads it."""
        self.tell(ended)
        if ended is None and self._parts.board.end_run(lease):
            self._parts.journal.forget(lease.record.id)
            self._parts.bell.ring(lease.record.id)
