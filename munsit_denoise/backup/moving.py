"""Moves an installation from one machine into a cluster: first the files, then all rows in one transaction.

An interrupted move can be repeated; files that were copied are compared. Until the rows are committed, the target has
no installation id; it is the last row.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from munsit_denoise.backup.copying import copy_file, copy_growing
from munsit_denoise.db.checkup import installation_id
from munsit_denoise.db.engine import open_database
from munsit_denoise.db.installation import Installation
from munsit_denoise.db.named_files import NamedFile, named_files
from munsit_denoise.db.transfer import compare_rows, copy_rows, is_empty, prepare_target
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.queue.moving import announcement
from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storages import open_storage

Tell = Callable[[int, int], None]  # called with the number of finished files, and of all files


@dataclass
class Moved:
    """What was moved."""

    files: int = 0
    size_bytes: int = 0
    rows: int = 0
    missing: list[str] = field(default_factory=list)  # keys in the database whose files were missing in the storage


async def move(source: Settings, target: Settings, scratch: Path, tell: Tell) -> Moved:
    """Copy an installation without a running server into an empty PostgreSQL database and an empty storage.

    The source must have this version's schema. Raises CannotGoOn, UnusableDatabase, OSError and Unavailable.
    """
    own_storage, their_storage = open_storage(source), open_storage(target, scratch)
    own = await _identity(source, own_storage)
    named = named_files(source.database)
    prepare_target(target.database)
    await _check_target(target, their_storage, own, named)
    moved = await _copy_files(own_storage, their_storage, named, tell)
    await their_storage.name_installation(own)
    if installation_id(target.database) == own:  # an earlier move has committed all rows
        moved.rows = compare_rows(source.database, target.database)
    else:
        moved.rows = copy_rows(source.database, target.database, announcement())
    return moved


async def _identity(source: Settings, storage: Storage) -> str:
    """Return the source's id, creating it if there was never a server. Raises CannotGoOn if its two ids differ."""
    own, marked = installation_id(source.database), await storage.installation_id()
    if own is not None and marked in (None, own):
        return own
    if own is not None or marked is not None:
        raise CannotGoOn(
            "The database and the recordings to be moved do not belong together. "
            "Check DENOISE_DATA_DIR, DENOISE_DATABASE_URL and DENOISE_STORAGE_URL."
        )
    own = str(uuid.uuid4())
    database = open_database(source.database)
    try:
        await Installation(database).name(own)
    finally:
        await database.close()
    await storage.name_installation(own)
    return own


async def _check_target(target: Settings, storage: Storage, own: str, named: Sequence[NamedFile]) -> None:
    """Raise CannotGoOn if anything in the target belongs to another installation."""
    theirs = installation_id(target.database)
    if theirs not in (None, own) or (theirs is None and not is_empty(target.database)):
        raise CannotGoOn("The target database belongs to another installation. Give an empty one.")
    if await storage.installation_id() not in (None, own):
        raise CannotGoOn("The target storage belongs to another installation. Give an empty bucket or prefix.")
    ours = {file.key.partition("/")[0] for file in named}
    async for job_ids in storage.jobs():
        if not ours.issuperset(job_ids):
            raise CannotGoOn("The target storage has other recordings. Give an empty bucket or prefix.")


async def _copy_files(source: Storage, target: Storage, named: Sequence[NamedFile], tell: Tell) -> Moved:
    moved = Moved()
    for done, file in enumerate(named, 1):
        copy = copy_growing if file.grows else copy_file
        try:
            moved.size_bytes += (await copy(source, target, file.key)).size_bytes
            moved.files += 1
        except FileNotFoundError:
            if not file.grows:  # of an upload in parts, nothing may have been received yet
                moved.missing.append(file.key)
        tell(done, len(named))
    return moved
