"""Copies all rows into another database in one transaction. Every function blocks and may raise UnusableDatabase."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, text
from sqlalchemy.exc import DBAPIError

from munsit_denoise.db.migrate import MIGRATION_LOCK, UnusableDatabase, connected, revisions, upgrade
from munsit_denoise.db.tables import installation, metadata

ROWS_AT_A_TIME = 500
DIGEST_BITS = 256


def prepare_target(url: str) -> None:
    """Create this version's schema in an empty database, or keep it. Raises UnusableDatabase for another schema."""
    with connected(url) as connection:
        found, wanted, _ = revisions(connection)
    if not found:
        upgrade(url)
    elif found != wanted:
        raise UnusableDatabase(
            "The database to move to has the schema of another version. Run munsit-denoise db upgrade on it, or name "
            "an empty database."
        )


def copy_rows(source_url: str, target_url: str, *after: str) -> int:
    """Copy all rows into an empty database and compare them; return their number. Either all rows arrive or none.

    The statements in `after` run in the same transaction. Raises UnusableDatabase, also if the rows differ.
    """
    with connected(source_url) as source, connected(target_url, writes=True) as target:
        if target.dialect.name == "postgresql":
            target.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        if not _is_empty(target):
            raise UnusableDatabase("The database to move to holds rows already. Name an empty one.")
        for table in _tables():
            for rows in _batches(source, table):
                _insert(target, table, rows)
        for statement in after:
            target.execute(text(statement))
        return _compare(source, target)


def is_empty(url: str) -> bool:
    """Return whether a database holds no row."""
    with connected(url) as connection:
        return _is_empty(connection)


def compare_rows(source_url: str, target_url: str) -> int:
    """Return the number of rows if they are the same in both. Raises UnusableDatabase otherwise."""
    with connected(source_url) as source, connected(target_url) as target:
        return _compare(source, target)


def _tables() -> Sequence[Table]:
    """Return the tables, each after those it refers to; `installation` comes last."""
    ordered = [table for table in metadata.sorted_tables if table is not installation]
    return [*ordered, installation]


def _is_empty(connection: Connection) -> bool:
    return not any(connection.execute(select(table).limit(1)).first() for table in _tables())


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[Row[Any]]]:
    result = connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(select(table))
    yield from result.partitions()


def _insert(target: Connection, table: Table, rows: Sequence[Row[Any]]) -> None:
    try:
        target.execute(insert(table), [dict(row._mapping) for row in rows])
    except DBAPIError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        raise UnusableDatabase(f"The rows of {table.name} cannot be copied: {reason}") from None


def _compare(source: Connection, target: Connection) -> int:
    rows = 0
    for table in _tables():
        ours, theirs = _digest(source, table), _digest(target, table)
        if ours != theirs:
            raise UnusableDatabase(
                f"The rows of {table.name} are not the same in both databases: {ours[0]} here, {theirs[0]} there. "
                "Name an empty database to move to."
            )
        rows += ours[0]
    return rows


def _digest(connection: Connection, table: Table) -> tuple[int, int]:
    """Return the number of rows, and a digest of their values that does not depend on their order."""
    count, digest = 0, 0
    for rows in _batches(connection, table):
        for row in rows:
            values = json.dumps(list(row)).encode()
            digest += int.from_bytes(hashlib.sha256(values).digest())
            count += 1
    return count, digest % 2**DIGEST_BITS
