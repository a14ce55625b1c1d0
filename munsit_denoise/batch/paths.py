"""What lies at a path: a file, a pipe, one of this process's descriptors."""

import os
import stat
from pathlib import Path

Identity = tuple[int, int]  # device and inode
MOST_LINKS = 40


def identity(path: Path) -> Identity | None:
    """Return what is the same for all names of a file or folder, links included; None where there is nothing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def descriptor(path: Path) -> int | None:
    """Return the number of the descriptor of this process that a path such as /dev/stdout or /dev/fd/3 leads to."""
    name = os.path.abspath(path)  # noqa: PTH100 - Path.absolute keeps `..`
    own = {"/dev/fd", f"/proc/{os.getpid()}/fd"}
    for _ in range(MOST_LINKS):
        folder, last = os.path.split(name)
        if last.isdigit() and os.path.realpath(folder) in own:
            return int(last)
        if not os.path.islink(name):  # noqa: PTH114 - a string throughout
            return None
        name = os.path.normpath(os.path.join(folder, os.readlink(name)))  # noqa: PTH115, PTH118 - the same
    return None


def is_special(path: Path) -> bool:
    """Say whether a path leads to a pipe, a device, a socket or a descriptor, which are written to, never replaced."""
    if descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_disk(path: Path) -> bool:
    """Say whether a path is a block device, whose contents writing would destroy."""
    try:
        return stat.S_ISBLK(path.stat().st_mode)
    except OSError:
        return False


def is_terminal(path: Path) -> bool:
    """Say whether a path is a descriptor of this process that is a terminal."""
    number = descriptor(path)
    return number is not None and os.isatty(number)
