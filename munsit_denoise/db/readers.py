"""Threads that only read, each over a connection of its own: a question costs one hop to a thread and back."""

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
HEAVY_READERS = 2  # at most; the others are there for what is answered at once
BUSY_TIMEOUT_S = 5.0

Row = tuple[Any, ...]
Answer = TypeVar("Answer")


class Query:
    """A statement that is put into SQL once; values that it names as parameters come with each question.

    `packed`: SQLite answers with one row, a JSON array of arrays. Its driver takes the interpreter's lock again after
    each row; where other threads want it as well, twenty rows wait twenty times.
    """

    def __init__(self, statement: Select[Any], *, packed: bool = False) -> None:
        self.statement, self.packed = statement, packed
        if packed:
            inner = statement.subquery()
            statement = select(func.json_group_array(func.json_array(*inner.c)))
        compiled = statement.compile(dialect=sqlite.dialect())
        self.sql, self._names, self._fixed = str(compiled), compiled.positiontup or [], compiled.params

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Return the values in the order of the SQL's marks."""
        all_values = self._fixed | values
        return [all_values[name] for name in self._names]


class Questions(Protocol):
    """Whoever answers questions to a database."""

    async def ask(self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]) -> Answer:
        """Return what `digest` makes of the rows. Raises DatabaseBusy, DatabaseBroken."""
        ...

    async def ask_much(
        self, query: Query, values: Mapping[str, object], digest: Callable[[list[Row]], Answer]
    ) -> Answer:
        """Return what `ask` does, for a question that takes long: few are answered at the same time."""
        ...

    async def close(self) -> None:
        """Answer no more."""
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
        """Hand the answer over to the loop that waits for it, which may have gone."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.answer.done():
            return  # whoever asked has been cancelled
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)


class Readers:
    """Answers questions to a SQLite database; its threads start with the first one."""

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
        """Return what `ask` does, for a question that takes long: few are answered at the same time."""
        async with self._heavy:
            return await self.ask(query, values, digest)

    async def close(self) -> None:
        """End the threads, once they have answered."""
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
            except Exception as error:  # of the digest, or of a file that was moved away: whoever asked has to know
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
        uri = f"{self._path.as_uri()}?mode=ro"  # one that is missing is not created
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.create_function(FUNCTION, 2, has_folded, deterministic=True)
        return connection


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        with suppress(sqlite3.Error), closing(connection):
            pass
