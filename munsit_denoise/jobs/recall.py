"""Stops runs in this process whose job was deleted, cancelled or given to another worker."""

from collections.abc import Callable, Collection
from typing import Protocol

import anyio

from munsit_denoise.errors import Unavailable
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.running import RunningJobs

INTERVAL_S = 1.0
IDLE_S = 5.0  # between two queries while nothing runs, which check whether the database is reachable


class LeaseSource(Protocol):
    """Knows the current leases of jobs."""

    async def leases(self, job_ids: Collection[str]) -> dict[str, int]:
        """Return the current lease of each of these jobs that has not ended. Raises DatabaseBusy."""
        ...


async def recall_forever(board: Board, running: RunningJobs, source: LeaseSource, beat: Callable[[], None]) -> None:
    """Check the leases of running jobs each second; `beat` is called each time the database has answered."""
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
