"""Ensures one server for each set of data, with locks on its folder, its database and its recordings.

Each of the three has its own lock, so two data folders that share a database or recordings are refused too. The system
releases the locks of a process that dies.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from munsit_denoise.settings import Settings

RETRY_S = 0.1


class AlreadyRunning(Exception):
    """Another server uses the same data."""


@contextmanager
def only_server(settings: Settings, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the locks during the block; missing folders are created.

    `patience_s` is how long to wait for a command that holds them briefly. Raises AlreadyRunning, OSError.
    """
    until_s = time.monotonic() + patience_s
    _make_folder(settings.data_dir.absolute(), "DENOISE_DATA_DIR")
    if not settings.storage_url.startswith("s3:"):
        _make_folder(settings.storage_root, "DENOISE_STORAGE_URL")
    if settings.is_cluster:  # made for several processes
        yield
        return
    _make_folder(settings.database_path.resolve().parent, "DENOISE_DATABASE_URL")
    with ExitStack() as stack:
        for path, held in _places(settings):
            stack.enter_context(_locked(path, f"Another server is already {held}", until_s))
        yield


def is_held(settings: Settings) -> bool:
    """Return whether a server holds the data now; creates nothing. Raises OSError."""
    for path, _ in _places(settings):
        if path.exists():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if not _take(descriptor):
                    return True
            finally:
                os.close(descriptor)
    return False


def _places(settings: Settings) -> list[tuple[Path, str]]:
    """Return the paths to lock, each with the message if another server holds it."""
    data_dir, storage = settings.data_dir.absolute(), settings.storage_root
    database = settings.database_path.resolve()
    places = [
        (data_dir / "server.lock", f"running on the data in {data_dir}"),
        (database.with_name(database.name + ".lock"), f"using the database {database}"),
    ]
    return [*places, (storage, f"using the recordings in {storage}")] if storage.is_dir() else places


def _make_folder(folder: Path, setting: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(
            errno.ENOTDIR, "a file stands where a folder is needed", f"{setting}: {folder}"
        ) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{setting}: {folder}") from None


@contextmanager
def _locked(path: Path, refusal: str, until_s: float) -> Iterator[None]:
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags, 0o666)
    try:
        while not _take(descriptor):
            if time.monotonic() >= until_s:
                raise AlreadyRunning(refusal)
            time.sleep(RETRY_S)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
