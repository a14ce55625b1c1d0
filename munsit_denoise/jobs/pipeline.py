"""Sends one file through decoder, model and encoder, block by block."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Protocol, runtime_checkable

import anyio
from anyio import to_thread

from munsit_denoise.errors import ProcessingFailed
from munsit_denoise.media.containers import CONTAINERS
from munsit_denoise.media.contents import read_contents
from munsit_denoise.media.decode import Block, decoding
from munsit_denoise.media.encode import Encoder, encoding_to
from munsit_denoise.media.film_plan import Film
from munsit_denoise.media.formats import NO_PICTURE, WITH_PICTURE, Encoding, encoding_for, lossless_encoding
from munsit_denoise.media.loudness import Levelled, level, write_sound
from munsit_denoise.media.metadata import Metadata, finish_tags, gather
from munsit_denoise.media.mux import FilmSources, write_film
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.media.scratch import Scratch, scratch_beside

Report = Callable[[int, str], None]  # percentage of the work, message
LastStep = Callable[[], AbstractAsyncContextManager[object]]  # held while the result is put together

EXTRACTING = "Extracting audio"
REDUCING = "Running noise reduction"
SAVING = "Saving the result"
REPORT_INTERVAL_S = 0.25
EXTRACTED_PERCENT = 5  # while audio is read and no window is complete
REDUCED_PERCENT = 98  # the rest is for finishing the file
REDUCED_BEFORE_PICTURE_PERCENT = 50  # if a picture is encoded again, which takes longer
SAVED_PERCENT = 99
NOT_LEVELLED = Levelled()


class Denoiser(Protocol):
    """The part of the engine that the pipeline uses."""

    def feed(self, block: Block) -> Block:
        """Take frames and return those that are ready."""
        ...

    def flush(self) -> Block:
        """Return the remaining frames."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A denoiser whose `feed` or `flush` can be stopped."""

    def stop(self) -> None:
        """Make a call in another thread end soon, and return when it has ended."""
        ...


@dataclass(frozen=True)
class PipelineTask:
    """Source, target and format of one job."""

    source: Path
    target: Path
    track: AudioTrack
    extension: str  # one of FORMATS
    level_lufs: float | None = None

    @property
    def encoding(self) -> Encoding:
        """How the target is encoded."""
        return encoding_for(self.extension, self.track)

    @property
    def is_film(self) -> bool:
        """Whether there is a picture that the target can hold."""
        holds_picture = self.extension in WITH_PICTURE or (self.extension, self.track.container) == ("ogg", "ogg")
        return self.track.has_picture and holds_picture


@dataclass(frozen=True)
class Outcome:
    """Information on a result besides its file."""

    notes: tuple[str, ...] = ()  # sentences for users: what the result lacks
    levelled: Levelled = NOT_LEVELLED  # the change of its loudness


class _FrameProgress:
    """Converts frames to percentages: of frames read while nothing is ready, then of frames written."""

    def __init__(self, track: AudioTrack, report: Report, reduced_percent: int = REDUCED_PERCENT) -> None:
        self._total, self._duration_s = max(track.duration_s * track.sample_rate_hz, 1), max(track.duration_s, 0.01)
        self._reduced_percent = reduced_percent
        self._report, self._told = report, (0, EXTRACTING)
        self._told_at_s = -1.0
        self.read = self.written = 0

    def tell(self) -> None:
        if self.written == 0:
            self._tell(EXTRACTED_PERCENT * min(self.read / self._total, 1), EXTRACTING)
        else:
            share = min(self.written / self._total, 1)
            self._tell(EXTRACTED_PERCENT + (self._reduced_percent - EXTRACTED_PERCENT) * share, REDUCING)

    def begin_reducing(self) -> None:
        if self.written == 0:
            self._tell(EXTRACTED_PERCENT, REDUCING)

    def saving(self, done_s: float = inf) -> None:
        """Report that the sound is done, and how many seconds of the picture are encoded."""
        share = min(done_s / self._duration_s, 1)
        self._tell(self._reduced_percent + (SAVED_PERCENT - self._reduced_percent) * share, SAVING)

    def _tell(self, percent: float, message: str) -> None:
        state, now_s = (int(percent), message), anyio.current_time()
        same_stage = message == self._told[1]
        if state == self._told or (same_stage and now_s - self._told_at_s < REPORT_INTERVAL_S):
            return
        self._told, self._told_at_s = state, now_s
        self._report(*state)


