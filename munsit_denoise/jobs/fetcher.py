"""Originals that a URL stands for: fetched beside the jobs that run, then queued as any other."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from munsit_denoise.db.records import Records
from munsit_denoise.errors import DenoiseError
from munsit_denoise.events.base import Bell
from munsit_denoise.jobs.intake import Examiner, Received, described
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.jobs.running import RunningJobs
from munsit_denoise.logs import get_logger
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import DenoiseRecord, Failed, Queued
from munsit_denoise.storage import LocalStorage

log = get_logger()

Download = Callable[[str, Path], Awaitable[Received]]  # from a URL to a path; its name is empty where none is told


@dataclass(frozen=True)
class Fetcher:
    """What it takes to fetch originals. A crash costs a download: the next start begins it anew."""

    records: Records
    storage: LocalStorage
    inbox: LocalQueue  # jobs whose original is still to be fetched
    queue: LocalQueue
    bell: Bell
    running: RunningJobs
    examiner: Examiner
    download: Download
    journal: Journal = field(default_factory=Journal)

    async def run_forever(self) -> None:
        """Fetch one original after the other."""
        while True:
            await self.fetch(await self.inbox.take())

    async def fetch(self, job_id: str) -> None:
        """Bring a job's original in and queue the job, or end it with a sentence."""
        record = await self.records.get(job_id)
        if record is None or record.source_url is None:
            return
        with self.journal.working(record), self.running.working(job_id):
            try:
                await self._bring_in(record, record.source_url)
            except DenoiseError as error:
                await self._give_up(record, error.message)
            except Exception:  # a boundary: whatever a download breaks on, the next one goes on
                log.exception("download broke")
                await self._give_up(record, "The URL could not be downloaded.")

    async def _bring_in(self, record: DenoiseRecord, url: str) -> None:
        began_s = time.monotonic()
        async with self.storage.new_file(record.original_key) as path:
            received = await self.download(url, path)
            track = await self.examiner.examine(record.original_key, path)
        received = replace(received, file_name=received.file_name or record.file_name)
        found = described(record, received, track)
        if not await self.records.fetched(found):
            await self.storage.delete_job(record.id)
            return
        self.journal.fetched(found, time.monotonic() - began_s)
        await self.queue.put(record.user_id, record.id)
        self.bell.publish(record.id, Queued(self.queue.position(record.user_id, record.id) or 0))

    async def _give_up(self, record: DenoiseRecord, message: str) -> None:
        await self.storage.delete_job(record.id)
        ended = await self.records.fail_fetch(record.id, message)
        if ended is not None:
            self.bell.publish(record.id, Failed(message))
            self.journal.ended(ended)
