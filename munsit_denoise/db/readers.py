"""Threads that only read, each with its own connection; a query costs one hop to a thread and back."""

import asyncio
import sqlite3
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol, TypeVar

import orjson
from sqlalchemy import Select, func, select
from sqlalchemy.dialects import sqlite

from munsit_denoise.db.file_identity import FileIdentity
from munsit_denoise.db.search import FUNCTION, has_folded
from munsit_denoise.db.trouble import Trouble

READERS = 3
HEAVY_READERS = 2  # at most; the others stay free for fast queries
BUSY_TIMEOUT_S = 5.0

Row = tuple[Any, ...]
Answer = TypeVar("Answer")


class Query:
    """A statement that is compiled once; its parameters come with each call.

    With `packed`, SQLite returns one row, a JSON array of arrays. Its driver acquires the interpreter's lock after each
    row; with other busy threads, twenty rows would wait twenty times.
    """

    def __init__(self, statement: Select[Any], *, packed: bool = False) -> None:
        self.statement, self.packed = statement, packed
        if packed:
            inner = statement.subquery()
            statement = select(func.json_group_array(func.json_array(*inner.c)))
        compiled = statement.compile(dialect=sqlite.dialect())
        self.sql, self._names, self._fixed = str(compiled), compiled.positiontup or [], compiled.params

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the values in the order of the SQL's placeholders."""
        all_values = self._fixed | values
        return [all_values[name] for name in self._names]


class Questions(Protocol):
    """Answers queries to a database."""

    async def ask(self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]) -> Answer:
        """Return what `digest` makes of the rows. Raises DatabaseBusy, DatabaseBroken."""
        ...

    async def ask_much(
        self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]
    ) -> Answer:
        """Do the same as `ask` for a slow query; few of these run at the same time."""
        ...

    async def close(self) -> None:
        """Stop answering."""
        ...


@dataclass(frozen=True)
class _Question:
    query: Query
    arguments: list[object]
    digest: Callable[[list[Row]], Any]
    answer: Future[Any]
    loop: AbstractEventLoop

    def put_to(self, connection: sqlite3.Connection) -> Any:
        rows: list[Row] = connection.execute(self.query.sql, self.arguments).fetchall()
        return self.digest(orjson.loads(rows[0][0]) if self.query.packed else rows)

    def settle(self, result: Any, error: BaseException | None) -> None:
        """Pass the answer to the loop that waits for it, if it still runs."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return  # the caller was cancelled
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)


class Readers:
    """Answers queries to a SQLite database; its threads start with the first query."""

    def __init__(self, path: Path, file: FileIdentity, trouble: Trouble) -> None:
        self._path, self._file = path, file
        self._questions: SimpleQueue[_Question | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._trouble = trouble
        self._heavy = asyncio.Semaphore(HEAVY_READERS)

    async def ask(self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]) -> Answer:
        """Return what `digest` makes of the rows, in the thread that read them. Raises DatabaseBusy, DatabaseBroken."""
        self._start()
        loop = asyncio.get_running_loop()
        answer: Future[Answer] = loop.create_future()
        self._questions.put(_Question(query, query.arguments(values), digest, answer, loop))
        return await answer

    async def ask_much(
        self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]
    ) -> Answer:
        """Do the same as `ask` for a slow query; few of these run at the same time."""
        async with self._heavy:
            return await self.ask(query, values, digest)

    async def close(self) -> None:
        """End the threads after their current queries."""
        for _ in self._threads:
            self._questions.put(None)
        threads, self._threads = self._threads, []
        for thread in threads:
            await asyncio.to_thread(thread.join)

    def _start(self) -> None:
        while len(self._threads) < READERS:
            thread = Thread(target=self._answer, name=f"reader-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _answer(self) -> None:
        connection: sqlite3.Connection | None = None
        while (question := self._questions.get()) is not None:
            result: Any = None
            failure: Exception | None = None
            try:
                connection = connection or self._connect()
                result = question.put_to(connection)
                if not self._file.is_kept():
                    raise self._trouble.gone()
            except sqlite3.Error as error:
                failure = self._told(error)
                _close(connection)
                connection = None
            except Exception as error:  # from the digest, or from a moved file: it belongs to the caller
                failure = error
            else:
                self._trouble.over()
            question.settle(result, failure)
        _close(connection)

    def _told(self, error: sqlite3.Error) -> Exception:
        told = self._trouble.told(error)
        if told is None:
            return error
        told.__cause__ = error
        return told

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.as_uri()}?mode=ro"  # a missing file is not created
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.create_function(FUNCTION, 2, has_folded, deterministic=True)
        return connection


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with suppress(sqlite3.Error), closing(connection):
            pass
