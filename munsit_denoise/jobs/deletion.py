"""Deletes a job's files and keeps its record; what cannot be deleted now is tried again."""

import anyio

from munsit_denoise.errors import JobNotFound, StorageFull, Unavailable
from munsit_denoise.jobs.cancel import stop_work
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.logs import get_logger
from munsit_denoise.records import DenoiseRecord

log = get_logger()
RETRY_PAUSE_S = 5.0


class Deletion:
    """Deletes the files of jobs, and reports success only when they are gone."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._unfinished: dict[str, str] = {}  # user ids by job id

    async def delete_files(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Delete a job's original and result; stop the job if it has not ended.

        Raises JobNotFound, and an Unavailable while a file is left; the deletion is then retried in the background.
        """
        with anyio.CancelScope(shield=True):
            record = await self._delete(user_id, job_id)
        return record  # noqa: RET504 - a type checker cannot know that the scope swallows nothing

    async def finish_forever(self) -> None:
        """Retry unfinished deletions."""
        while True:
            await anyio.sleep(RETRY_PAUSE_S)
            for job_id, user_id in list(self._unfinished.items()):
                try:
                    await self.delete_files(user_id, job_id)
                except JobNotFound:
                    log.info("nothing is left to delete", job=job_id)
                except Unavailable as error:
                    log.warning("files cannot be deleted yet", job=job_id, reason=error.message)

    async def _delete(self, user_id: str, job_id: str) -> DenoiseRecord:
        try:
            record = await self._note(user_id, job_id)
            await self._remove(record)
        except Unavailable:
            self._unfinished[job_id] = user_id
            raise
        except JobNotFound:
            self._unfinished.pop(job_id, None)
            raise
        self._unfinished.pop(job_id, None)  # the retry loop may have finished it meanwhile
        self._parts.journal.files_deleted(record)
        return record

    async def _note(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Write into the row that the files are deleted, and stop the work on them.

        On a full disk the files are deleted first, which frees the space for the row.
        """
        records = self._parts.records
        try:
            record = await records.delete_files(user_id, job_id)
        except StorageFull:
            record = await records.get_own(user_id, job_id)
            await stop_work(self._parts, record)
            await self._parts.storage.delete_job(job_id)
            record = await records.delete_files(user_id, job_id)
        await stop_work(self._parts, record)
        self._parts.bell.ring(job_id)
        return record

    async def _remove(self, record: DenoiseRecord) -> None:
        await self._parts.storage.delete_job(record.id)
        if record.upload_id:  # its file first: the sweep keeps recordings without a row
            await self._parts.storage.delete_job(record.upload_id)
            await self._parts.uploads.delete(record.upload_id)
