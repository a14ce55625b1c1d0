"""A user's records, newest first: rows on their way to bytes, with no object in between."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, select, tuple_

from munsit_denoise.db.engine import Database
from munsit_denoise.db.readers import Query, Row
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.records import HISTORY_COLUMNS

BATCH = 500  # records of an unlimited list that are in memory at a time
FAR = 10_000  # records that are stepped over: a page behind them takes long

Encoded = TypeVar("Encoded")
Encode = Callable[[list[Row]], Encoded]  # rows of `HISTORY_COLUMNS`


def _newest(*conditions: Any) -> Select[Any]:
    columns = [t.c[name] for name in HISTORY_COLUMNS]
    own = t.c.user_id == bindparam("user_id")
    newest = select(*columns).where(own, *conditions).order_by(t.c.created_at.desc(), t.c.id.desc())
    return newest.limit(bindparam("limit"))


PAGE = Query(_newest().offset(bindparam("offset")), packed=True)
NEXT = Query(_newest(tuple_(t.c.created_at, t.c.id) < tuple_(bindparam("created_at"), bindparam("id"))), packed=True)
ID, CREATED_AT = HISTORY_COLUMNS.index("id"), HISTORY_COLUMNS.index("created_at")


class History:
    """The records of a user in SQL. Every method may raise DatabaseBusy."""

    def __init__(self, database: Database) -> None:
        self._readers = database.readers

    async def page(self, user_id: str, offset: int, limit: int, encode: Encode[Encoded]) -> Encoded:
        """Return what `encode` makes of a page's rows, in the thread that read them."""
        ask = self._readers.ask_much if offset > FAR else self._readers.ask
        values = {"user_id": user_id, "offset": offset, "limit": limit}
        return await ask(PAGE, values, encode)

    async def all(self, user_id: str, offset: int, limit: int, encode: Encode[Encoded]) -> AsyncIterator[Encoded]:
        """Yield what `encode` makes of batches of bounded size; the first may be of no row.

        Each batch continues after the last record of the one before it: no transaction stays open while a
        client reads slowly, and records that come in meanwhile shift nothing.
        """

        def digest(rows: list[Row]) -> tuple[Encoded, list[Row]]:
            return encode(rows), rows[-1:]

        query, place = PAGE, {"user_id": user_id, "offset": offset}
        while True:
            size = min(limit, BATCH)
            encoded, last = await self._readers.ask_much(query, place | {"limit": size}, digest)
            if last or query is PAGE:
                yield encoded
            limit -= size
            if not last or limit <= 0:
                return
            query, place = NEXT, {"user_id": user_id, "created_at": last[0][CREATED_AT], "id": last[0][ID]}
