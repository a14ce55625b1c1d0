"""Upgrades and downgrades the schema of a database, and explains why a database cannot be used."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from munsit_denoise.db.engine import prepare

MIGRATION_LOCK = 0x6D756E736974  # of PostgreSQL, held by the process that migrates
CONNECT_S = 5
QUICKLY_CHECKED_BYTES = 64 * 2**20  # a larger database is not read through at a start
REFUSED = ("42501", "25006")  # SQLSTATE of a right that is missing, and of a change where only reading is allowed
GRANT = "Name the primary server, and a user that owns the database."
REASONS = {
    sqlite3.SQLITE_BUSY: "is locked by another program. Close that, or wait until it is done.",
    sqlite3.SQLITE_READONLY: "cannot be written to. Give this user the right to, also in its folder.",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error.",
    sqlite3.SQLITE_CORRUPT: "is damaged. Restore it from a backup, or rescue it with: sqlite3 FILE .recover",
    sqlite3.SQLITE_FULL: "cannot be written to: the disk is full. Make room and start again.",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Is it a file in a folder that this user may write to?",
    sqlite3.SQLITE_NOTADB: "is no SQLite database, or damaged. Is it the right file?",
}


class UnusableDatabase(Exception):
    """The database cannot be used; the message says why and what to do."""


def upgrade(url: str, revision: str = "head") -> None:
    """Upgrade the database at a URL; a missing SQLite file is created.

    The migration holds a lock in the database, so a second process waits and then has nothing to do. Raises
    UnusableDatabase.
    """

    def act(connection: Connection, config: Config) -> None:
        if connection.dialect.name == "sqlite":
            check_pages(connection)
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.upgrade(config, revision)

    _run(url, act)


def downgrade(url: str, revision: str = "base") -> None:
    """Downgrade the database to an older revision. Raises UnusableDatabase."""
    _run(url, lambda _, config: command.downgrade(config, revision))


def check_schema(url: str) -> None:
    """Raise UnusableDatabase unless the database has this version's schema; changes nothing."""

    def act(connection: Connection, config: Config) -> None:
        found = MigrationContext.configure(connection).get_current_heads()
        if list(found) != ScriptDirectory.from_config(config).get_heads():
            if connection.dialect.name != "sqlite":
                state = f"has the schema {', '.join(found)}" if found else "has no schema"
                raise UnusableDatabase(
                    f"The database {_shown(connection.engine)} {state}, and this version needs another one. "
                    "Run munsit-denoise db upgrade with this version, and start this version everywhere."
                )
            path = connection.engine.url.database
            raise UnusableDatabase(
                f"The database {path} belongs to a running server of another version. "
                "Use that version's command, or stop the server first."
            )

    _run(url, act, writes=False)


@contextmanager
def connected(url: str, *, writes: bool = False) -> Iterator[Connection]:
    """Yield a connection for one transaction of a command; a SQLite file must exist. Raises UnusableDatabase."""
    engine, told = _open(url)
    with told, _connected(engine, writes=writes) as connection:
        yield connection


def revisions(connection: Connection) -> tuple[set[str], set[str], set[str]]:
    """Return the revisions that a database has, those it should have, and all that this version knows."""
    wanted = set(ScriptDirectory.from_config(_config()).get_heads())
    return set(MigrationContext.configure(connection).get_current_heads()), wanted, known_revisions()


def known_revisions() -> set[str]:
    """Return the revisions that this version can upgrade, including its own."""
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _run(url: str, act: Callable[[Connection, Config], None], *, writes: bool = True) -> None:
    config = _config()
    with connected(url, writes=writes) as connection:
        config.attributes["connection"] = connection
        act(connection, config)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    return config


def _open(url: str) -> tuple[Engine, AbstractContextManager[None]]:
    """Return an engine, and a context that turns errors of the setup into UnusableDatabase."""
    if not url.startswith("sqlite:"):
        url = url.replace("postgresql:", "postgresql+psycopg:", 1)
        engine = create_engine(url, hide_parameters=True, connect_args={"connect_timeout": CONNECT_S})
        return engine, _told_of_server(engine)
    engine = create_engine(url)
    path = Path(engine.url.database or "")
    path.parent.mkdir(parents=True, exist_ok=True)
    prepare(engine)
    return engine, _told(path)


def _shown(engine: Engine) -> str:
    """Return a URL without its password and its options, which may contain one, for messages."""
    return engine.url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


@contextmanager
def _told_of_server(engine: Engine) -> Iterator[None]:
    """Turn errors of the setup into UnusableDatabase."""
    try:
        yield
    except CommandError:
        raise UnusableDatabase(
            f"The database {_shown(engine)} was made by a newer version of munsit-denoise. "
            "Use that version or a newer one."
        ) from None
    except OperationalError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise UnusableDatabase(f"The database {_shown(engine)} cannot be reached: {reason}") from None
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in (*REFUSED, None):  # None: before a server was asked
            raise
        reason = str(error.orig).strip().partition("\n")[0]
        raise UnusableDatabase(f"The database {_shown(engine)} refuses it: {reason}. {GRANT}") from None


@contextmanager
def _connected(engine: Engine, *, writes: bool) -> Iterator[Connection]:
    try:
        with engine.execution_options(writes=writes).begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn errors of the setup into UnusableDatabase."""
    if path.is_dir():
        raise UnusableDatabase(f"The database {path} is a folder. Name a file, which is made if it is missing.")
    try:
        yield
    except CommandError:
        raise UnusableDatabase(
            f"The database {path} was made by a newer version of munsit-denoise. Use that version or a newer one."
        ) from None
    except DatabaseError as error:
        reason = REASONS.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF)
        if reason is None:
            raise
        raise UnusableDatabase(f"The database {path} {reason}") from None


def check_pages(connection: Connection) -> None:
    """Raise UnusableDatabase if a small database is damaged anywhere."""
    path = Path(connection.engine.url.database or "")
    if path.stat().st_size > QUICKLY_CHECKED_BYTES:
        return
    if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
        raise UnusableDatabase(f"The database {path} {REASONS[sqlite3.SQLITE_CORRUPT]}")


def migrations_folder() -> Path:
    """Return the folder of the migration scripts, in the installed package or next to it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"
