"""Detects that a database file was moved or deleted while it is open, which would lose all further writes."""

import os
from pathlib import Path


class FileIdentity:
    """The file at a path, as it was at first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def is_kept(self) -> bool:
        """Return whether the same file is still there; costs one system call."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - at every commit, and Path is slower
        except OSError:
            return False
        self._identity = self._identity or (found.st_dev, found.st_ino)
        return (found.st_dev, found.st_ino) == self._identity
