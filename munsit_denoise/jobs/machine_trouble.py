"""Distinguishes trouble of the machine (no disk space, descriptors or memory) from errors that a file causes."""

from munsit_denoise.errors import OutOfResources, Unavailable
from munsit_denoise.jobs.intake import first_of
from munsit_denoise.storage.trouble import told

SCARCE = ("can't start new thread", "can't allocate memory", "out of memory")  # in messages of PyTorch and Python


def machine_trouble(error: BaseException) -> Unavailable | None:
    """Return the machine's lack that caused an error; None if the file or the program caused it."""
    error = first_of(error)
    if isinstance(error, Unavailable):
        return error
    if isinstance(error, OSError):
        return told(error)
    scarce = isinstance(error, RuntimeError) and any(words in str(error) for words in SCARCE)
    return OutOfResources() if scarce or isinstance(error, MemoryError) else None
