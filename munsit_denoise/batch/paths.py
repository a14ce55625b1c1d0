"""Finds out what is at a path: a file, a pipe, or a descriptor of this process."""

import os
import stat
from pathlib import Path

Identity = tuple[int, int]  # device and inode
MOST_LINKS = 40


def identity(path: Path) -> Identity | None:
    """Return an identity that all names of a file or folder share, including links; None if nothing is there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def descriptor(path: Path) -> int | None:
    """Return the descriptor of this process that a path such as /dev/stdout or /dev/fd/3 refers to."""
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
    """Return whether a path is a pipe, device, socket or descriptor, which is written to and never replaced."""
    if descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_disk(path: Path) -> bool:
    """Return whether a path is a block device, whose content would be destroyed by writing."""
    try:
        return stat.S_ISBLK(path.stat().st_mode)
    except OSError:
        return False


def is_terminal(path: Path) -> bool:
    """Return whether a path is a descriptor of this process that is a terminal."""
    number = descriptor(path)
    return number is not None and os.isatty(number)
