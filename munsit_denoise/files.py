"""Writes results to disk without a server: they appear complete or not at all, and replace nothing by accident."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from munsit_denoise.jobs.pipeline import Denoiser, PipelineTask, enhance_file
from munsit_denoise.media.formats import result_extension
from munsit_denoise.media.probe import probe

EXISTS = "exists already; overwrite=True replaces it"  # the command line words it differently
PREFIX = ".munsit-denoise-"  # of hidden folders with unfinished files


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """Yield a hidden temporary folder inside a folder.

    It is locked while this process lives, so that another run can recognise what a killed process left. Raises OSError.
    """
    place, lock = _locked_folder(folder)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _locked_folder(folder: Path) -> tuple[Path, int]:
    while True:
        try:
            place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder)) from None
        try:
            lock = os.open(place, os.O_RDONLY)
        except FileNotFoundError:
            continue
        _take(lock)
        if place.exists():  # another run may have removed it as a leftover before it was locked
            return place, lock
        os.close(lock)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders of killed runs; those of running ones stay."""
    for place in folder.glob(f"{PREFIX}*"):
        try:
            lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        if _take(lock):
            shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def appearing(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a path to write to; the file is moved to its target when the block ends without an exception.

    If the target is a link, the file that it points to is replaced. Raises OSError, and FileExistsError if a file is
    there that may not be replaced.
    """
    place_of_target = target.resolve() if target.is_symlink() else target
    with workplace(place_of_target.parent) as place:
        part = place / f".result{place_of_target.suffix}"
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        if overwrite:
            part.replace(place_of_target)
        else:
            _publish_new(part, place_of_target)


def _publish_new(part: Path, target: Path) -> None:
    """Rename a file unless the name exists, atomically if the file system has hard links."""
    try:
        target.hardlink_to(part)
    except FileExistsError:
        raise exists(target) from None
    except OSError:
        if os.path.lexists(target):
            raise exists(target) from None
        part.rename(target)


def exists(target: Path) -> FileExistsError:
    """Return the error for a result that exists."""
    return FileExistsError(errno.EEXIST, EXISTS, str(target))


@dataclass(frozen=True)
class Wish:
    """Source, target and options of one file."""

    source: Path
    target: Path  # its extension determines the format
    loudness_lufs: float | None
    track: int  # which audio track of the source
    overwrite: bool


async def enhance_one(wish: Wish, make_denoiser: Callable[[int, int], Denoiser]) -> tuple[str, ...]:
    """Write one file without its noise and return notes for the user.

    `make_denoiser` takes a rate in hertz and a number of channels. Raises DenoiseError, OSError, and ValueError if
    target and source are the same file.
    """
    extension = await to_thread.run_sync(_checked_extension, wish)
    track = await probe(wish.source, wish.track)
    with appearing(wish.target, overwrite=wish.overwrite) as part:
        denoiser = await to_thread.run_sync(make_denoiser, track.sample_rate_hz, track.channels)
        task = PipelineTask(wish.source, part, track, extension, level_lufs=wish.loudness_lufs)
        outcome = await enhance_file(task, denoiser, lambda percent, message: None)
    return outcome.notes


def _checked_extension(wish: Wish) -> str:
    with wish.source.open("rb"):
        pass  # reports a missing or unreadable file by its name
    if wish.target.exists() and wish.target.samefile(wish.source):
        raise ValueError(f"The source and the target are the same file: {wish.target}")
    if not wish.overwrite and os.path.lexists(wish.target):
        raise exists(wish.target)
    if not wish.target.suffix:
        raise ValueError(f"The target's name needs an extension, which says its format: {wish.target}")
    return result_extension(wish.target.suffix, "")
