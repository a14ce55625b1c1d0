"""After a crash: files without a record go, jobs that had not ended are queued again."""

import logging
from itertools import islice

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from munsit_denoise.db.records import Records, Waiting
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.storage import LocalStorage

log = logging.getLogger(__name__)
FOLDERS_AT_A_TIME = 200


async def requeue(records: Records, queue: LocalQueue, tasks: TaskGroup, delay_s: float) -> None:
    """Put every job that has not ended back into the queue, oldest first.

    A job that was running when a server died may have killed it, or was hit by a kill by chance. Such suspects
    come behind the others. One that was there twice waits `delay_s` for each time but the first: by then the
    others have run, and kills in quick succession do not use its attempts up.
    """
    waiting = await records.pending()
    for job in sorted(waiting, key=lambda job: job.attempts > 0):
        if job.attempts > 1:
            tasks.start_soon(_put_later, queue, job, delay_s * (job.attempts - 1))
        else:
            await queue.put(job.user_id, job.id)
    if waiting:
        log.info("%d jobs from before go on", len(waiting))


async def _put_later(queue: LocalQueue, job: Waiting, delay_s: float) -> None:
    await anyio.sleep(delay_s)
    await queue.put(job.user_id, job.id)


async def sweep(records: Records, storage: LocalStorage, started_s: float) -> int:
    """Delete what a crash left half done before `started_s`; return how many files went.

    A file is an orphan when no record names it: an upload that was never answered, a result that was never
    committed, a part.
    """
    folders = storage.old_jobs(started_s)
    removed = 0
    while batch := await to_thread.run_sync(lambda: list(islice(folders, FOLDERS_AT_A_TIME))):
        used = await records.storage_keys([job_id for job_id, _ in batch])
        for job_id, keys in batch:
            orphans = [key for key in keys if key not in used.get(job_id, set())]
            for key in orphans:
                await storage.delete(key)
            if job_id not in used:
                await storage.delete_job(job_id)
            removed += len(orphans)
    if removed:
        log.info("%d files without a record were removed", removed)
    return removed
