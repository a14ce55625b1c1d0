"""What all work on jobs shares: the leaves, and the tables of running jobs."""

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

FETCHES_PER_USER = 4  # originals that are downloaded for one user at the same time


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The leaves, and the state of jobs in this process. Not for the edge."""

    records: Records
    uploads: Uploads
    storage: Storage
    bell: Bell
    board: Board
    queue: JobQueue = field(default_factory=LocalQueue)  # jobs that are ready to run
    inbox: JobQueue = field(default_factory=lambda: LocalQueue(FETCHES_PER_USER))  # jobs with an original to download
    running: RunningJobs = field(default_factory=RunningJobs)
    journal: Journal = field(default_factory=Journal)
    coming: set[str] = field(default_factory=set)  # ids of jobs and uploads whose files have no row yet

    def standing(self, record: DenoiseRecord) -> Queued | None:
        """Return the place of a job in the queue, or None if it does not wait."""
        ahead = self.queue.position(record.user_id, record.id)
        return None if ahead is None else Queued(ahead)

    async def put(self, user_id: str, job_id: str, source_url: str | None) -> None:
        """Queue a job: to run, or to be downloaded first."""
        await (self.inbox if source_url else self.queue).put(user_id, job_id)
        self.bell.ring(job_id)  # places in the queue have changed for listeners on other servers
