"""A storage in an S3-compatible store. An object appears under its key complete or not at all.

Programs read and write files by path, so each file in use has a copy on this machine's disk. Downloads are streamed
from the store.
"""

from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio
import obstore
from obstore.store import S3Store

from munsit_denoise.storage.base import JOB_ID, Reader, Stat
from munsit_denoise.storage.objects import (
    PART_BYTES,
    PARTS,
    PIECE_BYTES,
    ObjectAppender,
    ObjectReader,
    connected,
    part_key,
    put_part,
    told,
)
from munsit_denoise.storage.scratch import ScratchFolder

MARK = "installation/"  # of an empty object whose name ends in the id
PROBE = "probe/"
PROBE_AGE = timedelta(minutes=5)  # after which no probe is still running
ASIDE = "set-aside"
TIMEOUT_S = 30  # of one request: long enough for a store that hangs for ten seconds
RETRIES_S = 20
DELETE_AT_ONCE = 500

Result = TypeVar("Result")


class S3Storage:
    """Objects with a prefix in an existing bucket."""

    def __init__(self, url: str, endpoint: str, scratch: Path) -> None:
        """Take `s3://bucket/prefix`; credentials and region come from the usual `AWS_*` variables. Raises OSError."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        config: Any = {"virtual_hosted_style_request": False}
        if endpoint:
            config["endpoint"] = endpoint
        self._store = S3Store(
            bucket,
            prefix=prefix.strip("/") or None,
            config=config,
            client_options={"allow_http": endpoint.startswith("http://"), "timeout": timedelta(seconds=TIMEOUT_S)},
            retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=RETRIES_S)},
        )
        self._scratch = ScratchFolder(scratch)

    @asynccontextmanager
    async def new_file(self, key: str) -> AsyncIterator[Path]:
        """Yield a local path to write to; published under its key when the block ends without an exception."""
        async with self._scratch.place(key) as path:
            yield path
            with path.open("rb") as file:
                await self._do(lambda: obstore.put_async(self._store, key, file, chunk_size=PART_BYTES))

    @asynccontextmanager
    async def append(self, key: str) -> AsyncIterator[ObjectAppender]:
        """Yield an appender to a file in parts; one caller at a time.

        Raises UploadInUse if another process appends to it; then the store refuses to replace a part.
        """

        def put(start: int, data: bytes) -> Coroutine[Any, Any, int]:
            return put_part(self._store, part_key(key, start), data)

        appender = ObjectAppender(put, await self.appended_bytes(key))
        try:
            yield appender
        finally:
            with anyio.CancelScope(shield=True):
                await appender.flush()

    async def appended_bytes(self, key: str) -> int:
        """Return how much of a file that is taken in parts is there, 0 for none."""
        parts = connected(await self._parts(key))
        if parts:
            return sum(size_bytes for _, size_bytes in parts)
        try:
            return (await self.stat(key)).size_bytes  # it has been published
        except FileNotFoundError:
            return 0

    async def publish(self, key: str) -> None:
        """Make all that was appended the file under this key; doing it again is fine. Raises FileNotFoundError."""
        found = await self._parts(key)
        parts = connected(found)
        content = self._content([part_key(key, start) for start, _ in parts])
        try:
            if parts:
                await self._do(lambda: obstore.put_async(self._store, key, content, chunk_size=PART_BYTES))
        except FileNotFoundError:
            parts = []  # one went: another process has published all of them
        if not parts:
            await self.stat(key)
        await self._remove([part_key(key, start) for start, _ in found])

    async def _content(self, keys: list[str]) -> AsyncIterator[bytes]:
        """Yield the content of some objects, one after the other."""
        for key in keys:
            reader = ObjectReader(self._store, key)
            while piece := await reader.read(PIECE_BYTES):
                yield piece

    async def _parts(self, key: str) -> list[tuple[int, int]]:
        """Return start and size of each part of a file, in order."""
        with told():
            found = [
                (int(str(one["path"]).rpartition("/")[2]), int(one["size"]))
                async for objects in obstore.list(self._store, prefix=f"{key}{PARTS}/")
                for one in objects
            ]
        return sorted(found)

    @asynccontextmanager
    async def local_file(self, key: str) -> AsyncIterator[Path]:
        """Yield a local path at which a file can be read during the block. Raises FileNotFoundError."""
        async with self._scratch.place(key) as path:
            found = connected(await self._parts(key))
            parts = [part_key(key, start) for start, _ in found]  # of one that is still taken in
            with told():
                async with await anyio.open_file(path, "wb") as file:
                    async for piece in self._content(parts or [key]):
                        await file.write(piece)
            yield path

    @asynccontextmanager
    async def open_range(self, key: str, start: int = 0) -> AsyncIterator[Reader]:
        """Yield a reader at a position. Raises FileNotFoundError."""
        size_bytes = (await self.stat(key)).size_bytes
        yield ObjectReader(self._store, key, start, size_bytes)

    async def stat(self, key: str) -> Stat:
        """Return a file's size and time. Raises FileNotFoundError."""
        found = await self._do(lambda: obstore.head_async(self._store, key))
        return Stat(found["size"], found["last_modified"].timestamp())

    async def share(self, key: str, new_key: str) -> None:
        """Give a file a second key; it stays when the first one is deleted. Raises FileNotFoundError."""
        await self._do(lambda: obstore.copy_async(self._store, key, new_key))

    async def mark(self, key: str) -> None:
        """Create an empty file."""
        await self._do(lambda: obstore.put_async(self._store, key, b""))

    async def delete(self, key: str) -> None:
        """Delete one file; a missing one is no error."""
        with anyio.CancelScope(shield=True):
            await self._remove([key])

    async def delete_job(self, job_id: str) -> None:
        """Delete all files of a job, even while the caller is being cancelled; missing ones are no error."""
        with anyio.CancelScope(shield=True):
            await self._remove(await self.keys(job_id))

    async def jobs(self) -> AsyncIterator[list[str]]:
        """Yield the ids of jobs with objects, in batches; other names are ignored."""
        last = ""
        with told():
            async for objects in obstore.list(self._store, chunk_size=1000):
                names = [str(one["path"]).partition("/")[0] for one in objects]
                found = [name for name in dict.fromkeys(names) if name != last and JOB_ID.fullmatch(name)]
                last = names[-1] if names else last
                if found:
                    yield found

    async def keys(self, job_id: str) -> list[str]:
        """Return the keys of a job's files."""
        with told():
            return [
                str(one["path"])
                async for objects in obstore.list(self._store, prefix=f"{job_id}/", chunk_size=1000)
                for one in objects
            ]

    async def set_aside(self, job_ids: Collection[str]) -> str:
        """Move jobs' objects where nothing touches them; return where, for messages."""
        place = f"{ASIDE}-{datetime.now(UTC):%Y-%m-%dT%H%M%S}"
        for job_id in job_ids:
            for key in await self.keys(job_id):
                await self.share(key, f"{place}/{key}")
            await self.delete_job(job_id)
        return place

    def free_bytes(self) -> int:
        """Return the free disk space for files in use; the store itself has no limit."""
        return self._scratch.free_bytes()

    async def probe(self) -> None:
        """Write, read and delete an object, and delete those of interrupted probes."""
        key = f"{PROBE}{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        await self._do(lambda: obstore.put_async(self._store, key, b"probe"))
        await self.stat(key)
        await self._remove([key, *await self._left_probes()])

    async def _left_probes(self) -> list[str]:
        before = datetime.now(UTC) - PROBE_AGE
        with told():
            return [
                str(one["path"])
                async for objects in obstore.list(self._store, prefix=PROBE)
                for one in objects
                if one["last_modified"] < before
            ]

    async def installation_id(self) -> str | None:
        """Return the id of the storage's installation, or None."""
        return next((key.removeprefix(MARK) for key in await self._marks()), None)

    async def name_installation(self, installation_id: str) -> None:
        """Replace the storage's installation id."""
        old = await self._marks()
        await self._do(lambda: obstore.put_async(self._store, MARK + installation_id, b""))
        await self._remove([key for key in old if key != MARK + installation_id])

    async def presign(self, key: str, seconds: float) -> str:
        """Return a URL of the store for downloading the file, valid for this many seconds."""
        return await self._do(lambda: obstore.sign_async(self._store, "GET", key, timedelta(seconds=seconds)))

    async def _marks(self) -> list[str]:
        with told():
            return [str(one["path"]) async for objects in obstore.list(self._store, prefix=MARK) for one in objects]

    async def _remove(self, keys: list[str]) -> None:
        for first in range(0, len(keys), DELETE_AT_ONCE):
            some = keys[first : first + DELETE_AT_ONCE]
            try:
                with told():
                    await obstore.delete_async(self._store, some)
            except FileNotFoundError:
                continue  # deleted already

    async def _do(self, act: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        with told():
            return await act()
