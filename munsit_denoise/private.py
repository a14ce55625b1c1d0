"""Creates files that only their owner can read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OTHERS = 0o077  # permissions of group and others


@contextmanager
def private_files() -> Iterator[None]:
    """Create all files and folders of the block for the owner only."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def make_private(database: Path) -> None:
    """Remove the permissions of others from a database of an older version, and from its companion files."""
    for ending in ("", "-wal", "-shm"):
        path = database.with_name(database.name + ending)
        if path.is_file() and path.stat().st_uid == os.geteuid() and path.stat().st_mode & OTHERS:
            path.chmod(path.stat().st_mode & ~OTHERS & 0o777)
