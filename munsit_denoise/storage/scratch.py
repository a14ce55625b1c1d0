"""Files of this process that may be lost: a folder of its own, which the next process removes if this one dies."""

import fcntl
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath

import anyio
from anyio import to_thread

from munsit_denoise.storage.trouble import of_the_machine, of_the_storage

HOLDER = "scratch"


class ScratchFolder:
    """Places for files while they are worked on, each in a folder of its own."""

    def __init__(self, root: Path) -> None:
        """Raises OSError."""
        holder = root / HOLDER
        holder.mkdir(parents=True, exist_ok=True)
        self._root = holder / uuid.uuid4().hex
        alone = os.open(holder, os.O_RDONLY)
        try:
            fcntl.flock(alone, fcntl.LOCK_EX)  # another process that starts does not take ours for unused
            for left in holder.iterdir():
                _remove_unused(left)
            self._root.mkdir()
            self._held = os.open(self._root, os.O_RDONLY)
            fcntl.flock(self._held, fcntl.LOCK_EX)  # for as long as this process lives
        finally:
            os.close(alone)

    @asynccontextmanager
    async def place(self, key: str) -> AsyncIterator[Path]:
        """Yield a path that ends in a key's name; all that lies beside it goes with the block."""
        folder = self._root / uuid.uuid4().hex
        try:
            with of_the_storage():
                await to_thread.run_sync(lambda: folder.mkdir(parents=True))
            with of_the_machine():
                yield folder / PurePosixPath(key).name
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))

    def free_bytes(self) -> int:
        """Return the room that is left."""
        with of_the_storage():
            return shutil.disk_usage(self._root).free


def _remove_unused(folder: Path) -> None:
    """Remove the folder of a process that has died."""
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass  # it is at work
    finally:
        os.close(held)
