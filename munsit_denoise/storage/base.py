"""The protocol of a storage.

A key is `<job id>/<name>`. A file appears under its key complete and durable, or not at all; a file that is received in
parts may not be read before it is published. Every method may raise StorageFull, StorageBroken and OutOfResources, and
FileNotFoundError where its docstring says so.
"""

import re
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
UNANSWERED = "unanswered"  # a job's mark: its record is not committed, so nobody was told of its files
PART_SUFFIX = ".part"  # of unfinished files, and of folders with a file in parts


@dataclass(frozen=True)
class Stat:
    """Size and time of a file."""

    size_bytes: int
    modified_s: float  # seconds since 1970


def whole_key(key: str) -> str:
    """Return the key of the complete file for the key of a part; other keys are returned unchanged."""
    return key.partition(f"{PART_SUFFIX}/")[0]


class Reader(Protocol):
    """A file that is being read."""

    async def read(self, size_bytes: int, /) -> bytes:
        """Return this many bytes from the position; fewer only at the end."""
        ...

    async def seek(self, position: int, /) -> object:
        """Continue at a position."""
        ...


class Appender(Protocol):
    """A file that is being appended to."""

    async def write(self, data: bytes, /) -> None:
        """Append bytes, which may stay in memory until `flush` or the end of the block."""
        ...

    async def flush(self) -> int:
        """Make the appended bytes durable; return the file's size. Safe to call during `write`.

        Raises UploadInUse if another process has appended meanwhile.
        """
        ...

    def discard(self) -> None:
        """Discard bytes that are not durable yet."""
        ...


class Storage(Protocol):
    """Files by key."""

    def append(self, key: str) -> AbstractAsyncContextManager[Appender]:
        """Yield an appender to a file, which is created if it is missing; one caller at a time.

        All bytes are durable when the block ends, even with an exception. Raises UploadInUse if another process appends
        to it.
        """
        ...

    async def appended_bytes(self, key: str) -> int:
        """Return the number of durable bytes of a file in parts; 0 if it is missing."""
        ...

    async def publish(self, key: str) -> None:
        """Publish all appended bytes as the file under this key; repeatable. Raises FileNotFoundError."""
        ...

    def new_file(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Yield a local path to write to; published under its key when the block ends without an exception."""
        ...

    def local_file(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Yield a local path at which a file can be read during the block. Raises FileNotFoundError."""
        ...

    def open_range(self, key: str, start: int = 0) -> AbstractAsyncContextManager[Reader]:
        """Yield a reader at a position. Raises FileNotFoundError."""
        ...

    async def stat(self, key: str) -> Stat:
        """Return a file's size and time. Raises FileNotFoundError."""
        ...

    async def share(self, key: str, new_key: str) -> None:
        """Give a file a second key; it stays when the first one is deleted. Raises FileNotFoundError."""
        ...

    async def mark(self, key: str) -> None:
        """Create an empty file; it is durable once the next file of its job is published."""
        ...

    async def delete(self, key: str) -> None:
        """Delete one file; a missing one is no error."""
        ...

    async def delete_job(self, job_id: str) -> None:
        """Delete all files of a job, its mark last, even while the caller is being cancelled; none is no error."""
        ...

    def jobs(self) -> AsyncIterator[list[str]]:
        """Yield the ids of jobs with a folder, in batches; other names are ignored."""
        ...

    async def keys(self, job_id: str) -> list[str]:
        """Return the keys of a job's files, including unfinished ones; empty for a missing folder."""
        ...

    async def set_aside(self, job_ids: Collection[str]) -> str:
        """Move jobs' folders where nothing touches them; return where, for messages. Missing ones are no error."""
        ...

    def free_bytes(self) -> int:
        """Return the free space; does not block."""
        ...

    async def probe(self) -> None:
        """Write, flush and delete a file."""
        ...

    async def installation_id(self) -> str | None:
        """Return the id of the storage's installation, or None."""
        ...

    async def name_installation(self, installation_id: str) -> None:
        """Replace the storage's installation id."""
        ...


@runtime_checkable
class Presigning(Protocol):
    """A storage that can give others read access to a file by URL."""

    async def presign(self, key: str, seconds: float) -> str:
        """Return a URL for downloading the file, valid for this many seconds."""
        ...
