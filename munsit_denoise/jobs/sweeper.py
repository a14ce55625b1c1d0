"""Removes files that no record names: unanswered uploads, uncommitted results, parts.

Recordings that the database never knew are set aside instead of deleted, because the database may have been restored
from an older backup. Unanswered uploads are recognised by their mark (`storage.base.UNANSWERED`).
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
    """Files of some jobs' folders that no record names."""

    files: dict[str, list[str]] = field(default_factory=dict)  # keys by job id, for folders in which other files stay
    folders: dict[str, list[str]] = field(default_factory=dict)  # keys by job id, for folders that hold nothing else
    strangers: list[str] = field(default_factory=list)  # jobs with recordings that the database never knew


async def sweep_forever(parts: Parts, interval_s: float = SWEEP_INTERVAL_S, age_s: float = 0.0) -> None:
    """Sweep at the start and then at intervals."""
    while True:
        await sweep(parts, age_s)
        await anyio.sleep(interval_s)


async def sweep(parts: Parts, age_s: float = 0.0) -> int:
    """Delete files that no record names and nobody works on; return their number.

    If there are other processes, only files older than `age_s` are deleted.
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
    """Return the files of some jobs that no record names.

    The order of the three steps matters: list files, note which jobs are worked on, then read records. Whatever was
    listed is settled in the records by then, unless somebody works on it. Files that appear after the listing are not
    touched.
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
    """Return what is older than a time; newer files may belong to another process that works on them."""

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
    """Return whether a row names a file, or the unfinished file of an upload."""
    whole = whole_key(key)
    return key in used or (whole in used and whole not in keys)


def _holds_recordings(job_id: str, keys: Collection[str]) -> bool:
    """Return whether there are complete files, which a client may have been promised."""
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
    """Delete uploads older than `hours`, at regular intervals; jobs made from them keep their files.

    The file is deleted first, because a file without a row counts as a recording that a restored database does not
    know.
    """
    while hours:
        for upload_id in await parts.uploads.older_than(now_us() - int(hours * 3.6e9)):
            try:
                await parts.storage.delete_job(upload_id)
                await parts.uploads.delete(upload_id)
            except Unavailable as error:
                log.warning("an expired upload cannot be deleted yet", folder=upload_id, reason=error.message)
        await anyio.sleep(EXPIRY_INTERVAL_S)
