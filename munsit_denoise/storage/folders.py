"""Files and folders of a local storage; every function blocks and may raise OSError."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from munsit_denoise.storage.base import JOB_ID

MARK = ".installation-"  # of an empty folder whose name ends in the id; all files are recordings
PROBE_BYTES = 4096
ASIDE = "set-aside"
LETTERS = 2  # of a job's id: the name of the folder that contains the job's


def job_folders(root: Path) -> Iterator[str]:
    """Yield the ids of jobs with a folder in its place; other names are ignored."""
    for letters in _entries(root):
        if len(letters) == LETTERS and (root / letters).is_dir():
            for name in _entries(root / letters):
                if JOB_ID.fullmatch(name) and name.startswith(letters) and (root / letters / name).is_dir():
                    yield name


def files_in(folder: Path) -> list[str]:
    """Return the names of a folder's files; empty for a missing folder."""
    return [name for name in _entries(folder) if not (folder / name).is_dir()]


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def make_folder(folder: Path) -> None:
    """Create a folder and its parents."""
    folder.mkdir(parents=True, exist_ok=True)


def publish(part: Path, target: Path) -> None:
    """Move a file to its place; the file is flushed before, the folder after."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    _flush_name(target)


def open_end(path: Path) -> int:
    """Open a file for appending, created if it is missing; return the descriptor.

    Raises BlockingIOError while another process appends to it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _flush_name(path)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def add(descriptor: int, data: bytes) -> None:
    """Write all bytes; after an error, some of them may have been written."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def flush_end(descriptor: int) -> int:
    """Make the appended bytes durable; return the file's size."""
    os.fsync(descriptor)
    return os.fstat(descriptor).st_size


def flushed_size(path: Path) -> int:
    """Make earlier appended bytes durable; return the file's size."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return flush_end(descriptor)
    finally:
        os.close(descriptor)


def link(source: Path, target: Path) -> None:
    """Hard-link a file to a second path."""
    target.hardlink_to(source)
    _flush_name(target)


def remove_tree(folder: Path, last: str) -> None:
    """Delete a folder and its files, `last` at the end; a missing folder is no error."""
    for name in files_in(folder):
        if name != last:
            (folder / name).unlink(missing_ok=True)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        if folder.exists():  # one of its files was deleted meanwhile
            shutil.rmtree(folder)


def move_aside(root: Path, folders: Collection[Path]) -> Path:
    """Move folders into a new folder at the root, whose name is not a job id; missing ones are skipped."""
    place = root / f"{ASIDE}-{datetime.now(UTC):%Y-%m-%dT%H%M%S}"
    make_folder(place)
    for folder in folders:
        with suppress(FileNotFoundError):
            folder.rename(place / folder.name)
    _flush_folders([place, root])
    return place


def write_probe(root: Path) -> None:
    """Write and flush a file without a name."""
    with tempfile.TemporaryFile(dir=root) as file:
        file.write(os.urandom(PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


def read_mark(root: Path) -> str | None:
    """Return the id in a storage's mark, or None."""
    return next((path.name.removeprefix(MARK) for path in _marks(root)), None)


def write_mark(root: Path, installation_id: str) -> None:
    """Replace a storage's mark."""
    mark, old = root / (MARK + installation_id), _marks(root)
    if old and old[0] != mark:
        old[0].rename(mark)
    else:
        mark.mkdir(exist_ok=True)
    _flush_folders([root])


def _marks(root: Path) -> list[Path]:
    return sorted(root.glob(f"{MARK}*"))


def _flush_name(target: Path) -> None:
    _flush_folders(list(target.parents)[:3])  # the file's name, and those of the folders created for it


def _flush_folders(folders: list[Path]) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
