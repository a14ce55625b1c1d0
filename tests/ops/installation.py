"""An installation that nobody serves, with jobs whose files are told by their keys."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.partial import PartialUploads
from munsit_denoise.db.records import Records, RunResult
from munsit_denoise.leaves import open_leaves
from munsit_denoise.records import PartialUpload
from munsit_denoise.settings import Settings
from munsit_denoise.storage.local import LocalStorage
from tests.db.test_records import make_record
from tests.live import make_settings

USER = "anna"


def job_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


async def make_installation(folder: Path, jobs: int = 0, **overrides: Any) -> Settings:
    """Return the settings of a new installation with some jobs that ended well."""
    settings = make_settings(folder, port=0, **overrides)
    folder.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database)
    async with open_leaves(settings):
        pass  # both parts carry one id from here on
    for number in range(jobs):
        await add_job(settings, number)
    return settings


async def add_job(settings: Settings, number: int, *, ends: bool = True, created_at_us: int | None = None) -> str:
    """Add a job with its original, and its result where it ends."""
    database, storage, own = open_database(settings.database), LocalStorage(settings.storage_root), job_id(number)
    try:
        user_id = await _user(Keys(database))
        record = replace(make_record(user_id, number), id=own, original_key=f"{own}/original", secret=f"{number:032x}")
        if created_at_us is not None:
            record = replace(record, created_at_us=created_at_us, updated_at_us=created_at_us)
        await put(storage, f"{own}/original", b"original %d" % number)
        await Records(database).insert(record)
        if ends:
            lease = await Records(database).claim(own)
            assert lease
            await put(storage, f"{own}/denoised-1.wav", b"result %d" % number)
            await Records(database).succeed(lease, RunResult(f"{own}/denoised-1.wav", size_bytes=8))
    finally:
        await database.close()
    return own


async def add_growing(settings: Settings, number: int, content: bytes) -> str:
    """Add an upload in parts of which some has come in; return its key."""
    database, storage, own = open_database(settings.database), LocalStorage(settings.storage_root), job_id(number)
    try:
        user_id = await _user(Keys(database))
        upload = PartialUpload(own, user_id, "a.wav", "", 1000, f"{own}/original", 1, 2**60, 0)
        await PartialUploads(database).insert(upload)
        async with storage.append(f"{own}/original") as end:
            await end.write(content)
    finally:
        await database.close()
    return f"{own}/original"


async def put(storage: LocalStorage, key: str, content: bytes) -> None:
    async with storage.new_file(key) as path:
        path.write_bytes(content)


async def _user(keys: Keys) -> str:
    found = await keys.find_user(await keys.create(USER))
    assert found
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what lies in the folders of jobs, by key."""
    paths = [path for path in folder.glob("??/*/*") if path.is_file()]
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in paths}


@contextmanager
def sql(settings: Settings) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(settings.database_path, isolation_level=None)) as connection:
        yield connection
