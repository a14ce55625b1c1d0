"""Checks of a database that change nothing. Every function blocks and may raise UnusableDatabase."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, false, func, inspect, select, text, update

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.migrate import check_pages, connected, revisions
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.db.tables import installation, metadata
from munsit_denoise.records import Status

SILENT_LEASES = 3  # after so many leases without a heartbeat nobody took a job over
HUNG_S = 900  # a running job that tells nothing for so long, where one process does all the work
WORKERS = """
SELECT (count(*) + 1) / 2 FROM procrastinate_workers WHERE last_heartbeat > now() - make_interval(secs => :silent_s)
"""  # a process gives two: of the jobs to run, and of those whose original is fetched first
ENTRIES = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'"
ORPHANS = """
SELECT count(*) FROM procrastinate_jobs AS job WHERE job.status = 'doing' AND NOT EXISTS (
    SELECT 1 FROM procrastinate_workers AS worker
    WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - make_interval(secs => :silent_s)
)
"""


@dataclass(frozen=True)
class QueueState:
    """The jobs that have not ended."""

    waiting: int
    stalled: int  # whoever ran them fell silent long ago
    entries: int  # of the shared queue
    workers: int | None  # processes that sent a heartbeat; None where there is no shared queue


@dataclass(frozen=True)
class Schema:
    """The revisions of a database, and those of this version."""

    found: str
    wanted: str
    is_known: bool  # whether this version can upgrade it
    missing: tuple[str, ...]  # tables that this version has and the database has not


def try_out(url: str, *, writes: bool) -> str:
    """Return a description of the database after reading from it; with `writes`, after writing and checking it."""
    with connected(url, writes=writes) as connection:
        if connection.dialect.name == "sqlite":
            if writes:
                check_pages(connection)
            return f"SQLite {connection.scalar(text('SELECT sqlite_version()'))}"
        if writes and connection.scalar(text("SELECT to_regclass('denoise_records')")):
            connection.execute(update(t).where(false()).values(id=t.c.id))  # needs the rights, and changes nothing
        return f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"


def schema(url: str) -> Schema:
    """Return the revision of the database and that of this version."""
    with connected(url) as connection:
        found, wanted, known = revisions(connection)
        missing = set(metadata.tables) - set(inspect(connection).get_table_names())
    return Schema(", ".join(sorted(found)), ", ".join(sorted(wanted)), found <= known, tuple(sorted(missing)))


def installation_id(url: str) -> str | None:
    """Return the installation's id, or None if the database has none yet."""
    with connected(url) as connection:
        found: str | None = connection.scalar(select(installation.c.id))
    return found


def line(url: str, lease_s: float) -> QueueState:
    """Return how many jobs wait, and how many workers there are; a worker counts for two leases after its last sign."""
    with connected(url) as connection:
        if connection.dialect.name == "sqlite":
            return QueueState(*_jobs(connection, now_us(), HUNG_S), 0, None)
        now = int(connection.execute(text("SELECT extract(epoch FROM clock_timestamp()) * 1000000")).scalar_one())
        waiting, silent = _jobs(connection, now, SILENT_LEASES * lease_s)
        silent_s = {"silent_s": 2 * lease_s}
        orphans = connection.scalar(text(ORPHANS), silent_s) or 0
        counts = connection.scalar(text(ENTRIES)) or 0, connection.scalar(text(WORKERS), silent_s)
    return QueueState(waiting, max(silent, orphans), *counts)


def _jobs(connection: Connection, now: int, silent_s: float) -> tuple[int, int]:
    """Return the number of waiting and running jobs, and how many of the running ones are silent."""
    pending = (t.c.status == Status.PENDING, t.c.removed_at.is_(None))
    silent = (t.c.attempts > 0, t.c.heartbeat_at < now - int(silent_s * 1e6))
    waiting = connection.scalar(select(func.count()).where(*pending)) or 0
    return waiting, connection.scalar(select(func.count()).where(*pending, *silent)) or 0


def clock_ahead_s(url: str) -> float:
    """Return how far the database's clock is ahead of ours, in seconds.

    For SQLite, its newest record's time counts, if that is later than ours.
    """
    with connected(url) as connection:
        if connection.dialect.name == "sqlite":
            newest = connection.scalar(select(func.max(t.c.created_at))) or 0
            return max((newest - now_us()) / 1e6, 0.0)
        before_s = time.time()
        told = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
        return told - (before_s + time.time()) / 2
