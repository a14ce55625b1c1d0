"""Pipes and devices: input is copied into a file first, output is written when the result is complete."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from munsit_denoise.batch.paths import descriptor, is_special
from munsit_denoise.files import remove_leftovers, workplace

CHUNK_BYTES = 2**20


@contextmanager
def spool_folder() -> Iterator[Path]:
    """Yield a private temporary folder for data from and to pipes."""
    folder = Path(tempfile.gettempdir())
    remove_leftovers(folder)
    with workplace(folder) as place:
        yield place


def spool(source: Path, target: Path) -> None:
    """Copy a pipe to its end into a file. Raises OSError."""
    number = descriptor(source)
    if number is None and stat.S_ISCHR(source.stat().st_mode):
        raise OSError(errno.EINVAL, "is a device, not a recording", str(source))
    opened = os.dup(number) if number is not None else os.open(source, os.O_RDONLY)
    with open(opened, "rb", buffering=0) as pipe, target.open("wb") as file:  # noqa: PTH123 - a descriptor
        try:
            shutil.copyfileobj(pipe, file, CHUNK_BYTES)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(source)) from None


def pour(part: Path, target: Path) -> None:
    """Write a finished file to a pipe or device, without replacing it. Raises OSError."""
    number = descriptor(target)
    opened = os.dup(number) if number is not None else os.open(target, os.O_WRONLY)
    with part.open("rb") as file, open(opened, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
        while chunk := memoryview(file.read(CHUNK_BYTES)):
            while chunk:
                chunk = chunk[pipe.write(chunk) or 0 :]


def needs_spool(source: Path) -> bool:
    """Return whether a source can be read only once."""
    return is_special(source)
