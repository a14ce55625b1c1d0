"""Restores a backup: it is checked completely before anything changes, and the database is replaced last."""

from pathlib import Path

from munsit_denoise.backup import manifest
from munsit_denoise.backup.copying import copy_file, copy_growing
from munsit_denoise.backup.manifest import FileDigest, Manifest, digest_of, read_manifest
from munsit_denoise.db.migrate import known_revisions
from munsit_denoise.db.snapshot import put_in_place
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage
from munsit_denoise.storages import open_storage


def check_backup(folder: Path) -> Manifest:
    """Return the manifest of a backup after comparing the digests of all its files. Raises CannotGoOn."""
    found = read_manifest(folder)
    if found.schema not in known_revisions():
        raise CannotGoOn(
            f"The backup {folder} was made by munsit-denoise {found.version}, which is newer. "
            "Restore it with that version."
        )
    paths = {folder / manifest.FILES / key[:2] / key: digest for key, digest in found.files.items()}
    paths[folder / manifest.DATABASE] = found.database
    damaged = [str(path.relative_to(folder)) for path, digest in paths.items() if _digest_of(path) != digest]
    if damaged:
        raise CannotGoOn(
            f"{len(damaged)} files of the backup {folder} are damaged or missing, {damaged[0]} among them. "
            "Nothing was changed. Use another backup."
        )
    return found


def _digest_of(path: Path) -> FileDigest | None:
    try:
        return digest_of(path)
    except OSError:
        return None


async def restore(settings: Settings, folder: Path, *, overwrite: bool) -> tuple[Manifest, list[str]]:
    """Replace the settings' database and storage, which no server may use, by a backup.

    Returns the manifest, and where things were set aside: with `overwrite` the old database, and recordings that the
    backup does not contain. If this is interrupted, the old database stays in use, and the restore can be repeated.
    Raises CannotGoOn, OSError and Unavailable.
    """
    if settings.is_cluster:
        raise CannotGoOn("A backup of SQLite is restored to SQLite. Then munsit-denoise move takes it into a cluster.")
    found = check_backup(folder)
    storage = open_storage(settings)
    if not overwrite:
        await _check_empty(settings, storage)
    source = LocalStorage(folder / manifest.FILES)
    for key, digest in found.files.items():
        copy = copy_growing if key in found.growing else copy_file
        if await copy(source, storage, key) != digest:
            raise CannotGoOn(f"{key} of the backup has changed while it was read. Run the command again.")
    if found.installation is not None:
        await storage.name_installation(found.installation)
    kept = put_in_place(folder / manifest.DATABASE, settings.database_path)
    return found, [*([str(kept)] if kept else []), *await _put_strangers_aside(storage, found)]


async def _check_empty(settings: Settings, storage: Storage) -> None:
    if settings.database_path.exists():
        raise CannotGoOn(
            f"The database {settings.database_path} exists. "
            "Use --overwrite to set it aside and put the backup in its place."
        )
    async for _ in storage.jobs():
        raise CannotGoOn(
            "The storage has recordings. Use --overwrite to set aside those that the backup does not know."
        )


async def _put_strangers_aside(storage: Storage, found: Manifest) -> list[str]:
    """Set aside the recordings that the backup does not contain; return where."""
    known = {key.partition("/")[0] for key in (*found.files, *found.missing)}
    strangers = []
    async for job_ids in storage.jobs():
        strangers += [job_id for job_id in job_ids if job_id not in known]
    return [await storage.set_aside(strangers)] if strangers else []
