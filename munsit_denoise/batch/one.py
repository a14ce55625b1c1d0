"""One file: looked at, denoised, put into its place."""

import errno
import os
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from anyio import to_thread

from munsit_denoise.batch.appear import appearing, exists
from munsit_denoise.batch.engine import Engine
from munsit_denoise.batch.names import is_media_name
from munsit_denoise.batch.order import Levels, Order, Pair, Result
from munsit_denoise.batch.pipes import needs_spool, pour, spool, spool_folder
from munsit_denoise.batch.places import Identity, identity, is_disk, is_special
from munsit_denoise.errors import NotMedia
from munsit_denoise.jobs.pipeline import Report, Work, enhance_file
from munsit_denoise.media.loudness import measure_loudness
from munsit_denoise.media.probe import AudioTrack, probe

THERE = "The result is there already."


@dataclass(frozen=True)
class Job:
    """A pair within an order, and how its progress is told."""

    pair: Pair
    order: Order
    inputs: set[Identity]  # of the whole order: none of them is written to
    report: Report
    told_duration: Callable[[float], None]  # of its sound, in seconds


async def process(job: Job, engine: Engine) -> Result:
    """Process one file and return what became of it. Raises DenoiseError, OSError."""
    pair, order = job.pair, job.order
    began_s = time.monotonic()
    result = Result(pair.source, pair.target, "skipped")
    special = is_special(pair.target)
    if not special and os.path.lexists(pair.target):
        if identity(pair.target) in job.inputs:
            raise OSError(errno.EEXIST, "is one of the inputs, and stays as it is", str(pair.target))
        if order.skip_existing:
            return replace(result, notes=(THERE,))
        if not order.overwrite:
            raise exists(pair.target)
    if is_disk(pair.target) and not order.overwrite:
        raise exists(pair.target)
    try:
        return replace(await _through(job, engine, special), elapsed_s=time.monotonic() - began_s)
    except NotMedia as error:
        if not pair.found or is_media_name(pair.source):
            raise
        return replace(result, notes=(str(error),))


async def _through(job: Job, engine: Engine, special: bool) -> Result:
    if not needs_spool(job.pair.source):
        return await _denoise(job, job.pair.source, engine, special)
    with spool_folder() as place:
        spooled = place / ".input"
        await to_thread.run_sync(spool, job.pair.source, spooled, abandon_on_cancel=True)
        return await _denoise(job, spooled, engine, special)


async def _denoise(job: Job, source: Path, engine: Engine, special: bool) -> Result:
    pair = job.pair
    track = await probe(source, job.order.track)
    job.told_duration(track.duration_s)
    planned = Result(pair.source, pair.target, "planned", track.duration_s)
    if job.order.dry_run:
        return planned
    with _place_of(pair, job.order, special) as part:
        with closing(await engine.denoiser(track)) as denoiser:
            work = Work(source, part, track, pair.extension, level_lufs=job.order.level_lufs)
            outcome = await enhance_file(work, denoiser, job.report)
            levels = denoiser.levels()
        if job.order.level_lufs is not None:
            levels = await _with_loudness(levels, part, track)
        if special:
            await to_thread.run_sync(pour, part, pair.target, abandon_on_cancel=True)
    job.report(100, "")
    return replace(planned, state="done", levels=levels, notes=outcome.notes)


@contextmanager
def _place_of(pair: Pair, order: Order, special: bool) -> Iterator[Path]:
    """Yield where to write a result: what stands there afterwards is in its place."""
    if special:
        with spool_folder() as place:
            yield place / f".result.{pair.extension}"
        return
    if pair.found or order.output.endswith("/") or len(order.inputs) > 1:
        _make_folder(pair.target.parent)
    with appearing(pair.target, overwrite=order.overwrite) as part:
        yield part


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder is needed", str(folder)) from None


async def _with_loudness(levels: Levels, part: Path, track: AudioTrack) -> Levels:
    loudness = await measure_loudness(part, track)
    return replace(
        levels, output_lufs=loudness.integrated_lufs, output_true_peak_dbtp=loudness.true_peak_dbtp
    )
