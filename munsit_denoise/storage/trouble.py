"""Translates system errors into the errors of a storage."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from munsit_denoise.errors import OutOfResources, StorageBroken, StorageFull, Unavailable

FULL = (errno.ENOSPC, errno.EDQUOT)
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
BROKEN = (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EUCLEAN)


def told(error: OSError) -> Unavailable | None:
    """Return the machine's lack or fault that caused an error; None if it may have another cause."""
    if error.errno in FULL:
        return StorageFull()
    if error.errno in SCARCE:
        return OutOfResources()
    return StorageBroken() if error.errno in BROKEN else None


@contextmanager
def of_the_machine() -> Iterator[None]:
    """Translate errors of the machine into subclasses of Unavailable; others pass."""
    try:
        yield
    except OSError as error:
        found = told(error)
        if found is None:
            raise
        raise found from error


@contextmanager
def of_the_storage(*, but_missing: bool = False) -> Iterator[None]:
    """Translate all system errors into subclasses of Unavailable; with `but_missing`, FileNotFoundError passes."""
    try:
        yield
    except OSError as error:
        if but_missing and isinstance(error, FileNotFoundError):
            raise
        raise told(error) or StorageBroken() from error
