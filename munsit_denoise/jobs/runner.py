"""Runs the jobs of a queue; each ends exactly once, as `success` or `failed`."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from munsit_denoise.db.records import Lease, RunResult
from munsit_denoise.db.runs import new_claim
from munsit_denoise.errors import DenoiseError, Interrupted, StorageFull, Unavailable
from munsit_denoise.jobs.intake import first_of, looked_at, track_of
from munsit_denoise.jobs.machine_trouble import machine_trouble
from munsit_denoise.jobs.parts import Parts
from munsit_denoise.jobs.pause import Pause
from munsit_denoise.jobs.pipeline import EXTRACTING, Denoiser, PipelineTask, enhance_file
from munsit_denoise.jobs.places import Place, Places
from munsit_denoise.jobs.report import digest_of, metered
from munsit_denoise.jobs.sending import Sending
from munsit_denoise.jobs.settlement import Settlement, persist
from munsit_denoise.logs import get_logger
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.treatment import Treatment

log = get_logger()
WAV = "wav"
RETRY_PAUSE_S = 1.0  # when the whole service is stopped, its programs may be killed first; such a run is not counted
LOST_ORIGINAL = "The original recording is no longer on the server."
TRIED = "The file could not be processed after {} attempts."

Answer = TypeVar("Answer")
MakeDenoiser = Callable[[AudioTrack, Treatment], Denoiser]  # for a track, and what is to be done to it


class _Lost(Exception):
    """The original is missing in storage."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs jobs."""

    parts: Parts
    settlement: Settlement
    sending: Sending
    make_denoiser: MakeDenoiser
    max_attempts: int
    tasks: TaskGroup  # one for each running job
    places: Places = field(default_factory=Places)
    pause: Pause = field(default_factory=Pause)

    async def run_forever(self) -> None:
        """Run queued jobs, as many at a time as there are places."""
        while True:
            place = await self.places.take()
            try:
                job_id = await self.parts.queue.take()
                await self.pause.wait()
            except BaseException:
                place.leave()
                raise
            self.tasks.start_soon(self._run_in, place, job_id)

    async def _run_in(self, place: Place, job_id: str) -> None:
        try:
            await self.run(job_id, place)
        except Exception:  # boundary: the next job must run
            log.exception("a job's run broke", job=job_id)
        finally:
            place.leave()
            await self.parts.queue.done(job_id)

    async def run(self, job_id: str, place: Place | None = None) -> None:
        """Run a job to its end, put it back into the queue, or leave it to its delivery."""
        claim = new_claim()  # one, however often the database has to be asked
        lease = await persist(lambda: self.parts.records.claim(job_id, claim))
        if lease is None:
            self.parts.journal.forget(job_id)
        else:
            with self.parts.journal.working(lease.record), self.parts.running.working(job_id):
                await self._run(lease, place or Place())

    async def _run(self, lease: Lease, place: Place) -> None:
        record = lease.record
        if record.attempts > self.max_attempts:
            await self.settlement.fail(lease, TRIED.format(self.max_attempts))
            return
        self.parts.journal.began(record)
        self.parts.board.begin(lease, EXTRACTING)
        try:
            result = await self._attempt(lease, place)
            if result is None:
                return
            self.pause.over()
            self.parts.journal.denoised(record)
            place.leave()
            await self.parts.queue.done(record.id)
            if record.options.output_url is None:
                await self.settlement.succeed(lease, result)
            else:
                await self.sending.send(lease, result, record.options.output_url)
        except anyio.get_cancelled_exc_class():
            await self.settlement.give_back_at_stop(lease, (_result_key(lease), _tiles_key(lease)), "it was stopped")
            raise

    async def _attempt(self, lease: Lease, place: Place) -> RunResult | None:
        """Return the result, or None if there is none and the run was settled."""
        try:
            return await self._denoise(lease, place)
        except _Lost:
            await self.settlement.fail(lease, LOST_ORIGINAL)
        except Exception as error:  # the one boundary of a job
            await self._settle(lease, error)
        return None

    async def _settle(self, lease: Lease, error: BaseException) -> None:
        """Handle the error of an attempt.

        Trouble of the machine does not count as an attempt, a verdict ends the job, any other error repeats it.
        """
        error = first_of(error)
        trouble = machine_trouble(error)
        if trouble is not None:
            await self.settlement.give_back(lease)
            await self._again(lease, trouble.message)
            self.pause.begin(trouble)
        elif isinstance(error, DenoiseError) and not isinstance(error, Interrupted):
            await self.settlement.fail(lease, error.message)
        else:
            if not isinstance(error, Interrupted):
                log.exception("job broke", attempt=lease.record.attempts, exc_info=error)
            await anyio.sleep(RETRY_PAUSE_S)
            await self._again(lease, "it broke and is tried again")

    async def _again(self, lease: Lease, reason: str) -> None:
        self.parts.board.end_run(lease)  # another worker may take the job, and a heartbeat would keep it from that
        self.parts.journal.interrupted(lease.record, reason)
        await self.parts.queue.put(lease.record.user_id, lease.record.id)

    @asynccontextmanager
    async def _original(self, key: str) -> AsyncIterator[Path]:
        async with AsyncExitStack() as stack:
            try:
                path = await stack.enter_async_context(self.parts.storage.local_file(key))
            except FileNotFoundError:
                raise _Lost from None
            yield path

    async def _denoise(self, lease: Lease, place: Place) -> RunResult:
        """Write the result durably to storage."""
        record, options, storage = lease.record, lease.record.options, self.parts.storage
        result_key = _result_key(lease)
        if storage.free_bytes() < record.result_bytes:
            raise StorageFull

        def tell(percent: int, message: str) -> None:
            self.parts.board.tell(lease, percent, message)

        async with self._original(record.original_key) as source, storage.new_file(result_key) as target:
            track = track_of(record.track) or await looked_at(source, options.audio_track)
            task = PipelineTask(source, target, track, options.extension or WAV, options.level_lufs)
            make = partial(self.make_denoiser, track, options.treatment)
            denoiser = metered(await _left_at_cancel(make), track, record.audio_size_bytes)  # may have to load a model
            outcome = await enhance_file(task, denoiser, tell, lambda: self.places.last_step(place, record.user_id))
            digests = await _left_at_cancel(lambda: (digest_of(source), digest_of(target)))
        told = await _left_at_cancel(partial(denoiser.report, outcome, options, digests))
        tiles = await _left_at_cancel(denoiser.tiles)
        tiles_key = await self._kept(tiles, _tiles_key(lease)) if tiles else None
        size_bytes = (await storage.stat(result_key)).size_bytes
        tiles_bytes = len(tiles) if tiles and tiles_key else 0
        return RunResult(result_key, json.dumps(told, ensure_ascii=False), tiles_key, size_bytes, tiles_bytes)

    async def _kept(self, tiles: bytes, key: str) -> str | None:
        """Store the pictures and return their key, or None without space: a result is complete without them."""
        try:
            async with self.parts.storage.new_file(key) as path:
                await to_thread.run_sync(path.write_bytes, tiles)
        except Unavailable as error:
            log.warning("spectrogram tiles could not be stored", reason=error.message)
            return None
        return key


async def _left_at_cancel(work: Callable[[], Answer]) -> Answer:
    """Return what some work returns that only reads; a job that is stopped does not wait for its end.

    Loading a model may wait for other jobs, so the thread is none of those that all other work shares.
    """
    return await to_thread.run_sync(work, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))


def _result_key(lease: Lease) -> str:
    """Return the storage key of a run's result, different for each run."""
    return f"{lease.record.id}/denoised-{lease.number}.{lease.record.options.extension or WAV}"


def _tiles_key(lease: Lease) -> str:
    """Return the storage key of a run's pictures."""
    return f"{lease.record.id}/tiles-{lease.number}"
