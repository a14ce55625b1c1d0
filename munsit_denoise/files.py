"""One file after another's wish, without a server and without a command line."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from munsit_denoise.batch.appear import appearing
from munsit_denoise.jobs.pipeline import Denoiser, Work, enhance_file
from munsit_denoise.media.formats import result_extension
from munsit_denoise.media.probe import probe


@dataclass(frozen=True)
class Wish:
    """From which file to which; what is to become of it."""

    source: Path
    target: Path  # its extension says the format
    loudness_lufs: float | None
    track: int  # which of the source's audio tracks
    overwrite: bool


async def enhance_one(wish: Wish, make_denoiser: Callable[[int, int], Denoiser]) -> tuple[str, ...]:
    """Write one file without its noise and return what is to be said about it.

    A denoiser is made for a rate in hertz and a number of channels. Raises DenoiseError, OSError, and ValueError when
    target and source are the same file.
    """
    extension = await to_thread.run_sync(_checked_extension, wish)
    track = await probe(wish.source, wish.track)
    with appearing(wish.target, overwrite=wish.overwrite) as part:
        denoiser = await to_thread.run_sync(make_denoiser, track.sample_rate_hz, track.channels)
        work = Work(wish.source, part, track, extension, level_lufs=wish.loudness_lufs)
        outcome = await enhance_file(work, denoiser, lambda percent, message: None)
    return outcome.notes


def _checked_extension(wish: Wish) -> str:
    with wish.source.open("rb"):
        pass  # one that is missing or unreadable is told with its name
    if wish.target.exists() and wish.target.samefile(wish.source):
        raise ValueError(f"The source and the target are the same file: {wish.target}")
    if not wish.overwrite and os.path.lexists(wish.target):
        raise FileExistsError(errno.EEXIST, "exists already; overwrite=True replaces it", str(wish.target))
    if not wish.target.suffix:
        raise ValueError(f"The target's name needs an extension, which says its format: {wish.target}")
    return result_extension(wish.target.suffix, "")
