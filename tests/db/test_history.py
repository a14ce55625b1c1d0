"""Pages that do not overlap, read by the index alone; lists of any length, a bounded part at a time."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db import history
from munsit_denoise.db.engine import Database
from munsit_denoise.db.history import CREATED_AT, ID, History
from munsit_denoise.db.readers import Query, Row
from munsit_denoise.db.records import Records
from munsit_denoise.errors import DatabaseBusy
from munsit_denoise.records import HISTORY_COLUMNS
from tests.db.test_records import database, make_record, user_id

__all__ = ["database", "user_id"]  # fixtures
pytestmark = pytest.mark.anyio


def ids(rows: list[Row]) -> list[str]:
    return [row[ID] for row in rows]


@pytest.fixture
async def past(database: Database, user_id: str) -> History:
    for number in range(25):
        await Records(database).insert(make_record(user_id, number, 1_700_000_000_000_000 + number // 3))
    return History(database)


async def test_pages_never_overlap_even_at_the_same_instant(past: History, user_id: str) -> None:
    pages = [await past.page(user_id, offset, 10, ids) for offset in (0, 10, 20, 30)]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    found = [one for page in pages for one in page]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 25


async def test_the_whole_list_comes_in_batches(past: History, user_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BATCH", 4)
    for offset, limit in ((0, 2**62), (1, 8), (3, 9), (21, 4), (25, 1), (99, 2**62)):
        batches = [batch async for batch in past.all(user_id, offset, limit, ids)]
        assert all(len(batch) <= 4 for batch in batches)
        assert [one for batch in batches for one in batch] == await past.page(user_id, offset, limit, ids)
        assert batches[0] or len(batches) == 1


async def test_what_comes_in_meanwhile_shifts_nothing(
    past: History, database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH", 10)
    before, batches = await past.page(user_id, 0, 99, ids), past.all(user_id, 0, 2**62, ids)
    seen = await anext(batches)
    await Records(database).insert(make_record(user_id, 99, 1_800_000_000_000_000))
    async for batch in batches:
        seen += batch
    assert seen == before


async def test_nobody_reads_the_records_of_others(past: History) -> None:
    assert await past.page("somebody else", 0, 10, ids) == []


async def test_every_value_comes_as_it_was_kept(database: Database, user_id: str) -> None:
    name = "".join(chr(code) for code in range(1, 0x2100)) + "\u2028\ufeff\uffff🎙"
    for number, duration_s in enumerate((0.0, 2.0, 1e-05, 0.1, 61.523129, 123_456_789.123456)):
        record = replace(make_record(user_id, number), file_name=name, audio_duration_s=duration_s)
        await Records(database).insert(record)
        row = (await History(database).page(user_id, 0, 1, list))[0]
        told = dict(zip(HISTORY_COLUMNS, row, strict=True))
        assert (told["file_name"], told["audio_duration"]) == (name, duration_s)
        assert isinstance(told["audio_duration"], float)
        assert (told["audio_size"], told["error"], type(told["created_at"])) == (48_044, None, int)


@pytest.mark.parametrize("query", [history.PAGE, history.NEXT])
async def test_a_page_is_read_by_the_index_alone(database: Database, user_id: str, query: Query) -> None:
    values = {"user_id": user_id, "limit": 20, "offset": 0, "created_at": 1, "id": "x"}
    explained = Query.__new__(Query)
    explained.__dict__ |= vars(query) | {"sql": f"EXPLAIN QUERY PLAN {query.sql}"}
    plan = " ".join(str(row) for row in await database.readers.ask(explained, values, list))
    assert "ix_denoise_records_history" in plan
    assert "TEMP B-TREE" not in plan


async def test_a_database_that_went_is_told_and_comes_back(
    past: History, database: Database, user_id: str, tmp_path: Path
) -> None:
    """Every reader finds it missing, none makes an empty one in its place, and all are well when it is back."""
    await database.close()
    files = list(tmp_path.glob("test.db*"))
    for file in files:
        file.rename(file.with_name(f"away-{file.name}"))
    for _ in range(8):
        with pytest.raises(DatabaseBusy):
            await past.page(user_id, 0, 10, ids)
    assert not list(tmp_path.glob("test.db*"))
    for file in files:
        file.with_name(f"away-{file.name}").rename(file)
    for _ in range(8):
        assert len(await past.page(user_id, 0, 10, ids)) == 10


async def test_readers_go_on_while_somebody_writes(past: History, user_id: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with anyio.fail_after(3):
            assert len(await past.page(user_id, 0, 10, ids)) == 10


async def test_what_goes_wrong_with_the_rows_is_told_to_who_asked_and_to_nobody_else(
    past: History, user_id: str
) -> None:
    def break_down(_: list[Row]) -> None:
        raise ZeroDivisionError

    for _ in range(8):
        with pytest.raises(ZeroDivisionError):
            await past.page(user_id, 0, 10, break_down)
    assert len(await past.page(user_id, 0, 10, ids)) == 10


async def test_who_gives_up_waiting_harms_nobody(past: History, user_id: str) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(past.page, user_id, 0, 10, ids)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert len(await past.page(user_id, 0, 10, lambda rows: [row[CREATED_AT] for row in rows])) == 10
