"""Copies a SQLite database at one moment while others write to it."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from munsit_denoise.db.engine import BUSY_TIMEOUT_S
from munsit_denoise.db.migrate import REASONS, UnusableDatabase

COMPANIONS = ("-wal", "-shm", "-journal")


def take_snapshot(database: Path, target: Path) -> None:
    """Copy a database durably into one file, replacing an existing one. Raises UnusableDatabase.

    A reader of SQLite's write-ahead log blocks nobody, and sees a consistent state.
    """
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        uri = f"{database.absolute().as_uri()}?mode=ro"
        opened = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)
        with closing(opened) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # a single file, without companions
            verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        raise UnusableDatabase(f"The database {database} {_reason(error)}") from None
    if verdict != "ok":
        raise UnusableDatabase(f"The database {database} {REASONS[sqlite3.SQLITE_CORRUPT]}")
    flush(part)
    part.replace(target)
    flush(target.parent)


def put_in_place(snapshot: Path, database: Path) -> Path | None:
    """Move a snapshot to a database's place, which nobody may have open; return the new path of the old database.

    Raises OSError.
    """
    part = database.with_name(database.name + ".restoring")
    shutil.copyfile(snapshot, part)
    flush(part)
    kept = _put_aside(database)
    part.replace(database)
    flush(database.parent)
    return kept


def _put_aside(database: Path) -> Path | None:
    """Rename a database and its companions to a free name and return it; None if there is no database."""
    if not database.exists():
        for ending in COMPANIONS:  # of a missing database: the new one would take them for its own
            database.with_name(database.name + ending).unlink(missing_ok=True)
        return None
    number = 1
    while (kept := database.with_name(f"{database.name}.before-restore-{number}")).exists():
        number += 1
    for ending in ("", *COMPANIONS):
        path = database.with_name(database.name + ending)
        if path.exists():
            path.rename(kept.with_name(kept.name + ending))
    return kept


def flush(path: Path) -> None:
    """Make a file, or the names in a folder, durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: sqlite3.Error) -> str:
    return REASONS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, f"cannot be copied: {error}.")
