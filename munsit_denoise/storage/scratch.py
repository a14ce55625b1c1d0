"""Files of this process that may be lost: a folder that is swept at the start, and bounded by the disk."""

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
        self._root = root / HOLDER
        shutil.rmtree(self._root, ignore_errors=True)  # what a process that was killed left
        self._root.mkdir(parents=True)

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
