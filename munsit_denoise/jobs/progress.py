"""Progress of running jobs: told here at once, written to their rows soon after."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from munsit_denoise.db.records import Beat, Lease, Records
from munsit_denoise.errors import Unavailable
from munsit_denoise.events.base import Bell
from munsit_denoise.records import Processing

WRITE_INTERVAL_S = 1.0  # between two notes of the same job's progress in its row
BEAT_INTERVAL_S = 10.0  # between two signs of life of one that comes no further


@dataclass
class _Reported:
    lease: Lease
    latest: Processing
    noted: Processing | None = None  # as it stands in the row
    noted_at_s: float = float("-inf")

    def is_due(self, now_s: float, beat_s: float) -> bool:
        return self.latest != self.noted or now_s - self.noted_at_s >= beat_s


class Board:
    """The progress of this process's jobs. Telling it costs no time: the rows are written by `write_forever`."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._runs: dict[str, _Reported] = {}

    def begin(self, lease: Lease, message: str) -> None:
        """A run of a job begins; what its listeners were told of a run before does not fall back."""
        self._runs[lease.record.id] = _Reported(lease, Processing(lease.record.percent, message))
        self._bell.ring(lease.record.id)

    def tell(self, lease: Lease, percent: int, message: str) -> None:
        """A run has come so far. One that was overtaken or has ended is not heard any more."""
        run = self._runs.get(lease.record.id)
        if run is None or run.lease.number != lease.number:
            return
        run.latest = Processing(max(percent, run.latest.percent), message)
        self._bell.ring_here(lease.record.id)  # other processes look at the row

    def end(self, job_id: str) -> None:
        """No run of a job goes on."""
        self._runs.pop(job_id, None)

    def end_run(self, lease: Lease) -> bool:
        """A run goes on no more, whoever runs the job now; say whether it was known here."""
        known = self.lease_of(lease.record.id) == lease.number
        if known:
            self.end(lease.record.id)
        return known

    def lease_of(self, job_id: str) -> int | None:
        """Return the number of the lease under which a job runs in this process."""
        run = self._runs.get(job_id)
        return run.lease.number if run else None

    def latest(self, job_id: str) -> Processing | None:
        """Return what a job that runs in this process does."""
        run = self._runs.get(job_id)
        return run.latest if run else None

    async def write_forever(
        self, records: Records, stop: Callable[[str], None], beat_s: float = BEAT_INTERVAL_S
    ) -> None:
        """Note in the rows, again and again, how far all runs have come; `stop` those that have lost their job."""
        while True:
            await anyio.sleep(WRITE_INTERVAL_S)
            now_s = anyio.current_time()
            due = [run for run in self._runs.values() if run.is_due(now_s, beat_s)]
            if due:
                await self._write(due, now_s, records, stop)
            await self._stop_lost([run for run in self._runs.values() if run not in due], records, stop)

    async def _write(self, due: list[_Reported], now_s: float, records: Records, stop: Callable[[str], None]) -> None:
        told = [run.latest for run in due]
        beats = [Beat(run.lease, event.percent, event.message) for run, event in zip(due, told, strict=True)]
        try:
            void = await records.beat(beats)
        except Unavailable:
            return  # the next round has all of it
        for run, event in zip(due, told, strict=True):
            run.noted, run.noted_at_s = event, now_s
            self._bell.ring(run.lease.record.id)  # who listens in another process reads the row
        self._stop(void, stop)

    async def _stop_lost(self, quiet: list[_Reported], records: Records, stop: Callable[[str], None]) -> None:
        """Stop those of some runs whose job was ended elsewhere: also one that comes no further hears of it soon."""
        if quiet:
            with suppress(Unavailable):  # the next round asks again
                self._stop(await records.void([run.lease for run in quiet]), stop)

    def _stop(self, void: list[Lease], stop: Callable[[str], None]) -> None:
        for lease in void:
            run_now = self._runs.get(lease.record.id)
            if run_now is not None and run_now.lease == lease:
                stop(lease.record.id)
