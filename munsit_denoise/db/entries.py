"""Entries of Procrastinate's queue that wake workers; inserted with records, removed when jobs end.

A worker that is woken by an entry may work on another job than the entry names. A lost or superfluous entry only causes
a delay, until the next sweep.
"""

import json
import random
from collections.abc import Mapping
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import Database

TASK = "denoise"
SWEEPS = 3  # a round of all processes together, about, however many they are
INSERT = """
INSERT INTO procrastinate_jobs (queue_name, task_name, args)
SELECT CAST(:queue AS text), :task, CAST(:args AS jsonb)
"""
FIRST = text(INSERT)
ADD = text(f"""{INSERT}
WHERE NOT EXISTS (
    SELECT 1 FROM procrastinate_jobs
    WHERE status = 'todo' AND queue_name = CAST(:queue AS text) AND args->>'record_id' = :id
)
""")  # noqa: S608 - all of it are words of ours
WITHDRAW = text("DELETE FROM procrastinate_jobs WHERE status = 'todo' AND args->>'record_id' = :id")
TIDY = text("""
DELETE FROM procrastinate_jobs AS job WHERE job.queue_name = CAST(:queue AS text) AND (
    job.status NOT IN ('todo', 'doing')
    OR job.status = 'doing' AND NOT EXISTS (
        SELECT 1 FROM procrastinate_workers AS worker
        WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - make_interval(secs => :silent_s)
    )
    OR job.args->>'record_id' IN (
        SELECT args->>'record_id' FROM procrastinate_jobs WHERE queue_name = CAST(:queue AS text)
        EXCEPT SELECT id FROM denoise_records WHERE status = 'pending'
    )
)
""")
FORGET_WORKERS = text(
    "DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - make_interval(secs => :silent_s)"
)
WORKERS = text("SELECT count(*) FROM procrastinate_workers")


class Entries:
    """The entries of one queue. Every method may raise DatabaseBusy."""

    def __init__(self, database: Database, queue: str) -> None:
        self._database, self.queue = database, queue

    async def announce(self, connection: AsyncConnection, job_id: str) -> None:
        """Add an entry for a job that has none, in the transaction of a connection that accepts the job."""
        await connection.execute(FIRST, self._entry(job_id))

    async def add(self, job_id: str) -> None:
        """Add an entry for a job unless one is waiting."""
        await self._write(ADD, self._entry(job_id))

    async def withdraw(self, job_id: str) -> None:
        """Remove the waiting entries of a job."""
        await self._write(WITHDRAW, {"id": job_id})

    async def tidy(self, silent_s: float) -> None:
        """Remove entries of workers that were silent for this long, and entries of jobs that have ended."""
        async with self._database.write() as connection:
            await connection.execute(FORGET_WORKERS, {"silent_s": silent_s})
            await connection.execute(TIDY, {"queue": self.queue, "silent_s": silent_s})

    async def is_my_turn(self) -> bool:
        """Return whether this process sweeps in this round; the more processes, the less often each does."""
        async with self._database.read() as connection:
            workers = await connection.scalar(WORKERS) or 0
        return random.random() * workers < 2 * SWEEPS  # noqa: S311 - a process has a worker for each of two queues

    def _entry(self, job_id: str) -> Mapping[str, Any]:
        return {"queue": self.queue, "task": TASK, "args": json.dumps({"record_id": job_id}), "id": job_id}

    async def _write(self, statement: TextClause, values: Mapping[str, Any]) -> None:
        async with self._database.write() as connection:
            await connection.execute(statement, values)
