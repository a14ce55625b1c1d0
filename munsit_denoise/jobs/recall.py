"""Jobs that were deleted, cancelled or given to another worker elsewhere: whoever runs them here is stopped."""

from collections.abc import Callable, Collection
from typing import Protocol

import anyio

from munsit_denoise.errors import Unavailable
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.running import RunningJobs

INTERVAL_S = 1.0


class LeaseSource(Protocol):
    """Who knows which jobs go on, and with which lease."""

    async def leases(self, job_ids: Collection[str]) -> dict[str, int]:
        """Return the present lease of each of these jobs that has not ended. Raises DatabaseBusy."""
        ...


async def recall_forever(board: Board, running: RunningJobs, source: LeaseSource, beat: Callable[[], None]) -> None:
    """Ask about the jobs that run here, once a second; `beat` is told each time that the database answered."""
    while True:
        await anyio.sleep(INTERVAL_S)
        job_ids = running.ids()
        try:
            leases = await source.leases(job_ids)
        except Unavailable:
            continue
        beat()
        for job_id in job_ids:
            own = board.lease_of(job_id)
            if job_id not in leases or (own is not None and leases[job_id] != own):
                running.cancel(job_id)
