"""After a crash: files without a record go, jobs that had not ended are queued again."""

import logging
from itertools import islice

from anyio import to_thread

from munsit_denoise.db.records import Records
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.storage import LocalStorage

log = logging.getLogger(__name__)
FOLDERS_AT_A_TIME = 200


async def requeue(records: Records, queue: LocalQueue) -> None:
    """Put every job that has not ended back into the queue, oldest first."""
    waiting = await records.pending()
    for job_id, user_id in waiting:
        await queue.put(user_id, job_id)
    if waiting:
        log.info("%d jobs from before go on", len(waiting))


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
