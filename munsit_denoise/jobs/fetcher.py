"""Downloads originals from URLs, independently of running jobs, and then queues the jobs."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from munsit_denoise.errors import DenoiseError, Interrupted, ResultTooLarge, Unavailable
from munsit_denoise.jobs.intake import Examiner, Received, UploadLimits, described
from munsit_denoise.jobs.machine_trouble import machine_trouble
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.pause import Pause
from munsit_denoise.jobs.settlement import Settlement, persist
from munsit_denoise.logs import get_logger
from munsit_denoise.records import DenoiseRecord, Status

log = get_logger()
MAX_INTERRUPTIONS = 3  # of one download, for reasons that do not depend on the file
RETRY_PAUSE_S = 1.0
BROKE = "The URL could not be downloaded."

Download = Callable[[str, Path], Awaitable[Received]]  # from a URL to a path; the name is empty if none was sent


@dataclass(frozen=True, kw_only=True)
class Fetcher:
    """The dependencies of downloads. A download cut off by a crash starts again with the next process."""

    parts: Parts
    settlement: Settlement
    examiner: Examiner
    limits: UploadLimits
    download: Download
    pause: Pause = field(default_factory=Pause)

    async def run_forever(self) -> None:
        """Download queued originals."""
        while True:
            await self.pause.wait()
            job_id = await self.parts.inbox.take()
            try:
                await self.fetch(job_id)
            finally:
                await self.parts.inbox.done(job_id)

    async def fetch(self, job_id: str) -> None:
        """Download a job's original and queue the job, fail it with a sentence, or put it back for a while."""
        with self.parts.running.working(job_id):  # before the row is read, so that ending the job also stops this
            record = await persist(lambda: self.parts.records.get(job_id))
            if record is not None and record.source_url is not None and record.status is Status.PENDING:
                with self.parts.journal.working(record):
                    await self._fetch(record, record.source_url)
            elif record is None or record.status is not Status.PENDING:
                self.parts.journal.forget(job_id)  # it ended elsewhere, or its user was deleted

    async def _fetch(self, record: DenoiseRecord, url: str) -> None:
        try:
            await self._bring_in(record, url)
        except Exception as error:  # boundary: one failed download must not end the loop
            await self._settle(record, error)

    async def _bring_in(self, record: DenoiseRecord, url: str) -> None:
        began_s = time.monotonic()
        found = await self._fetched(record, url)
        most_mb = self.limits.result_mb_per_user
        if 0 < most_mb * 2**20 < found.result_bytes:
            raise ResultTooLarge(most_mb, found.result_bytes)
        if not await persist(lambda: self.parts.records.fetched(found)) and not await self._has_come_in(record.id):
            self.parts.journal.forget(record.id)
            await self._remove(record.id)
            return
        self.pause.over()
        self.parts.journal.fetched(found, time.monotonic() - began_s)
        await self.parts.queue.put(record.user_id, record.id)
        self.parts.bell.ring(record.id)

    async def _has_come_in(self, job_id: str) -> bool:
        """Return whether a job has its original, after a commit with a lost answer or from another worker."""
        record = await persist(lambda: self.parts.records.get(job_id))
        return record is not None and record.source_url is None

    async def _fetched(self, record: DenoiseRecord, url: str) -> DenoiseRecord:
        """Store the original and return the record that describes it."""
        for attempt in range(1, MAX_INTERRUPTIONS + 1):
            try:
                async with self.parts.storage.new_file(record.original_key) as path:
                    received = await self.download(url, path)
                    track = await self.examiner.examine(record.user_id, path, record.options.audio_track)
            except Interrupted:
                if attempt == MAX_INTERRUPTIONS:
                    raise
                await anyio.sleep(RETRY_PAUSE_S)
            else:
                return described(record, replace(received, file_name=received.file_name or record.file_name), track)
        raise AssertionError  # unreachable: the loop returns or raises

    async def _settle(self, record: DenoiseRecord, error: Exception) -> None:
        trouble = machine_trouble(error)
        if trouble is not None:
            self.parts.journal.interrupted(record, trouble.message)
            self.pause.begin(trouble)
            await self.parts.inbox.put(record.user_id, record.id)
            return
        if not isinstance(error, DenoiseError):
            log.exception("download broke", exc_info=error)
        await self.settlement.fail_fetch(record.id, error.message if isinstance(error, DenoiseError) else BROKE)
        if not await self._has_come_in(record.id):
            await self._remove(record.id)

    async def _remove(self, job_id: str) -> None:
        try:
            await self.parts.storage.delete_job(job_id)
        except Unavailable as error:  # the sweep removes it later
            log.warning("a downloaded original could not be removed", reason=error.message)
