"""Whether a database file is still where it was opened: what is written to a file without a name is lost."""

import os
from pathlib import Path


class FileIdentity:
    """The file under a path, as it was when it was first asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def is_kept(self) -> bool:
        """Say whether the same file lies there still; costs one call of the system."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - at every commit, and Path is slower
        except OSError:
            return False
        self._identity = self._identity or (found.st_dev, found.st_ino)
        return (found.st_dev, found.st_ino) == self._identity
