"""Queues unfinished jobs again after a stop or a crash."""

import anyio
from anyio.abc import TaskGroup

from munsit_denoise.db.records import PendingJob
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.logs import get_logger

log = get_logger()


async def requeue(parts: Parts, tasks: TaskGroup, delay_s: float) -> None:
    """Put every unfinished job back into its queue, oldest first.

    A job that ran when a server died may have caused the crash, or not. Such jobs are queued behind the others. A job
    that ran in several crashes also waits `delay_s` for each crash after the first, so that the others run first and a
    quick series of crashes does not use up its attempts.
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
