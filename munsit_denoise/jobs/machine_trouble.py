"""Distinguishes trouble of the machine (no disk space, descriptors or memory) from errors that a file causes."""

from munsit_denoise.errors import OutOfResources, Unavailable
from munsit_denoise.jobs.intake import first_of
from munsit_denoise.storage.trouble import told

SCARCE = ("can't start new thread", "can't allocate memory", "out of memory")  # in messages of PyTorch and Python


def machine_trouble(error: BaseException) -> Unavailable | None:
    """Return the machine's trouble behind an error; None if the error comes from the file or the program."""
    error = first_of(error)
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, OSError):
        return told(error)
    scarce = isinstance(error, RuntimeError) and any(words in str(error) for words in SCARCE)
    return OutOfResources() if scarce or isinstance(error, MemoryError) else None
