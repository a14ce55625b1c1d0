"""Errors of a database that does not answer: translated for clients, and logged once."""

import logging
import sqlite3

from munsit_denoise.errors import DatabaseBroken, DatabaseBusy, StorageFull, Unavailable

log = logging.getLogger(__name__)
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
BROKEN = {
    sqlite3.SQLITE_CORRUPT: "is damaged; stop the server and restore a backup, or rescue it with sqlite3 .recover",
    sqlite3.SQLITE_NOTADB: "is damaged: it is no SQLite database any more; stop the server and restore a backup",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error",
    sqlite3.SQLITE_READONLY: "cannot be written to; give the server the right to, also in its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; its folder must be there and writable",
    sqlite3.SQLITE_ERROR: "does not have the tables that it should have; its file was replaced or removed",
}
LASTING = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)  # until a restart: pages that are whole still answer
GONE = "is not where it was opened: its file was removed or replaced; put it back, or restart the server with another"


class Trouble:
    """Remembers which error was logged, until the database answers again."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def told(self, error: sqlite3.Error) -> Unavailable | None:
        """Return the client's error for a database error, or None for a bug of ours."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if isinstance(error, sqlite3.IntegrityError):
            return None
        if code == sqlite3.SQLITE_FULL:
            return StorageFull()
        if code not in BROKEN:
            return DatabaseBusy() if code in BUSY or isinstance(error, sqlite3.OperationalError) else None
        return self._broken(BROKEN[code], str(error))

    def gone(self) -> DatabaseBroken:
        """Return the client's error if the database's file was moved."""
        return self._broken(GONE, "nothing would be kept")

    def _broken(self, what: str, reason: str) -> DatabaseBroken:
        if what not in self._told:
            self._told.add(what)
            log.error("The database %s. Until then clients are told to come back later: %s", what, reason)
        return DatabaseBroken()

    def over(self) -> None:
        """Note that the database has answered."""
        passing = self._told - {BROKEN[code] for code in LASTING}
        if passing:
            self._told -= passing
            log.warning("The database answers again.")
