"""Recordings and results by opaque key, in a local folder.

A file appears under its key whole and durable, or not at all: it is written beside its place, flushed to the
disk, renamed, and the rename flushed as well.
"""

import errno
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
from anyio import to_thread

from munsit_denoise.errors import StorageFull

PART_SUFFIX = ".part"


class LocalStorage:
    """Files below a root; a key is `<job id>/<name>`, so that every job has a folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Return where a key's file lies; jobs are spread over folders by the first digits of their id."""
        return self.root / key[:2] / key

    @asynccontextmanager
    async def new_file(self, key: str) -> AsyncIterator[Path]:
        """Yield a path to write to; the file is there under its key when the block ends without an exception.

        Raises StorageFull when the disk is.
        """
        target = self.path(key)
        part = target.with_name(target.name + PART_SUFFIX)
        try:
            with disk_errors():
                await to_thread.run_sync(_make_folder, target.parent)
                yield part
                await to_thread.run_sync(_publish, part, target)
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(lambda: part.unlink(missing_ok=True))

    async def share(self, key: str, new_key: str) -> None:
        """Give a file a second key, under which it stays when the first one goes.

        Raises FileNotFoundError, StorageFull.
        """
        with disk_errors():
            await to_thread.run_sync(_link, self.path(key), self.path(new_key))

    @asynccontextmanager
    async def local_file(self, key: str) -> AsyncIterator[Path]:
        """Yield a path under which the file can be read for a while. Raises FileNotFoundError."""
        path = self.path(key)
        await to_thread.run_sync(os.stat, path)
        yield path

    async def delete_job(self, job_id: str) -> None:
        """Remove all of a job's files at once, also when the caller is being cancelled."""
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(lambda: shutil.rmtree(self.path(job_id), ignore_errors=True))

    async def delete(self, key: str) -> None:
        """Remove one file; one that is not there is fine."""
        await to_thread.run_sync(lambda: self.path(key).unlink(missing_ok=True))

    def free_bytes(self) -> int:
        """Return the room that is left."""
        return shutil.disk_usage(self.root).free

    def old_jobs(self, before_s: float) -> Iterator[tuple[str, list[str]]]:
        """Yield job id and keys of the files that were last written before a time (seconds since 1970).

        A folder without such files comes up only when it is that old itself.
        """
        for folder in self.root.glob("??/*"):
            old = [f.name for f in folder.iterdir() if f.stat().st_mtime < before_s]
            if old or folder.stat().st_mtime < before_s:
                yield folder.name, [f"{folder.name}/{name}" for name in old]


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn a full disk into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from error
        raise


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _publish(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    _flush_name(target)


def _link(source: Path, target: Path) -> None:
    _make_folder(target.parent)
    target.hardlink_to(source)
    _flush_name(target)


def _flush_name(target: Path) -> None:
    for folder in list(target.parents)[:3]:  # the file's name, and those of the folders made for it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
