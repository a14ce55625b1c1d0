"""Processes one file: probes and denoises it, and moves the result to its place."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from anyio import to_thread

from munsit_denoise.batch.engine import Engine
from munsit_denoise.batch.names import is_media_name
from munsit_denoise.batch.order import FileResult, Levels, Order, Pair
from munsit_denoise.batch.paths import Identity, identity, is_disk, is_special
from munsit_denoise.batch.pipes import needs_spool, pour, spool, spool_folder
from munsit_denoise.batch.words import told_error
from munsit_denoise.errors import NotMedia
from munsit_denoise.files import appearing, exists
from munsit_denoise.jobs.pipeline import PipelineTask, Report, enhance_file
from munsit_denoise.media.loudness import measure_loudness
from munsit_denoise.media.probe import AudioTrack, probe

THERE = "The result exists already."


@dataclass(frozen=True)
class Job:
    """A pair of an order, and where its progress is reported."""

    pair: Pair
    order: Order
    inputs: set[Identity]  # of the whole order: none of them may be overwritten
    report: Report


async def process(job: Job, engine: Engine) -> FileResult:
    """Process one file and return its result. Raises DenoiseError, OSError."""
    pair = job.pair
    result = FileResult(pair.source, pair.target, "skipped")
    if _is_left_out(job):
        return replace(result, notes=(THERE,))
    try:
        return await _through(job, engine)
    except NotMedia as error:
        if not pair.found or is_media_name(pair.source):
            raise
        return replace(result, notes=(told_error(error),))


def _is_left_out(job: Job) -> bool:
    """Return whether a file is skipped because its result exists. Raises OSError if the result may not be replaced."""
    target, order = job.pair.target, job.order
    if is_special(target):
        if is_disk(target) and not order.overwrite:
            raise exists(target)
        return False
    if not os.path.lexists(target):
        return False
    if identity(target) in job.inputs:
        raise OSError(errno.EEXIST, "is one of the inputs, and stays as it is", str(target))
    if not (order.overwrite or order.skip_existing):
        raise exists(target)
    return order.skip_existing


async def _through(job: Job, engine: Engine) -> FileResult:
    if not needs_spool(job.pair.source):
        return await _denoise(job, job.pair.source, engine)
    with spool_folder() as place:
        spooled = place / ".input"
        await to_thread.run_sync(spool, job.pair.source, spooled, abandon_on_cancel=True)
        return await _denoise(job, spooled, engine)


async def _denoise(job: Job, source: Path, engine: Engine) -> FileResult:
    pair, special = job.pair, is_special(job.pair.target)
    track = await probe(source, job.order.track)
    planned = FileResult(pair.source, pair.target, "planned", track.duration_s)
    if job.order.dry_run:
        return planned
    with _place_of(pair, job.order, special) as part:
        with closing(await engine.denoiser(track)) as denoiser:
            began_s = time.monotonic()
            task = PipelineTask(source, part, track, pair.extension, level_lufs=job.order.level_lufs)
            outcome = await enhance_file(task, denoiser, job.report)
            levels = denoiser.levels()
        if job.order.level_lufs is not None:
            levels = await _with_loudness(levels, part, track)
        if special:
            await to_thread.run_sync(pour, part, pair.target, abandon_on_cancel=True)
    job.report(100, "")
    elapsed_s = time.monotonic() - began_s
    return replace(planned, state="done", elapsed_s=elapsed_s, levels=levels, notes=outcome.notes)


@contextmanager
def _place_of(pair: Pair, order: Order, special: bool) -> Iterator[Path]:
    """Yield a path for the result; at the end of the block it is moved to its place."""
    if special:
        with spool_folder() as place:
            yield place / f".result.{pair.extension}"
        return
    if pair.found or order.output.endswith("/") or len(order.inputs) > 1:
        _make_folder(pair.target.parent)
    if not pair.target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder does not exist", str(pair.target.parent))
    with appearing(pair.target, overwrite=order.overwrite) as part:
        yield part


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder is needed", str(folder)) from None


async def _with_loudness(levels: Levels, part: Path, track: AudioTrack) -> Levels:
    loudness = await measure_loudness(part, track)
    return replace(levels, output_lufs=loudness.integrated_lufs, output_true_peak_dbtp=loudness.true_peak_dbtp)
