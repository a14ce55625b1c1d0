"""Deletes originals, results and records a configured time after the end of their job.

The row is changed first; if a crash follows, the sweep deletes the files that no row names.
"""

from collections import Counter
from dataclasses import dataclass, replace

import anyio

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.retention import ORIGINAL, RESULT, File, Retention
from munsit_denoise.errors import Unavailable
from munsit_denoise.logs import get_logger
from munsit_denoise.storage.base import Storage

log = get_logger()
US_PER_DAY = 86_400_000_000
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 600.0
LOOKS = 10  # checks within the shortest retention time


@dataclass(frozen=True)
class RetentionTimes:
    """How many days after a job's end something is kept; 0 means without limit."""

    originals_days: float = 0
    results_days: float = 0
    records_days: float = 0

    @property
    def pause_s(self) -> float | None:
        """Time between two sweeps; None if everything is kept without limit."""
        days = [days for days in (self.originals_days, self.results_days, self.records_days) if days]
        return min(max(min(days) * 86_400 / LOOKS, SHORTEST_PAUSE_S), LONGEST_PAUSE_S) if days else None


@dataclass(frozen=True)
class Keeper:
    """Deletes what is older than its retention time."""

    retention: Retention
    storage: Storage
    keep: RetentionTimes

    async def sweep_forever(self) -> None:
        """Sweep at the start and then at intervals."""
        while (pause_s := self.keep.pause_s) is not None:
            try:
                await self.sweep(now_us())
            except Unavailable as error:
                log.warning("expired files cannot be deleted yet", reason=error.message)
            await anyio.sleep(pause_s)

    async def sweep(self, at_us: int) -> Counter[str]:
        """Delete what is due at a time; return the numbers of originals, results, records and bytes."""
        keep, gone = self.keep, Counter[str]()
        if keep.records_days:
            await self._remove_records(at_us, _before(at_us, keep.records_days), gone)
        if keep.originals_days:
            await self._remove_files(ORIGINAL, at_us, keep.originals_days, gone, "originals")
        if keep.results_days:
            await self._remove_files(RESULT, at_us, keep.results_days, gone, "results")
        if gone:
            log.info("expired files were deleted", **gone)
        return gone

    async def _remove_files(self, file: File, at_us: int, days: float, gone: Counter[str], name: str) -> None:
        before_us = _before(at_us, days)
        async for span in self.retention.spans():
            while due := await self.retention.files(file, before_us, span):
                span = replace(span, after=due[-1].record_id)
                await self.retention.let_go(file, [each.record_id for each in due], at_us)
                for each in due:
                    gone[name] += 1
                    gone["bytes"] += sum([await self._delete(key) for key in each.keys])

    async def _remove_records(self, at_us: int, before_us: int, gone: Counter[str]) -> None:
        async for span in self.retention.spans():
            while due := await self.retention.records(before_us, span):
                span = replace(span, after=due[-1])
                await self.retention.mark_removed(due, at_us)
                done = [record_id for record_id in due if await self._delete_folder(record_id, gone)]
                await self.retention.forget(done)
                gone["records"] += len(done)
        await self.retention.forget_deliveries(before_us)

    async def _delete(self, key: str) -> int:
        """Delete a file and return its size; 0 if it is missing, or cannot be deleted now and is left to the sweep."""
        try:
            size_bytes = (await self.storage.stat(key)).size_bytes
            await self.storage.delete(key)
        except FileNotFoundError:
            return 0
        except Unavailable as error:
            log.warning("an expired file cannot be deleted yet", reason=error.message)
            return 0
        return size_bytes

    async def _delete_folder(self, job_id: str, gone: Counter[str]) -> bool:
        """Delete all files of a record; on failure its mark stays, and the removal is finished later."""
        try:
            sizes = [(await self.storage.stat(key)).size_bytes for key in await self.storage.keys(job_id)]
            await self.storage.delete_job(job_id)
        except (FileNotFoundError, Unavailable) as error:
            log.warning("an expired record cannot be deleted yet", job=job_id, reason=str(error))
            return False
        gone["bytes"] += sum(sizes)
        return True


def _before(at_us: int, days: float) -> int:
    return at_us - int(days * US_PER_DAY)
