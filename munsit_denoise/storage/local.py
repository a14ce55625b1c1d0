"""A storage in a local folder: each job has its own folder, into which complete files are renamed."""

import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread

from munsit_denoise.errors import CannotGoOn, StorageBroken, UploadInUse
from munsit_denoise.storage import folders
from munsit_denoise.storage.appender import LocalAppender
from munsit_denoise.storage.base import PART_SUFFIX, UNANSWERED, Appender, Reader, Stat
from munsit_denoise.storage.trouble import of_the_machine, of_the_storage

JOBS_AT_A_TIME = 200

Result = TypeVar("Result")


class LocalStorage:
    """Files in a root folder, which must not be the root of a file system."""

    def __init__(self, root: Path) -> None:
        """Raises CannotGoOn, OSError."""
        self.root, self._named = root.absolute(), False
        if self.root.resolve() == Path(self.root.anchor):
            raise CannotGoOn("Recordings cannot be stored in / itself. Give DENOISE_STORAGE_URL a folder of its own.")
        folders.make_folder(self.root)

    def path(self, key: str) -> Path:
        """Return the path of a file or of a job's folder; jobs are spread by the first digits of their id."""
        return self.root / key[:2] / key

    @asynccontextmanager
    async def new_file(self, key: str) -> AsyncIterator[Path]:
        """Yield a path to write to; published under its key when the block ends without an exception."""
        target = self.path(key)
        part = target.with_name(target.name + PART_SUFFIX)
        try:
            await self._do(lambda: self._make_place(target.parent))
            with of_the_machine():
                yield part
            await self._do(lambda: folders.publish(part, target))
        finally:
            with anyio.CancelScope(shield=True), of_the_storage():
                await to_thread.run_sync(lambda: part.unlink(missing_ok=True))

    @asynccontextmanager
    async def append(self, key: str) -> AsyncIterator[Appender]:
        """Yield an appender to a file, which is created if it is missing; one caller at a time.

        Raises UploadInUse while another process appends to it.
        """
        path = self.path(key)
        await self._do(lambda: self._make_place(path.parent))
        try:
            file = LocalAppender(await to_thread.run_sync(folders.open_end, path))
        except BlockingIOError:
            raise UploadInUse from None
        try:
            yield file
        finally:
            with anyio.CancelScope(shield=True):
                await file.close()

    async def appended_bytes(self, key: str) -> int:
        """Return the number of durable bytes of a file in parts; 0 if it is missing."""
        try:
            return await self._do_with_file(lambda: folders.flushed_size(self.path(key)))
        except FileNotFoundError:
            return 0

    async def publish(self, key: str) -> None:
        """Flush the appended bytes, which are under their key already. Raises FileNotFoundError."""
        await self._do_with_file(lambda: folders.flushed_size(self.path(key)))

    @asynccontextmanager
    async def local_file(self, key: str) -> AsyncIterator[Path]:
        """Yield a path at which the file can be read during the block. Raises FileNotFoundError."""
        await self.stat(key)
        yield self.path(key)

    @asynccontextmanager
    async def open_range(self, key: str, start: int = 0) -> AsyncIterator[Reader]:
        """Yield a reader at a position. Raises FileNotFoundError."""
        with of_the_storage(but_missing=True):
            file = await anyio.open_file(self.path(key), "rb")
        try:
            if start:
                await file.seek(start)
            yield file
        finally:
            with anyio.CancelScope(shield=True):
                await file.aclose()

    async def stat(self, key: str) -> Stat:
        """Return a file's size and time. Raises FileNotFoundError."""
        found = await self._do_with_file(lambda: self.path(key).stat())
        return Stat(found.st_size, found.st_mtime)

    async def share(self, key: str, new_key: str) -> None:
        """Give a file a second key; it stays when the first one is deleted. Raises FileNotFoundError."""
        await self._do(lambda: self._make_place(self.path(new_key).parent))
        await self._do_with_file(lambda: folders.link(self.path(key), self.path(new_key)))

    async def mark(self, key: str) -> None:
        """Create an empty file; it is durable once the next file of its job is published."""
        path = self.path(key)

        def make() -> None:
            self._make_place(path.parent)
            path.touch()

        await self._do(make)

    async def delete(self, key: str) -> None:
        """Delete one file; a missing one is no error."""
        with anyio.CancelScope(shield=True):
            await self._do(lambda: self.path(key).unlink(missing_ok=True))

    async def delete_job(self, job_id: str) -> None:
        """Delete all files of a job, its mark last, even while the caller is being cancelled; none is no error."""
        with anyio.CancelScope(shield=True):
            await self._do(lambda: folders.remove_tree(self.path(job_id), last=UNANSWERED))

    async def jobs(self) -> AsyncIterator[list[str]]:
        """Yield the ids of jobs with a folder, in batches; other names are ignored."""
        found = folders.job_folders(self.root)
        while batch := await self._do(lambda: _some(found)):
            yield batch

    async def keys(self, job_id: str) -> list[str]:
        """Return the keys of a job's files, including unfinished ones; empty for a missing folder."""
        names = await self._do(lambda: folders.files_in(self.path(job_id)))
        return [f"{job_id}/{name}" for name in names]

    async def set_aside(self, job_ids: Collection[str]) -> str:
        """Move jobs' folders where nothing touches them; return where. Missing ones are no error."""
        return str(await self._do(lambda: folders.move_aside(self.root, [self.path(job_id) for job_id in job_ids])))

    def free_bytes(self) -> int:
        """Return the free space."""
        with of_the_storage():
            return shutil.disk_usage(self.root).free

    async def probe(self) -> None:
        """Write, flush and delete a file."""
        await self._do(lambda: self._make_place(self.root))
        await self._do(lambda: folders.write_probe(self.root))

    async def installation_id(self) -> str | None:
        """Return the id of the storage's installation, or None."""
        found = await self._do(lambda: folders.read_mark(self.root))
        self._named = self._named or found is not None
        return found

    async def name_installation(self, installation_id: str) -> None:
        """Replace the storage's installation id."""
        await self._do(lambda: folders.write_mark(self.root, installation_id))
        self._named = True

    async def _do_with_file(self, act: Callable[[], Result]) -> Result:
        """Run a file operation; if the file is missing, check that the storage itself is not."""
        try:
            with of_the_storage(but_missing=True):
                return await to_thread.run_sync(act)
        except FileNotFoundError:
            await self._do(self._check_whole)
            raise

    def _make_place(self, folder: Path) -> None:
        self._check_whole()
        folders.make_folder(folder)

    def _check_whole(self) -> None:
        """Raise StorageBroken if the storage's mark is missing, because its disk was unmounted."""
        if self._named and folders.read_mark(self.root) is None:
            raise StorageBroken

    async def _do(self, act: Callable[[], Result]) -> Result:
        with of_the_storage():
            return await to_thread.run_sync(act)


def _some(found: Iterator[str]) -> list[str]:
    return list(islice(found, JOBS_AT_A_TIME))
