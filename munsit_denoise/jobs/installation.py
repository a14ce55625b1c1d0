"""Database and storage have one installation id; a server does not start on a pair that does not match."""

import uuid

from munsit_denoise.db.installation import Installation
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.logs import get_logger
from munsit_denoise.storage.base import Storage

log = get_logger()
WAY_OUT = (
    "Check DENOISE_DATABASE_URL, DENOISE_STORAGE_URL and DENOISE_DATA_DIR. If database and storage are both right, "
    "start once with DENOISE_ADOPT_STORAGE=true: files that the database does not know are set aside then, and nothing "
    "is deleted."
)
FRESH = (
    "The storage holds recordings that this database does not know: the database is new, or belongs to another "
    "installation. " + WAY_OUT
)
STRANGE = "The storage belongs to another database than this one. " + WAY_OUT
EMPTY = "The storage is not the one that this database's recordings lie in: it is empty. " + WAY_OUT


async def belong_together(
    installation: Installation, storage: Storage, records: Records, uploads: Uploads, *, adopt: bool
) -> None:
    """Make sure that database and storage have the same id. Raises CannotGoOn.

    What an older version left without an id gets one when all that lies in storage is known to the database. Of servers
    that start at the same time, one does so, and the others wait.
    """
    if await _carry_one_id(installation, storage):
        return
    async with installation.alone():
        if not await _carry_one_id(installation, storage):
            await _agree(installation, storage, records, uploads, adopt=adopt)


async def _carry_one_id(installation: Installation, storage: Storage) -> bool:
    own = await installation.id()
    return own is not None and own == await storage.installation_id()


async def _agree(
    installation: Installation, storage: Storage, records: Records, uploads: Uploads, *, adopt: bool
) -> None:
    own, marked = await installation.id(), await storage.installation_id()
    strangers = await _strangers(storage, records, uploads)
    if not adopt:
        if own is not None and marked is not None:
            raise CannotGoOn(STRANGE)
        if strangers:
            raise CannotGoOn(FRESH)
        if own is not None and not await _any_jobs(storage) and (await records.any_files() or await uploads.any()):
            raise CannotGoOn(EMPTY)
    elif strangers:
        place = await storage.set_aside(strangers)
        log.warning("files that the database does not know were set aside", folders=len(strangers), place=place)
    agreed = own or (None if adopt else marked) or str(uuid.uuid4())
    await storage.name_installation(agreed)
    await installation.name(agreed)


async def _strangers(storage: Storage, records: Records, uploads: Uploads) -> list[str]:
    """Return the jobs in storage that are not in the database."""
    found: list[str] = []
    async for job_ids in storage.jobs():
        known = await records.known(job_ids) | set(await uploads.storage_keys(job_ids))
        found += [job_id for job_id in job_ids if job_id not in known]
    return found


async def _any_jobs(storage: Storage) -> bool:
    async for _ in storage.jobs():
        return True
    return False
