"""Stops runs here of jobs that were deleted, cancelled or given to another worker elsewhere."""

from collections.abc import Callable, Collection
from typing import Protocol

import anyio

from munsit_denoise.errors import Unavailable
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.running import RunningJobs

INTERVAL_S = 1.0
IDLE_S = 5.0  # between two questions of a worker on which nothing runs: whether the database is there


class LeaseSource(Protocol):
    """Who knows which jobs go on, and with which lease."""

    async def leases(self, job_ids: Collection[str]) -> dict[str, int]:
        """Return the present lease of each of these jobs that has not ended. Raises DatabaseBusy."""
        ...


async def recall_forever(board: Board, running: RunningJobs, source: LeaseSource, beat: Callable[[], None]) -> None:
    """Ask about the jobs that run here, once a second; `beat` is told each time that the database answered."""
    asked_at_s = float("-inf")
    while True:
        await anyio.sleep(INTERVAL_S)
        job_ids = running.ids()
        if not job_ids and anyio.current_time() - asked_at_s < IDLE_S:
            continue
        asked_at_s = anyio.current_time()
        try:
            leases = await source.leases(job_ids)
        except Unavailable:
            continue
        beat()
        for job_id in job_ids:
            own = board.lease_of(job_id)
            if job_id not in leases or (own is not None and leases[job_id] != own):
                running.cancel(job_id)
