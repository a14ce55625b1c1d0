"""Runs the jobs of a queue: each ends once, as `success` or `failed`, whatever happens on the way."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio

from munsit_denoise.db.records import Lease, Records
from munsit_denoise.errors import DatabaseBusy, DenoiseError, StorageFull
from munsit_denoise.events.base import Bell
from munsit_denoise.jobs.pipeline import EXTRACTING, Denoiser, Work, enhance_file
from munsit_denoise.media.encode import wav_encoding
from munsit_denoise.media.probe import AudioTrack, probe
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import DenoiseRecord, Processing, terminal_event
from munsit_denoise.storage import LocalStorage

log = logging.getLogger(__name__)
RETRY_PAUSE_S = 1.0
LOST_ORIGINAL = "The original recording is no longer on the server."

Result = TypeVar("Result")
MakeDenoiser = Callable[[AudioTrack], Denoiser]


@dataclass(frozen=True)
class Runner:
    """What it takes to run a job."""

    records: Records
    storage: LocalStorage
    queue: LocalQueue
    bell: Bell
    make_denoiser: MakeDenoiser
    max_attempts: int

    async def run_forever(self) -> None:
        """Run one job after the other."""
        while True:
            await self.run(await self.queue.take())

    async def run(self, job_id: str) -> None:
        """Run a job to its end, or put it back into the queue."""
        lease = await _persist(lambda: self.records.claim(job_id))
        if lease is None:
            return
        record = lease.record
        if record.attempts > self.max_attempts:
            await self._fail(lease, f"The file could not be processed after {self.max_attempts} attempts.")
            return
        try:
            result_key = await self._denoise(lease)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self.records.give_back(lease)
            raise
        except DenoiseError as error:
            await self._fail(lease, error.message)
        except FileNotFoundError:
            await self._fail(lease, LOST_ORIGINAL)
        except Exception:  # the one boundary: whatever a job breaks on, the next one runs
            log.exception("job %s broke in attempt %d", job_id, record.attempts)
            await anyio.sleep(RETRY_PAUSE_S)
            await self.queue.put(record.user_id, job_id)
        else:
            await self._succeed(lease, result_key)

    async def _denoise(self, lease: Lease) -> str:
        """Make the result durable in storage and return its key, which no other attempt uses."""
        record = lease.record
        result_key = f"{record.id}/denoised-{lease.number}.wav"

        def report(percent: int, message: str) -> None:
            self.bell.publish(record.id, Processing(percent, message))

        async with (
            self.storage.local_file(record.original_key) as source,
            self.storage.new_file(result_key) as target,
        ):
            report(0, EXTRACTING)
            track = await probe(source)
            work = Work(source, target, track, wav_encoding(track))
            await enhance_file(work, self.make_denoiser(track), report)
        return result_key

    async def _succeed(self, lease: Lease, result_key: str) -> None:
        ended = await _persist(lambda: self.records.succeed(lease, result_key))
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
        log.info("job %s: %s", ended.id, ended.status)


async def _persist(write: Callable[[], Awaitable[Result]]) -> Result:
    """Write until the database takes it: an end that is not written down would leave its job pending."""
    pause_s = 0.1
    while True:
        try:
            return await write()
        except (DatabaseBusy, StorageFull) as error:
            log.warning("the database does not take a job's state: %s", error)
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, 5.0)
