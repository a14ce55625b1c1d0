"""What a storage promises.

A key is `<job id>/<name>`. A file appears under its key whole and durable, or not at all, but for one that is taken
in parts: nobody may read that before it is published. Every method may raise
StorageFull, StorageBroken and OutOfResources; FileNotFoundError where a promise says so.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

UNANSWERED = "unanswered"  # a job's mark: its record has not been committed yet, so nobody was told of its files
PART_SUFFIX = ".part"  # of files that are not whole, and of the folders that hold one in parts


@dataclass(frozen=True)
class Stat:
    """What is known of a file without reading it."""

    size_bytes: int
    modified_s: float  # since 1970


def whole_key(key: str) -> str:
    """Return the key of the file that a file is a part of; itself where it is none."""
    return key.partition(f"{PART_SUFFIX}/")[0]


class Reader(Protocol):
    """A file that is being read."""

    async def read(self, size_bytes: int, /) -> bytes:
        """Return that much from where the reader stands; less only at the end."""
        ...

    async def seek(self, position: int, /) -> object:
        """Go on from there."""
        ...


class Appender(Protocol):
    """A file that is being added to."""

    async def write(self, data: bytes, /) -> None:
        """Add bytes, which may be kept in memory until `flush`, or until the block ends."""
        ...

    async def flush(self) -> int:
        """Make durable what was added; return the file's size. Safe beside `write`.

        Raises UploadInUse where somebody else has added meanwhile.
        """
        ...

    def discard(self) -> None:
        """Forget what was added and is not durable yet."""
        ...


class Storage(Protocol):
    """Files by key."""

    def append(self, key: str) -> AbstractAsyncContextManager[Appender]:
        """Yield what adds to the end of a file, made if it is not there; one caller at a time.

        All that was added is durable when the block ends, also with an exception. Raises UploadInUse where another
        caller, of another process, adds to it.
        """
        ...

    async def appended_bytes(self, key: str) -> int:
        """Return how much of a file that is taken in parts is there and durable, 0 for none."""
        ...

    async def publish(self, key: str) -> None:
        """Make all that was appended the file under this key; doing it again is fine. Raises FileNotFoundError."""
        ...

    def new_file(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Yield a local path to write to; published under its key when the block ends without an exception."""
        ...

    def local_file(self, key: str) -> AbstractAsyncContextManager[Path]:
        """Yield a local path under which a file can be read for a while. Raises FileNotFoundError."""
        ...

    def open_range(self, key: str, start: int = 0) -> AbstractAsyncContextManager[Reader]:
        """Yield a reader that stands at a position. Raises FileNotFoundError."""
        ...

    async def stat(self, key: str) -> Stat:
        """Return a file's size and time. Raises FileNotFoundError."""
        ...

    async def share(self, key: str, new_key: str) -> None:
        """Give a file a second key, under which it stays when the first one goes. Raises FileNotFoundError."""
        ...

    async def mark(self, key: str) -> None:
        """Make an empty file under a key; it lasts from the moment that the next file of its job is published."""
        ...

    async def delete(self, key: str) -> None:
        """Remove one file; one that is not there is fine."""
        ...

    async def delete_job(self, job_id: str) -> None:
        """Remove all of a job's files, its mark last, also while the caller is being cancelled; none is fine."""
        ...

    def jobs(self) -> AsyncIterator[list[str]]:
        """Yield the ids of the jobs that have a folder, some at a time; whatever else lies there is left out."""
        ...

    async def keys(self, job_id: str) -> list[str]:
        """Return the keys of a job's files, half-written ones as well; none for a folder that has gone."""
        ...

    async def set_aside(self, job_ids: Collection[str]) -> str:
        """Put jobs' folders where nothing touches them any more; return where, for people. Missing ones are fine."""
        ...

    def free_bytes(self) -> int:
        """Return the room that is left, at once."""
        ...

    async def probe(self) -> None:
        """Write a file, flush it and remove it."""
        ...

    async def installation_id(self) -> str | None:
        """Return the id of the installation that this storage belongs to, None when it has none yet."""
        ...

    async def name_installation(self, installation_id: str) -> None:
        """Give the storage an id in the place of the one that it has."""
        ...


@runtime_checkable
class Presigning(Protocol):
    """A storage that can let others read a file by a URL of its own."""

    async def presign(self, key: str, seconds: float) -> str:
        """Return a URL under which the file can be fetched for so long."""
        ...