async def enhance_file(
    task: PipelineTask, denoiser: Denoiser, report: Report, last_step: LastStep = nullcontext
) -> Outcome:
    """Write the denoised source to the target and return the information on it.

    `last_step` is entered when the model is no longer needed and work remains. Cancelling takes effect within a few
    channels of one window of the model. Raises ProcessingFailed, StorageFull.
    """
    contents = await read_contents(task.source)
    async with scratch_beside(task.target) as scratch:
        is_film = task.is_film and bool(contents.of_kind("v"))
        metadata = await gather(task.source, contents, task.track, scratch, is_film=is_film)
        if is_film:
            film = Film(contents, task.track, task.extension, CONTAINERS[task.encoding.muxer], task.encoding)
            outcome = await _enhance_film(task, film, metadata, denoiser, _Desk(report, scratch, last_step))
        else:
            outcome = await _enhance_alone(task, metadata, denoiser, _Desk(report, scratch, last_step))
        more = await finish_tags(task.target, metadata, task.encoding)
        return replace(outcome, notes=(*outcome.notes, *more))


@dataclass(frozen=True)
class _Desk:
    """Where progress and temporary files go."""

    report: Report
    scratch: Scratch
    last_step: LastStep  # entered when the model is no longer needed and work remains


async def _enhance_alone(task: PipelineTask, metadata: Metadata, denoiser: Denoiser, desk: _Desk) -> Outcome:
    """Write a result without a picture."""
    encoding, progress = metadata.with_sound(task.encoding), _FrameProgress(task.track, desk.report)
    if encoding.muxer == "mxf":
        raise ProcessingFailed(NO_PICTURE)
    if task.level_lufs is None:
        await _enhance_sound(task, task.target, encoding, denoiser, progress)
        progress.saving()
        return Outcome()
    sound = desk.scratch.path("sound")
    await _enhance_sound(task, sound, lossless_encoding(), denoiser, progress)
    progress.saving()
    write = partial(write_sound, sound, task.target, task.track, encoding)
    async with desk.last_step():
        levelled = await level(sound, task.target, task.track, task.level_lufs, write)
    return Outcome(levelled.notes, levelled)


async def _enhance_film(task: PipelineTask, film: Film, metadata: Metadata, denoiser: Denoiser, desk: _Desk) -> Outcome:
    """Write a result with a picture."""
    percent = REDUCED_PERCENT if film.picture_fits else REDUCED_BEFORE_PICTURE_PERCENT
    progress, sound = _FrameProgress(task.track, desk.report, percent), desk.scratch.path("sound")
    await _enhance_sound(task, sound, lossless_encoding(), denoiser, progress)
    progress.saving(0)
    async with desk.last_step():
        levelled = Levelled()
        if task.level_lufs is not None:
            trial = desk.scratch.path("trial")
            encoding = lossless_encoding() if film.encoding.muxer == "mxf" else film.encoding  # MXF needs a picture
            write = partial(write_sound, sound, trial, task.track, encoding)
            levelled = await level(sound, trial, task.track, task.level_lufs, write)
        sources = FilmSources(film, task.source, sound, metadata, levelled.filters)
        notes = await write_film(sources, task.target, desk.scratch, progress.saving)
    progress.saving()
    return Outcome((*levelled.notes, *notes), levelled)


async def _enhance_sound(
    task: PipelineTask, target: Path, encoding: Encoding, denoiser: Denoiser, progress: _FrameProgress
) -> None:
    progress.tell()
    async with (
        decoding(task.source, task.track) as blocks,
        encoding_to(target, task.track, encoding) as encoder,
    ):
        async for block in blocks:
            progress.read += len(block)
            progress.tell()
            await _write(encoder, await _in_thread(denoiser, partial(denoiser.feed, block)), progress)
        progress.begin_reducing()
        await _write(encoder, await _in_thread(denoiser, denoiser.flush), progress)


async def _in_thread(denoiser: Denoiser, step: Callable[[], Block]) -> Block:
    """Run a step of a denoiser in a thread; cancelling stops it within a window if the denoiser can be stopped.

    The step may wait for the steps of other jobs, so its thread is none of those that all other work shares.
    """
    own = anyio.CapacityLimiter(1)
    if not isinstance(denoiser, Stoppable):
        return await to_thread.run_sync(step, limiter=own)
    try:
        return await to_thread.run_sync(step, abandon_on_cancel=True, limiter=own)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(denoiser.stop)
        raise


async def _write(encoder: Encoder, block: Block, progress: _FrameProgress) -> None:
    if len(block):
        await encoder.write(block)
        progress.written += len(block)
        progress.tell()
