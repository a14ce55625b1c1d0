"""Temporary files of this process, in its own folder; if the process dies, the next one removes it."""

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
    """Creates temporary places for files, each in its own folder."""

    def __init__(self, root: Path) -> None:
        """Raises OSError."""
        self._holder = root / HOLDER
        self._root = self._holder / uuid.uuid4().hex
        self._held: int | None = None
        self._hold()

    def _hold(self) -> None:
        """Create our folder and lock it, also again after somebody has removed it. Raises OSError."""
        if self._root.is_dir():
            return
        self._holder.mkdir(parents=True, exist_ok=True)
        alone = os.open(self._holder, os.O_RDONLY)
        try:
            fcntl.flock(alone, fcntl.LOCK_EX)  # keeps another starting process from removing our folder as unused
            if self._held is None:
                for left in self._holder.iterdir():
                    _remove_unused(left)
            elif self._root.is_dir():
                return  # another thread was faster
            else:
                os.close(self._held)
            self._root.mkdir()
            self._held = os.open(self._root, os.O_RDONLY)
            fcntl.flock(self._held, fcntl.LOCK_EX)  # as long as this process lives
        finally:
            os.close(alone)

    @asynccontextmanager
    async def place(self, key: str) -> AsyncIterator[Path]:
        """Yield a path with a key's file name, in a folder that is removed at the end of the block."""
        folder = self._root / uuid.uuid4().hex
        try:
            with of_the_storage():
                await to_thread.run_sync(self._hold)
                await to_thread.run_sync(lambda: folder.mkdir(parents=True))
            with of_the_machine():
                yield folder / PurePosixPath(key).name
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))

    def free_bytes(self) -> int:
        """Return the free space."""
        with of_the_storage():
            self._hold()
            return shutil.disk_usage(self._root).free


def _remove_unused(folder: Path) -> None:
    """Remove the folder of a dead process."""
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass  # its process lives
    finally:
        os.close(held)
