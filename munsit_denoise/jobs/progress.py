"""Progress of running jobs: announced at once in this process, written to the rows soon after."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from munsit_denoise.db.records import Beat, Lease, Records
from munsit_denoise.errors import Unavailable
from munsit_denoise.events.base import Bell
from munsit_denoise.records import Processing

WRITE_INTERVAL_S = 1.0  # between two writes of a job's progress
BEAT_INTERVAL_S = 10.0  # between two writes without progress


@dataclass
class _Reported:
    lease: Lease
    latest: Processing
    noted: Processing | None = None  # as it is in the row
    noted_at_s: float = float("-inf")

    def is_due(self, now_s: float, beat_s: float) -> bool:
        return self.latest != self.noted or now_s - self.noted_at_s >= beat_s


class Board:
    """The progress of this process's jobs. Reporting is cheap; `write_forever` writes the rows."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._runs: dict[str, _Reported] = {}

    def begin(self, lease: Lease, message: str) -> None:
        """Register a run; its listeners keep the percentage of an earlier run."""
        self._runs[lease.record.id] = _Reported(lease, Processing(lease.record.percent, message))
        self._bell.ring(lease.record.id)

    def tell(self, lease: Lease, percent: int, message: str) -> None:
        """Report the progress of a run; ignored if the run was replaced or has ended."""
        run = self._runs.get(lease.record.id)
        if run is None or run.lease.number != lease.number:
            return
        run.latest = Processing(max(percent, run.latest.percent), message)
        self._bell.ring_here(lease.record.id)  # other processes read the row

    def end(self, job_id: str) -> None:
        """Forget all runs of a job."""
        self._runs.pop(job_id, None)

    def end_run(self, lease: Lease) -> bool:
        """Forget one run; return whether it was registered here."""
        known = self.lease_of(lease.record.id) == lease.number
        if known:
            self.end(lease.record.id)
        return known

    def lease_of(self, job_id: str) -> int | None:
        """Return the number of the lease with which a job runs in this process."""
        run = self._runs.get(job_id)
        return run.lease.number if run else None

    def latest(self, job_id: str) -> Processing | None:
        """Return the latest progress of a job in this process."""
        run = self._runs.get(job_id)
        return run.latest if run else None

    async def write_forever(
        self, records: Records, stop: Callable[[str], None], beat_s: float = BEAT_INTERVAL_S
    ) -> None:
        """Write the progress of all runs at regular intervals; `stop` those that have lost their job."""
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
            return  # the next round writes it all
        for run, event in zip(due, told, strict=True):
            run.noted, run.noted_at_s = event, now_s
            self._bell.ring(run.lease.record.id)  # listeners in other processes read the row
        self._stop(void, stop)

    async def _stop_lost(self, quiet: list[_Reported], records: Records, stop: Callable[[str], None]) -> None:
        """Stop runs whose job ended elsewhere; runs without progress learn of it this way."""
        if quiet:
            with suppress(Unavailable):  # the next round asks again
                self._stop(await records.void([run.lease for run in quiet]), stop)

    def _stop(self, void: list[Lease], stop: Callable[[str], None]) -> None:
        for lease in void:
            run_now = self._runs.get(lease.record.id)
            if run_now is not None and run_now.lease == lease:
                stop(lease.record.id)
