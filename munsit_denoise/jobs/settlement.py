"""The only way to write the end of a job: retried until the database accepts it, then announced."""

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
STOP_PATIENCE_S = 5.0  # for a busy database, once the work is being stopped

Answer = TypeVar("Answer")


async def persist(write: Callable[[], Awaitable[Answer]]) -> Answer:
    """Run a database operation until it succeeds; a busy database must neither lose nor fail a job."""
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
    """Ends runs of jobs. If it is cancelled before the write, nothing is written."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def succeed(self, lease: Lease, result: RunResult, delivery: ResultDelivery | None = None) -> None:
        """End a job with success; the file of a late run is removed."""
        ended = await persist(lambda: self._parts.records.succeed(lease, result, delivery))
        if ended is None:
            found = await persist(lambda: self._parts.records.get(lease.record.id))
            if found is not None and found.result_key == result.key:
                ended = found  # written before, by a commit whose answer was lost
            else:
                await self.remove(*result.keys)
        self._tell_run(lease, ended)

    async def fail(self, lease: Lease, message: str) -> None:
        """Fail a job with a sentence."""
        self._tell_run(lease, await persist(lambda: self._parts.records.fail(lease, message)))

    async def fail_fetch(self, job_id: str, message: str) -> None:
        """Fail a job whose original cannot be downloaded."""
        self.tell(await persist(lambda: self._parts.records.fail_fetch(job_id, message)))

    async def give_back(self, lease: Lease) -> None:
        """Write that a run does not count as an attempt."""
        await persist(lambda: self._parts.records.give_back(lease))
        self._parts.board.end_run(lease)

    async def give_back_at_stop(self, lease: Lease, keys: Sequence[str], reason: str) -> None:
        """Write that a run does not count, and remove its files, while the caller is being cancelled.

        If the run has ended its job, by a commit whose answer was lost, the files stay and the end is announced. If the
        database does not say which it is, the sweep removes what no row names.
        """
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(STOP_PATIENCE_S):
                await self.give_back(lease)
                found = await persist(lambda: self._parts.records.get(lease.record.id))
                if found is not None and found.result_key in keys:
                    self.tell(found)
                    return
                await self.remove(*keys)
            self._parts.board.end_run(lease)
        self._parts.journal.interrupted(lease.record, reason)

    async def remove(self, *keys: str) -> None:
        """Remove files that no row names; on failure the sweep removes them later."""
        try:
            for key in keys:
                await self._parts.storage.delete(key)
        except Unavailable as error:
            log.warning("a file could not be removed", reason=error.message)

    def tell(self, ended: DenoiseRecord | None) -> None:
        """Ring for a job that has ended; None means that another run ended and announced it."""
        if ended is not None:
            self._parts.board.end(ended.id)
            self._parts.journal.ended(ended)
            self._parts.bell.ring(ended.id)

    def _tell_run(self, lease: Lease, ended: DenoiseRecord | None) -> None:
        """Announce the end of a job by this run; if another run ended it, only wake listeners to read the row."""
        self.tell(ended)
        if ended is None and self._parts.board.end_run(lease):
            self._parts.journal.forget(lease.record.id)
            self._parts.bell.ring(lease.record.id)
