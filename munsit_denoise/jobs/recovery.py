"""After a stop or a crash, jobs that had not ended are queued again."""

import anyio
from anyio.abc import TaskGroup

from munsit_denoise.db.records import PendingJob
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.logs import get_logger

log = get_logger()


async def requeue(parts: Parts, tasks: TaskGroup, delay_s: float) -> None:
    """Put every job that has not ended back into its queue, oldest first.

    A job that was running when a server died may have killed it, or was hit by a kill by chance. Such suspects
    come behind the others. One that was there twice waits `delay_s` for each time but the first: by then the
    others have run, and kills in quick succession do not use its attempts up.
    """
    waiting = [job for job in await parts.records.pending() if job.id not in parts.running.ids()]
    for job in sorted(waiting, key=lambda job: job.attempts > 0):
        parts.journal.resumed(job)
        if job.attempts > 1:
            tasks.start_soon(_put_later, parts, job, delay_s * (job.attempts - 1))
        else:
            await parts.put(job.user_id, job.id, job.source_url)
    if waiting:
        log.info("jobs that had not ended are queued again", jobs=len(waiting))


async def _put_later(parts: Parts, job: PendingJob, delay_s: float) -> None:
    await anyio.sleep(delay_s)
    await parts.put(job.user_id, job.id, job.source_url)
