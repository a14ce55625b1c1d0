"""What no record names goes: uploads that were never answered, results that were never committed, parts."""

from collections.abc import Sequence

import anyio

from munsit_denoise.db.engine import now_us
from munsit_denoise.errors import Unavailable
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.logs import get_logger

log = get_logger()
SWEEP_INTERVAL_S = 3600
EXPIRY_INTERVAL_S = 600


async def sweep_forever(parts: Parts) -> None:
    """Sweep at the start, and again now and then."""
    while True:
        await sweep(parts)
        await anyio.sleep(SWEEP_INTERVAL_S)


async def sweep(parts: Parts) -> int:
    """Delete what no record names; return how many files went. What is being worked on is left alone."""
    removed = 0
    async for job_ids in parts.storage.jobs():
        removed += await _sweep_some(parts, job_ids)
    if removed:
        log.info("files without a record were removed", files=removed)
    return removed


async def _sweep_some(parts: Parts, job_ids: Sequence[str]) -> int:
    """Sweep some jobs' folders.

    The order matters. What was listed before it was asked who is at work, and that before the records were asked,
    has been settled in the records if nobody is at work on it. What comes after the listing is not touched.
    """
    listed = {job_id: await parts.storage.keys(job_id) for job_id in job_ids}
    at_work = parts.coming | parts.running.ids()
    idle = [job_id for job_id in job_ids if job_id not in at_work]
    used = await parts.records.storage_keys(idle) | await parts.uploads.storage_keys(idle)
    removed = 0
    for job_id in idle:
        orphans = [key for key in listed[job_id] if key not in used.get(job_id, set())]
        try:
            if job_id not in used:
                await parts.storage.delete_job(job_id)
            for key in orphans:
                await parts.storage.delete(key)
            removed += len(orphans)
        except Unavailable as error:
            log.warning("files without a record cannot be removed", folder=job_id, reason=error.message)
    return removed


async def expire_uploads(parts: Parts, hours: float) -> None:
    """Delete, for ever and again, uploads that are older; jobs that were made of them keep their files."""
    while hours:
        for upload_id in await parts.uploads.older_than(now_us() - int(hours * 3.6e9)):
            await parts.uploads.delete(upload_id)
            await parts.storage.delete_job(upload_id)
        await anyio.sleep(EXPIRY_INTERVAL_S)
