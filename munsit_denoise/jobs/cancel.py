"""Cancels jobs: their work stops, their originals stay."""

import anyio

from munsit_denoise.jobs.parts import Parts
from munsit_denoise.records import DenoiseRecord


async def stop_work(parts: Parts, record: DenoiseRecord) -> None:
    """Take a job out of the queue, stop its work in this process, and wait until that has ended.

    A job that has ended by this is told first: whoever works on it may forget it on its way out. Whoever works on it
    elsewhere learns it from the row.
    """
    parts.journal.cancelled(record)
    parts.queue.discard(record.user_id, record.id)
    parts.inbox.discard(record.user_id, record.id)
    await parts.running.stop(record.id)
    parts.board.end(record.id)


class Cancellation:
    """Cancels jobs that have not ended."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def cancel(self, user_id: str, job_id: str) -> DenoiseRecord:
        """Return a user's record after its job has ended, by cancellation or before it. Raises JobNotFound."""
        with anyio.CancelScope(shield=True):
            record = await self._parts.records.cancel(user_id, job_id)
            if record.cancel_asked_at_us is not None:
                await stop_work(self._parts, record)
                self._parts.bell.ring(job_id)
        return record
