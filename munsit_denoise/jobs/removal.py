"""Removes records with all their data: first they are hidden, then their files are deleted, then their row.

The row stays marked until the files are gone, so what a crash or a broken disk interrupts is finished later.
"""

import anyio

from munsit_denoise.errors import JobNotFound, StorageFull, Unavailable
from munsit_denoise.jobs.cancel import stop_work
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.logs import get_logger
from munsit_denoise.records import DenoiseRecord

log = get_logger()
RETRY_PAUSE_S = 5.0
LONGEST_PAUSE_S = 60.0  # between two searches for removals that other processes left unfinished


class Removal:
    """Removes records. The upload that a job was made from stays."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._unmarked: dict[str, str] = {}  # user ids by job id, if there was no space to write the mark
        self._unfinished = anyio.Event()

    async def remove(self, user_id: str, job_id: str) -> None:
        """Remove a user's record and its files; stop its job if that has not ended.

        Raises JobNotFound, and an Unavailable while something is left; the removal is then retried in the background.
        """
        with anyio.CancelScope(shield=True):
            try:
                await self._remove(user_id, job_id)
            except Unavailable:
                self._unfinished.set()
                raise

    async def finish_forever(self) -> None:
        """Retry unfinished removals, also those of earlier processes."""
        while True:
            self._unfinished = anyio.Event()
            try:
                await self._go_on()
            except Unavailable as error:
                self._unfinished.set()
                log.warning("records cannot be removed yet", reason=error.message)
            with anyio.move_on_after(LONGEST_PAUSE_S):
                await self._unfinished.wait()
            await anyio.sleep(RETRY_PAUSE_S)

    async def _go_on(self) -> None:
        """Finish what can be finished. Raises an Unavailable if something is left."""
        for job_id, user_id in list(self._unmarked.items()):
            try:
                await self.remove(user_id, job_id)
            except JobNotFound:
                self._unmarked.pop(job_id, None)
        left: list[Unavailable] = []
        while job_ids := await self._parts.records.removed(len(left)):
            for job_id in job_ids:
                try:
                    await self._finish(job_id)
                except Unavailable as error:  # one folder that cannot be deleted does not keep the others
                    left.append(error)
        if left:
            raise left[0]

    async def _remove(self, user_id: str, job_id: str) -> None:
        record = await self._mark(user_id, job_id)
        self._unmarked.pop(job_id, None)
        await stop_work(self._parts, record)
        self._parts.journal.cancelled(record)
        self._parts.bell.ring(job_id)
        await self._finish(job_id)
        self._parts.journal.files_deleted(record)

    async def _mark(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Hide a record. On a full disk the files are deleted first, which frees the space for the mark."""
        records = self._parts.records
        try:
            return await records.mark_removed(user_id, job_id)
        except StorageFull:
            record = await records.get_own(user_id, job_id)
            self._unmarked[job_id] = user_id
            await stop_work(self._parts, record)
            await self._parts.storage.delete_job(job_id)
            return await records.mark_removed(user_id, job_id)

    async def _finish(self, job_id: str) -> None:
        await self._parts.running.stop(job_id)
        self._parts.journal.forget(job_id)
        await self._parts.storage.delete_job(job_id)
        await self._parts.records.forget(job_id)
