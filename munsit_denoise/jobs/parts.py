"""What the work on jobs needs: the leaves, and the tables of what runs."""

from dataclasses import dataclass, field

from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.events.base import Bell
from munsit_denoise.jobs.journal import Journal
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.running import RunningJobs
from munsit_denoise.queue.base import JobQueue
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import DenoiseRecord, Queued
from munsit_denoise.storage.base import Storage

FETCHES_PER_USER = 4  # originals of one user that are fetched at the same time


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The leaves, and what is known of the jobs in this process. No part of it is for the edge."""

    records: Records
    uploads: Uploads
    storage: Storage
    bell: Bell
    board: Board
    queue: JobQueue = field(default_factory=LocalQueue)  # jobs that can run
    inbox: JobQueue = field(default_factory=lambda: LocalQueue(FETCHES_PER_USER))  # whose original is to be fetched
    running: RunningJobs = field(default_factory=RunningJobs)
    journal: Journal = field(default_factory=Journal)
    coming: set[str] = field(default_factory=set)  # ids of jobs and uploads whose files have no row yet

    def standing(self, record: DenoiseRecord) -> Queued | None:
        """Return where a job stands in the queue, None when it does not wait there."""
        ahead = self.queue.position(record.user_id, record.id)
        return None if ahead is None else Queued(ahead)

    async def put(self, user_id: str, job_id: str, source_url: str | None) -> None:
        """Queue a job: to run, or to be fetched first."""
        await (self.inbox if source_url else self.queue).put(user_id, job_id)
        self.bell.ring(job_id)  # those who wait on other servers have another place now
