"""Removes what no record names: uploads without an answer, results without a commit, parts.

Recordings that the database never knew are set aside, not deleted: it may be restored from an older backup. Uploads
without an answer are recognised by their mark (`storage.base.UNANSWERED`).
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import anyio

from munsit_denoise.db.engine import now_us
from munsit_denoise.errors import Unavailable
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.logs import get_logger
from munsit_denoise.storage.base import PART_SUFFIX, UNANSWERED, whole_key

log = get_logger()
SWEEP_INTERVAL_S = 3600
EXPIRY_INTERVAL_S = 600


@dataclass
class _Found:
    """What some jobs' folders hold that no record names."""

    files: dict[str, list[str]] = field(default_factory=dict)  # keys by the id of a job whose other files stay
    folders: dict[str, list[str]] = field(default_factory=dict)  # keys by the id of a job that holds nothing else
    strangers: list[str] = field(default_factory=list)  # jobs with recordings of which the database never heard


async def sweep_forever(parts: Parts, interval_s: float = SWEEP_INTERVAL_S, age_s: float = 0.0) -> None:
    """Sweep at the start, and again now and then."""
    while True:
        await sweep(parts, age_s)
        await anyio.sleep(interval_s)


async def sweep(parts: Parts, age_s: float = 0.0) -> int:
    """Delete what no record names; return how many files went. What is being worked on is left alone.

    Where other processes work as well, that is what is younger than `age_s`.
    """
    removed, strangers = 0, []
    async for job_ids in parts.storage.jobs():
        found = await _look(parts, job_ids)
        if age_s:
            found = await _old_enough(parts, found, time.time() - age_s)
        removed += await _remove(parts, found)
        strangers += found.strangers
    if removed:
        log.info("files without a record were removed", files=removed)
    if strangers:
        await _put_aside(parts, strangers)
    return removed


async def _look(parts: Parts, job_ids: Sequence[str]) -> _Found:
    """Return what no record names among some jobs' files.

    The order matters. What was listed before it was asked who is at work, and that before the records were asked,
    has been settled in the records if nobody is at work on it. What comes after the listing is not touched.
    """
    listed = {job_id: await parts.storage.keys(job_id) for job_id in job_ids}
    at_work = parts.coming | parts.running.ids()
    idle = [job_id for job_id in job_ids if job_id not in at_work]
    used = await parts.records.storage_keys(idle) | await parts.uploads.storage_keys(idle)
    deleted = await parts.records.known([job_id for job_id in idle if job_id not in used])
    found = _Found()
    for job_id in idle:
        keys = listed[job_id]
        if job_id in used:
            found.files[job_id] = [key for key in keys if not _is_used(key, keys, used[job_id])]
        elif job_id in deleted or not _holds_recordings(job_id, keys):
            found.folders[job_id] = keys
        else:
            found.strangers.append(job_id)
    return found


async def _old_enough(parts: Parts, found: _Found, before_s: float) -> _Found:
    """Return what was not touched since a time: the rest may be another process's, which is at work on it."""

    async def is_old(key: str) -> bool:
        try:
            return (await parts.storage.stat(key)).modified_s < before_s
        except FileNotFoundError:
            return False

    async def all_old(keys: Sequence[str]) -> bool:
        for key in keys:
            if not await is_old(key):
                return False
        return True

    files = {job_id: [key for key in keys if await is_old(key)] for job_id, keys in found.files.items() if keys}
    folders = {job_id: keys for job_id, keys in found.folders.items() if await all_old(keys)}
    strangers = [job_id for job_id in found.strangers if await all_old(await parts.storage.keys(job_id))]
    return _Found(files, folders, strangers)


def _is_used(key: str, keys: Collection[str], used: Collection[str]) -> bool:
    """Say whether a row names a file, or one that comes in parts and is not whole yet."""
    whole = whole_key(key)
    return key in used or (whole in used and whole not in keys)


def _holds_recordings(job_id: str, keys: Collection[str]) -> bool:
    """Say whether files are there that somebody may have been promised: whole ones, whose record was committed."""
    whole = [key for key in keys if not key.endswith(PART_SUFFIX) and whole_key(key) == key]
    return f"{job_id}/{UNANSWERED}" not in keys and bool(whole)


async def _remove(parts: Parts, found: _Found) -> int:
    removed = 0
    for job_id, keys in (found.files | found.folders).items():
        try:
            if job_id in found.folders:
                await parts.storage.delete_job(job_id)
            else:
                for key in keys:
                    await parts.storage.delete(key)
            removed += len(keys)
        except Unavailable as error:
            log.warning("files without a record cannot be removed", folder=job_id, reason=error.message)
    return removed


async def _put_aside(parts: Parts, strangers: Sequence[str]) -> None:
    try:
        place = await parts.storage.set_aside(strangers)
    except Unavailable as error:
        log.warning("recordings that the database does not know stay where they are", reason=error.message)
    else:
        advice = "Was the database restored from an older backup? Nothing of them was deleted."
        log.warning(
            "recordings that the database does not know were set aside",
            folders=len(strangers),
            place=place,
            advice=advice,
        )


async def expire_uploads(parts: Parts, hours: float) -> None:
    """Delete, for ever and again, uploads that are older; jobs that were made of them keep their files.

    The file goes first: one without a row would be taken for a recording that a restored database does not know.
    """
    while hours:
        for upload_id in await parts.uploads.older_than(now_us() - int(hours * 3.6e9)):
            await parts.storage.delete_job(upload_id)
            await parts.uploads.delete(upload_id)
        await anyio.sleep(EXPIRY_INTERVAL_S)
