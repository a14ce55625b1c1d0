"""Runs the jobs of a queue: each ends once, as `success` or `failed`, whatever happens on the way."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup

from munsit_denoise.db.records import Lease, Records
from munsit_denoise.errors import DatabaseBusy, DenoiseError, StorageFull
from munsit_denoise.events.base import Bell
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.jobs.pipeline import EXTRACTING, Denoiser, Work, enhance_file
from munsit_denoise.jobs.running import RunningJobs
from munsit_denoise.logs import get_logger
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import Delivery, DenoiseRecord, Processing, terminal_event
from munsit_denoise.storage import LocalStorage

log = get_logger()
RETRY_PAUSE_S = 1.0
DELIVERING = "Sending the result"
DELIVERING_PERCENT = 99
LOST_ORIGINAL = "The original recording is no longer on the server."

Result = TypeVar("Result")
MakeDenoiser = Callable[[AudioTrack, float], Denoiser]  # for a track, at a strength
Recall = Callable[[str, Path], Awaitable[AudioTrack]]  # of an original's key and path
Deliver = Callable[[Path, str], Awaitable[str | None]]  # a file to a URL; returns why it failed


@dataclass(frozen=True)
class Runner:
    """What it takes to run a job."""

    records: Records
    storage: LocalStorage
    queue: LocalQueue
    bell: Bell
    running: RunningJobs
    recall: Recall
    make_denoiser: MakeDenoiser
    max_attempts: int
    deliver: Deliver
    tasks: TaskGroup  # of what goes on after a job has left its place to the next one
    journal: Journal = field(default_factory=Journal)

    async def run_forever(self) -> None:
        """Run one job after the other."""
        while True:
            await self.run(await self.queue.take())

    async def run(self, job_id: str) -> None:
        """Run a job to its end, put it back into the queue, or leave it to its delivery."""
        lease = await _persist(lambda: self.records.claim(job_id))
        if lease is None:
            return
        with self.journal.working(lease.record):
            await self._run(lease)

    async def _run(self, lease: Lease) -> None:
        record = lease.record
        if record.attempts > self.max_attempts:
            await self._fail(lease, f"The file could not be processed after {self.max_attempts} attempts.")
            return
        self.journal.began(record)
        result_key = None
        with self.running.working(record.id):
            result_key = await self._attempt(lease)
        if result_key is None:
            return
        self.journal.denoised(record)
        if record.options.output_url is None:
            await self._succeed(lease, result_key)
        else:
            self.tasks.start_soon(self._deliver, lease, result_key, record.options.output_url)

    async def _attempt(self, lease: Lease) -> str | None:
        """Return the key of the result, None when there is none and that has been settled."""
        record = lease.record
        try:
            return await self._denoise(lease)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.records.give_back(lease)
            self.journal.interrupted(record, "it was stopped")
            raise
        except DenoiseError as error:
            await self._fail(lease, error.message)
        except FileNotFoundError:
            await self._fail(lease, LOST_ORIGINAL)
        except Exception:  # the one boundary: whatever a job breaks on, the next one runs
            log.exception("job broke", attempt=record.attempts)
            self.journal.interrupted(record, "it broke and is tried again")
            await anyio.sleep(RETRY_PAUSE_S)
            await self.queue.put(record.user_id, record.id)
        return None

    async def _denoise(self, lease: Lease) -> str:
        """Make the result durable in storage and return its key, which no other attempt uses."""
        record, options = lease.record, lease.record.options
        extension = options.extension or "wav"
        result_key = f"{record.id}/denoised-{lease.number}.{extension}"

        def report(percent: int, message: str) -> None:
            self.bell.publish(record.id, Processing(percent, message))

        async with (
            self.storage.local_file(record.original_key) as source,
            self.storage.new_file(result_key) as target,
        ):
            report(0, EXTRACTING)
            track = await self.recall(record.original_key, source)
            work = Work(source, target, track, extension, options.level_lufs)
            await enhance_file(work, self.make_denoiser(track, options.strength), report)
        return result_key

    async def _deliver(self, lease: Lease, result_key: str, url: str) -> None:
        """Send the result where the client wants it, then end the job: well, however the sending went."""
        record = lease.record
        self.bell.publish(record.id, Processing(DELIVERING_PERCENT, DELIVERING))
        try:
            with self.running.working(record.id):
                reason = await self.deliver(self.storage.path(result_key), url)
                delivery = Delivery.DELIVERED if reason is None else Delivery.FAILED
                self.journal.delivered(record, reason)
                await self._succeed(lease, result_key, delivery)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.records.give_back(lease)
            raise
        except Exception:  # a boundary as well: the job has its result
            log.exception("delivery broke")
            await self._succeed(lease, result_key, Delivery.FAILED)

    async def _succeed(self, lease: Lease, result_key: str, delivery: Delivery | None = None) -> None:
        ended = await _persist(lambda: self.records.succeed(lease, result_key, delivery))
        if ended is None:
            await self.storage.delete(result_key)
        self._ring(ended)

    async def _fail(self, lease: Lease, message: str) -> None:
        self._ring(await _persist(lambda: self.records.fail(lease, message)))

    def _ring(self, ended: DenoiseRecord | None) -> None:
        if ended is None:
            return  # another attempt ended the job, and rang
        event = terminal_event(ended)
        assert event is not None  # a settled record has ended
        self.bell.publish(ended.id, event)
        self.journal.ended(ended)


async def _persist(write: Callable[[], Awaitable[Result]]) -> Result:
    """Write until the database takes it: an end that is not written down would leave its job pending."""
    pause_s = 0.1
    while True:
        try:
            return await write()
        except (DatabaseBusy, StorageFull) as error:
            log.warning("the database does not take a job's state", reason=str(error))
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, 5.0)
