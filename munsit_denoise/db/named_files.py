"""The files that a database refers to. Every function blocks and may raise UnusableDatabase."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from munsit_denoise.db.migrate import connected
from munsit_denoise.db.retention import KEPT_TILES_KEY, ORIGINAL, RESULT
from munsit_denoise.db.tables import denoise_records as records
from munsit_denoise.db.tables import partial_uploads as partial
from munsit_denoise.db.tables import uploads

ROWS_AT_A_TIME = 1000


@dataclass(frozen=True)
class NamedFile:
    """A file that a row refers to."""

    key: str
    grows: bool = False  # an upload in parts, which may still grow


def named_files(url: str) -> list[NamedFile]:
    """Return the files that should be in storage, each once, without deleted ones and those not received yet."""
    with connected(url) as connection:
        found = dict.fromkeys(_finished(connection), False) | dict.fromkeys(_growing(connection), True)
    return [NamedFile(key, grows) for key, grows in found.items()]


def _finished(connection: Connection) -> Iterator[str]:
    kept = (records.c.deleted_at.is_(None), records.c.removed_at.is_(None), records.c.source_url.is_(None))
    keys = (ORIGINAL.kept_key, RESULT.kept_key, KEPT_TILES_KEY)
    query = select(*keys).where(*kept).order_by(records.c.created_at)
    for row in connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query):
        yield from (key for key in row if key is not None)
    yield from connection.scalars(select(uploads.c.storage_key))


def _growing(connection: Connection) -> Iterator[str]:
    yield from connection.scalars(select(partial.c.storage_key).where(partial.c.offset_bytes < partial.c.length_bytes))
