"""Saves an installation with a SQLite database while its server runs.

The database comes first. Every file is in the storage before a row names it, and it never changes. So all files of a
snapshot exist unless they were deleted meanwhile; then the rows have changed too, and a newer snapshot shows it. Files
first would miss those whose rows are committed meanwhile.
"""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from munsit_denoise import __version__
from munsit_denoise.backup import manifest
from munsit_denoise.backup.copying import copy_file, copy_growing, link_file
from munsit_denoise.backup.manifest import FileDigest, Manifest, digest_of
from munsit_denoise.db.checkup import installation_id, schema
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.named_files import NamedFile, named_files
from munsit_denoise.db.snapshot import take_snapshot
from munsit_denoise.errors import CannotGoOn
from munsit_denoise.settings import Settings
from munsit_denoise.storage.base import Storage
from munsit_denoise.storage.local import LocalStorage
from munsit_denoise.storages import open_storage

MOST_ROUNDS = 5
ASKED = ".asked-"  # of a folder for a copy of the snapshot, which is queried in its place
OURS = {manifest.DATABASE, manifest.DATABASE + ".part", manifest.FILES, manifest.FILE + ".part"}


@dataclass(frozen=True)
class _Told:
    """The content of a snapshot."""

    files: list[NamedFile]
    installation: str | None
    schema: str


async def save(settings: Settings, folder: Path, *, link: bool) -> Manifest:
    """Make a backup in a new or empty folder, or continue an unfinished one; return its manifest.

    With `link`, files on the same file system are hard-linked. Raises CannotGoOn, UnusableDatabase, OSError and
    Unavailable.
    """
    _make_ready(settings, folder)
    saving = _Saving(settings, folder, link=link)
    missing: set[str] = set()
    for _ in range(MOST_ROUNDS):
        take_snapshot(settings.database_path, folder / manifest.DATABASE)
        told = _ask(folder)
        gone = await saving.copy(told.files)
        if gone <= missing:  # nothing was deleted meanwhile: these files were missing before
            break
        missing = gone
    return await saving.finish(told, sorted(gone))


def _ask(folder: Path) -> _Told:
    """Query a copy of the snapshot, upgraded to this version's schema; the snapshot itself is not changed."""
    with tempfile.TemporaryDirectory(prefix=ASKED, dir=folder) as place:
        copy = Path(place).absolute() / manifest.DATABASE
        shutil.copyfile(folder / manifest.DATABASE, copy)
        url = f"sqlite:///{copy}"
        found = schema(url).found
        upgrade(url)
        return _Told(named_files(url), installation_id(url), found)


def _make_ready(settings: Settings, folder: Path) -> None:
    if settings.is_cluster:
        raise CannotGoOn(
            "Back up a PostgreSQL database with pg_dump, and the bucket with its store; see docs/operations/backup.md."
        )
    if not settings.database_path.is_file():
        raise CannotGoOn(f"There is no database {settings.database_path} to back up. Check DENOISE_DATA_DIR.")
    if folder.exists() and not folder.is_dir():
        raise CannotGoOn(f"{folder} is a file. Give a folder; it is created if it does not exist.")
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if any(name not in OURS and not name.startswith(ASKED) for name in names):
        raise CannotGoOn(f"{folder} is not empty. Give a folder that is empty or new.")
    storage = settings.storage_root.resolve()
    if storage == folder.resolve() or storage in folder.resolve().parents:
        raise CannotGoOn(f"{folder} is inside the folder of the recordings. Give a folder elsewhere.")
    folder.mkdir(parents=True, exist_ok=True)


class _Saving:
    """A backup in progress."""

    def __init__(self, settings: Settings, folder: Path, *, link: bool) -> None:
        self._source: Storage = open_storage(settings)
        self._target = LocalStorage(folder / manifest.FILES)
        self._folder, self._link = folder, link
        self._copied: dict[str, FileDigest] = {}  # files that will not change any more

    async def copy(self, named: Sequence[NamedFile]) -> set[str]:
        """Copy the files that the backup lacks; return the keys of missing ones."""
        gone = set()
        for file in named:
            if not file.grows and file.key not in self._copied:
                try:
                    self._copied[file.key] = await self._copy(file.key)
                except FileNotFoundError:
                    gone.add(file.key)
        return gone

    async def _copy(self, key: str) -> FileDigest:
        if self._link and isinstance(self._source, LocalStorage):
            try:
                return await link_file(self._source, self._target, key)
            except FileNotFoundError:
                raise
            except OSError:  # another file system, or too many links
                self._link = False
        return await copy_file(self._source, self._target, key)

    async def finish(self, told: _Told, missing: list[str]) -> Manifest:
        """Add uploads in parts, remove files that the last snapshot does not name, and write the manifest."""
        growing = await self._copy_growing([file.key for file in told.files if file.grows])
        named = {file.key for file in told.files}
        files = {key: digest for key, digest in self._copied.items() if key in named} | growing
        await self._remove_all_but(set(files))
        made = Manifest(
            version=__version__,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            installation=told.installation,
            schema=told.schema,
            database=digest_of(self._folder / manifest.DATABASE),
            files=files,
            growing=sorted(growing),
            missing=missing,
        )
        made.write(self._folder)
        return made

    async def _copy_growing(self, keys: Sequence[str]) -> dict[str, FileDigest]:
        found = {}
        for key in keys:
            with suppress(FileNotFoundError):  # nothing was received, or it has expired
                found[key] = await copy_growing(self._source, self._target, key)
        return found

    async def _remove_all_but(self, kept: set[str]) -> None:
        async for job_ids in self._target.jobs():
            for job_id in job_ids:
                for key in await self._target.keys(job_id):
                    if key not in kept:
                        await self._target.delete(key)
