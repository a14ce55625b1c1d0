"""Files that only their user may read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077  # the rights of group and world


@contextmanager
def private_files() -> Iterator[None]:
    """Let files and folders that are made in the block be their user's alone."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def make_private(database: Path) -> None:
    """Take the rights of others from a database that an older version made, and from its companions."""
    for ending in ("", "-wal", "-shm"):
        path = database.with_name(database.name + ending)
        if path.is_file() and path.stat().st_uid == os.geteuid() and path.stat().st_mode & OTHERS:
            path.chmod(path.stat().st_mode & ~OTHERS & 0o777)
