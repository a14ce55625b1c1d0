"""Checks of the database: connection, schema, workers and clock."""

from munsit_denoise.db import checkup
from munsit_denoise.db.migrate import UnusableDatabase
from munsit_denoise.doctor.findings import Finding, doubtful, fine, wrong
from munsit_denoise.lock import is_held
from munsit_denoise.settings import Settings

PACKAGE_MISSING = "Install it with its extra: pip install 'munsit-denoise[cluster]'"
WHERE = "Check DENOISE_DATA_DIR and DENOISE_DATABASE_URL, and the rights of the file and its folder."
REACH = (
    "Check DENOISE_DATABASE_URL (host, port, user, password, name), that PostgreSQL runs there, and that its "
    "pg_hba.conf and the firewall let this machine in."
)
MAKE = "Start munsit-denoise serve, which creates it, or check DENOISE_DATA_DIR and DENOISE_DATABASE_URL."
FAST_CLOCK_S = 10.0
SET_CLOCK = "Let the machines' clocks follow NTP (timedatectl set-ntp true), and look at what set this one."


def look_at_database(settings: Settings, *, quick: bool = False) -> Finding:
    """Check that the database answers; unless `quick`, also that it is intact and writable."""
    if not settings.is_cluster and not settings.database_path.is_file():
        return wrong(f"There is no database {settings.database_path}.", MAKE)
    try:
        kind = checkup.try_out(settings.database, writes=not quick)
    except UnusableDatabase as error:
        return _unusable(settings, str(error))
    except ModuleNotFoundError as error:
        return wrong(f"The package {error.name}, which PostgreSQL needs, is not installed.", PACKAGE_MISSING)
    return fine(f"{kind} answers.")


def _unusable(settings: Settings, sentences: str) -> Finding:
    """Return the finding for an error; for a SQLite file, the last sentence is the remedy."""
    what, _, advice = sentences.rpartition(". ")
    if settings.is_cluster or not what:
        return wrong(sentences, REACH if settings.is_cluster else WHERE)
    return wrong(f"{what}.", f"{advice} {WHERE}")


def look_at_schema(settings: Settings) -> Finding:
    """Check that the schema is that of this version."""
    schema = checkup.schema(settings.database)
    if schema.found == schema.wanted:
        if schema.missing:
            told = f"The schema is {schema.found}, but the database lacks {', '.join(schema.missing)}."
            return wrong(told, "Something has deleted what munsit-denoise needs: restore a backup.")
        return fine(f"The schema {schema.found} is this version's.")
    if not schema.is_known:
        return wrong(
            f"The schema {schema.found} is a newer version's than this one ({schema.wanted}).",
            "Use that version of munsit-denoise, or restore an older backup.",
        )
    told = f"The schema is {schema.found}" if schema.found else "The database has no schema"
    return wrong(
        f"{told}, and this version needs {schema.wanted}.",
        "Stop the servers and workers, run munsit-denoise db upgrade, then start this version everywhere.",
    )


def look_at_queue(settings: Settings) -> Finding:
    """Check that waiting jobs have workers, and that running jobs have heartbeats."""
    line = checkup.line(settings.database, settings.lease_s)
    if line.workers is None:
        if line.waiting and not is_held(settings):
            return wrong(f"{line.waiting} jobs wait, and no server works on this data.", "Start munsit-denoise serve.")
    elif not line.workers:
        start = (
            "Start munsit-denoise worker with this DENOISE_DATABASE_URL and DENOISE_STORAGE_URL; where one runs, "
            "its log tells what keeps it from the database."
        )
        if line.waiting or line.entries:
            return wrong(f"{line.waiting} jobs wait, and no worker sends heartbeats.", start)
        return doubtful("No worker sends heartbeats; no job waits at present.", start)
    if line.stalled:
        return wrong(
            f"{line.stalled} jobs have sent no heartbeat for too long.",
            "Restart the workers, or the server where it runs the jobs; its log tells which job hangs.",
        )
    told = "" if line.workers is None else f", {line.workers} workers send heartbeats"
    return fine(f"{line.waiting} jobs wait or run{told}.")


def look_at_clock(settings: Settings) -> Finding:
    """Check that the clocks of this machine and of the database agree."""
    ahead_s = checkup.clock_ahead_s(settings.database)
    if abs(ahead_s) <= FAST_CLOCK_S:
        return fine(f"The clock differs from the database's by {abs(ahead_s):.1f} s.")
    if not settings.is_cluster:
        told = f"The newest record is {ahead_s:.0f} s in the future: this machine's clock is behind."
    else:
        told = f"This machine's clock is {abs(ahead_s):.0f} s {'behind' if ahead_s > 0 else 'ahead of'} the database's."
    return wrong(told, SET_CLOCK)
