"""After a crash: files without a record go, jobs that had not ended are queued again."""

from itertools import islice

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.records import Waiting
from munsit_denoise.jobs.service import DenoiseService
from munsit_denoise.logs import get_logger
from munsit_denoise.queue.local import LocalQueue

log = get_logger()
FOLDERS_AT_A_TIME = 200
EXPIRY_INTERVAL_S = 600


async def requeue(service: DenoiseService, tasks: TaskGroup, delay_s: float) -> None:
    """Put every job that has not ended back into its queue, oldest first.

    A job that was running when a server died may have killed it, or was hit by a kill by chance. Such suspects
    come behind the others. One that was there twice waits `delay_s` for each time but the first: by then the
    others have run, and kills in quick succession do not use its attempts up.
    """
    waiting = await service.records.pending()
    for job in sorted(waiting, key=lambda job: job.attempts > 0):
        service.journal.resumed(job)
        if job.attempts > 1:
            tasks.start_soon(_put_later, service.queue, job, delay_s * (job.attempts - 1))
        else:
            await (service.inbox if job.source_url else service.queue).put(job.user_id, job.id)
    if waiting:
        log.info("jobs from before go on", jobs=len(waiting))


async def _put_later(queue: LocalQueue, job: Waiting, delay_s: float) -> None:
    await anyio.sleep(delay_s)
    await queue.put(job.user_id, job.id)


async def expire_uploads(service: DenoiseService, hours: float) -> None:
    """Delete, for ever and again, uploads that are older; jobs that were made of them keep their files."""
    while hours:
        for upload_id in await service.uploads.older_than(now_us() - int(hours * 3.6e9)):
            await service.uploads.delete(upload_id)
            await service.storage.delete_job(upload_id)
        await anyio.sleep(EXPIRY_INTERVAL_S)


async def sweep(service: DenoiseService, started_s: float) -> int:
    """Delete what a crash left half done before `started_s`; return how many files went.

    A file is an orphan when no record names it: an upload that was never answered, a result that was never
    committed, a part.
    """
    storage = service.storage
    folders = storage.old_jobs(started_s)
    removed = 0
    while batch := await to_thread.run_sync(lambda: list(islice(folders, FOLDERS_AT_A_TIME))):
        ids = [job_id for job_id, _ in batch]
        used = await service.records.storage_keys(ids) | await service.uploads.storage_keys(ids)
        for job_id, keys in batch:
            orphans = [key for key in keys if key not in used.get(job_id, set())]
            for key in orphans:
                await storage.delete(key)
            if job_id not in used:
                await storage.delete_job(job_id)
            removed += len(orphans)
    if removed:
        log.info("files without a record were removed", files=removed)
    return removed
