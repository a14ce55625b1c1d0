"""A user's records, newest first; rows are encoded without objects in between."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, func, select, tuple_

from munsit_denoise.db.engine import Database
from munsit_denoise.db.readers import Query, Row
from munsit_denoise.db.search import matches, parameters
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.records import HISTORY_COLUMNS, Status

BATCH = 500  # records of a list without limit that are in memory at a time
FAR = 10_000  # skipped records from which on a page takes long

KEPT = t.c.removed_at.is_(None)

OFFERED = func.coalesce(t.c.deleted_at, t.c.result_gone_at).label("deleted_at")  # without a result, nothing is offered

Encoded = TypeVar("Encoded")
Encode = Callable[[list[Row]], Encoded]  # takes rows of `HISTORY_COLUMNS`


def _newest(*conditions: Any) -> Select[Any]:
    columns = [OFFERED if name == "deleted_at" else t.c[name] for name in HISTORY_COLUMNS]
    own = t.c.user_id == bindparam("user_id")
    newest = select(*columns).where(own, *conditions).order_by(t.c.created_at.desc(), t.c.id.desc())
    return newest.limit(bindparam("limit"))


AFTER = tuple_(t.c.created_at, t.c.id) < tuple_(bindparam("created_at"), bindparam("id"))
ID, CREATED_AT = HISTORY_COLUMNS.index("id"), HISTORY_COLUMNS.index("created_at")


@cache
def _queries(has_status: bool, has_words: bool) -> tuple[Query, Query]:
    """Return the query for a page, and the query for what follows a record."""
    wanted: list[Any] = [KEPT]
    wanted += [t.c.status == bindparam("status")] if has_status else []
    wanted += [matches(t.c.file_name)] if has_words else []
    page = _newest(*wanted).offset(bindparam("offset"))
    return Query(page, packed=True), Query(_newest(*wanted, AFTER), packed=True)


@dataclass(frozen=True)
class RecordFilter:
    """A filter of a user's records: by status, and by words in the file name, ignoring case."""

    user_id: str
    status: Status | None = None
    words: str = ""

    @property
    def is_search(self) -> bool:
        """Whether more rows are read than returned."""
        return self.status is not None or bool(self.words)

    def values(self) -> dict[str, object]:
        """Return the parameters of the queries."""
        return {"user_id": self.user_id, "status": self.status and self.status.value, **parameters(self.words)}

    def queries(self) -> tuple[Query, Query]:
        """Return the query for a page, and the query for what follows a record."""
        return _queries(self.status is not None, bool(self.words))


class RecordPages:
    """A user's records in SQL. Every method may raise DatabaseBusy."""

    def __init__(self, database: Database) -> None:
        self._readers = database.readers

    async def page(self, wanted: RecordFilter, offset: int, limit: int, encode: Encode[Encoded]) -> Encoded:
        """Return what `encode` makes of the rows of a page, in the thread that read them."""
        ask = self._readers.ask_much if offset > FAR or wanted.is_search else self._readers.ask
        return await ask(wanted.queries()[0], wanted.values() | {"offset": offset, "limit": limit}, encode)

    async def all(
        self, wanted: RecordFilter, offset: int, limit: int, encode: Encode[Encoded]
    ) -> AsyncIterator[Encoded]:
        """Yield what `encode` makes of bounded batches of rows; the first batch may be empty.

        Each batch continues after the last record of the previous one. So no transaction stays open while a client
        reads slowly, and new records do not shift the list.
        """

        def digest(rows: list[Row]) -> tuple[Encoded, list[Row]]:
            return encode(rows), rows[-1:]

        page, after = wanted.queries()
        query, place = page, wanted.values() | {"offset": offset}
        while True:
            size = min(limit, BATCH)
            encoded, last = await self._readers.ask_much(query, place | {"limit": size}, digest)
            if last or query is page:
                yield encoded
            limit -= size
            if not last or limit <= 0:
                return
            query, place = after, wanted.values() | {"created_at": last[0][CREATED_AT], "id": last[0][ID]}
