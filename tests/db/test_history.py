"""Pages that do not overlap, read by the index alone; lists of any length, a bounded part at a time."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db import history
from munsit_denoise.db.engine import Database
from munsit_denoise.db.history import CREATED_AT, ID, RecordFilter, RecordPages
from munsit_denoise.db.readers import Query, Row
from munsit_denoise.db.records import Records
from munsit_denoise.errors import DatabaseBusy
from munsit_denoise.records import HISTORY_COLUMNS, Status
from tests.db.test_records import database, make_record, user_id

__all__ = ["database", "user_id"]  # fixtures
pytestmark = pytest.mark.anyio


def ids(rows: list[Row]) -> list[str]:
    return [row[ID] for row in rows]


@pytest.fixture
async def past(database: Database, user_id: str) -> RecordPages:
    for number in range(25):
        await Records(database).insert(make_record(user_id, number, 1_700_000_000_000_000 + number // 3))
    return RecordPages(database)


async def test_pages_never_overlap_even_at_the_same_instant(past: RecordPages, user_id: str) -> None:
    pages = [await past.page(RecordFilter(user_id), offset, 10, ids) for offset in (0, 10, 20, 30)]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    found = [one for page in pages for one in page]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 25


async def test_the_whole_list_comes_in_batches(
    past: RecordPages, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH", 4)
    for offset, limit in ((0, 2**62), (1, 8), (3, 9), (21, 4), (25, 1), (99, 2**62)):
        batches = [batch async for batch in past.all(RecordFilter(user_id), offset, limit, ids)]
        assert all(len(batch) <= 4 for batch in batches)
        assert [one for batch in batches for one in batch] == await past.page(RecordFilter(user_id), offset, limit, ids)
        assert batches[0] or len(batches) == 1


async def test_what_comes_in_meanwhile_shifts_nothing(
    past: RecordPages, database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH", 10)
    before, batches = await past.page(RecordFilter(user_id), 0, 99, ids), past.all(RecordFilter(user_id), 0, 2**62, ids)
    seen = await anext(batches)
    await Records(database).insert(make_record(user_id, 99, 1_800_000_000_000_000))
    async for batch in batches:
        seen += batch
    assert seen == before


async def test_nobody_reads_the_records_of_others(past: RecordPages) -> None:
    assert await past.page(RecordFilter("somebody else"), 0, 10, ids) == []


async def test_every_value_comes_as_it_was_kept(database: Database, user_id: str) -> None:
    name = "".join(chr(code) for code in range(1, 0x2100)) + "\u2028\ufeff\uffff🎙"
    for number, duration_s in enumerate((0.0, 2.0, 1e-05, 0.1, 61.523129, 123_456_789.123456)):
        record = replace(make_record(user_id, number), file_name=name, audio_duration_s=duration_s)
        await Records(database).insert(record)
        row = (await RecordPages(database).page(RecordFilter(user_id), 0, 1, list))[0]
        told = dict(zip(HISTORY_COLUMNS, row, strict=True))
        assert (told["file_name"], told["audio_duration"]) == (name, duration_s)
        assert isinstance(told["audio_duration"], float)
        assert (told["audio_size"], told["error"], type(told["created_at"])) == (48_044, None, int)


@pytest.mark.parametrize("wanted", [RecordFilter(""), RecordFilter("", Status.FAILED, "ab")])
@pytest.mark.parametrize("which", [0, 1])
async def test_a_page_is_read_in_the_order_of_the_index(database: Database, wanted: RecordFilter, which: int) -> None:
    query = wanted.queries()[which]
    values = wanted.values() | {"limit": 20, "offset": 0, "created_at": 1, "id": "x"}
    explained = Query.__new__(Query)
    explained.__dict__ |= vars(query) | {"sql": f"EXPLAIN QUERY PLAN {query.sql}", "packed": False}
    plan = " ".join(str(row) for row in await database.readers.ask(explained, values, list))
    assert "ix_denoise_records_history" in plan
    assert "TEMP B-TREE" not in plan


NAMES = ["Interview ONE.wav", "مقابلة صحفية.mp3", "STRASSE 50%.wav", "Straße_2.wav", "cafe\u0301.ogg", "a\\b.wav"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("interview one", [0]),
        ("صحفية", [1]),
        ("strasse", [2, 3]),
        ("STRAßE", [2, 3]),
        ("CAF\u00c9", [4]),
        ("%", [2]),
        ("_", [3]),
        ("\\", [5]),
        (".WAV", [0, 2, 3, 5]),
        ("\0", []),
        ("a\0", []),
        ("nothing", []),
        ("", [0, 1, 2, 3, 4, 5]),
    ],
)
async def test_words_are_found_in_any_case_and_stand_for_themselves(
    database: Database, user_id: str, words: str, found: list[int]
) -> None:
    for number, name in enumerate(NAMES):
        await Records(database).insert(replace(make_record(user_id, number), file_name=name))
    page = await RecordPages(database).page(RecordFilter(user_id, words=words), 0, 10, ids)
    assert page == [make_record(user_id, number).id for number in reversed(found)]


async def test_a_status_selects_and_pages_count_what_is_selected(
    past: RecordPages, database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "BATCH", 2)
    records, whole = Records(database), await past.page(RecordFilter(user_id), 0, 99, ids)
    cancelled = whole[::4]
    for record_id in cancelled:
        await records.cancel(user_id, record_id)
    assert await past.page(RecordFilter(user_id, Status.FAILED), 2, 3, ids) == cancelled[2:5]
    batches = [batch async for batch in past.all(RecordFilter(user_id, Status.FAILED), 1, 2**62, ids)]
    assert [one for batch in batches for one in batch] == cancelled[1:]
    assert await past.page(RecordFilter(user_id, Status.SUCCESS), 0, 9, ids) == []


async def test_what_is_marked_as_removed_is_in_no_list(past: RecordPages, database: Database, user_id: str) -> None:
    records, whole = Records(database), await past.page(RecordFilter(user_id), 0, 99, ids)
    await records.mark_removed(user_id, whole[3])
    assert await past.page(RecordFilter(user_id), 0, 99, ids) == [*whole[:3], *whole[4:]]
    assert await records.get(whole[3]) is None
    assert whole[3] not in {job.id for job in await records.pending()}


async def test_a_database_that_went_is_told_and_comes_back(
    past: RecordPages, database: Database, user_id: str, tmp_path: Path
) -> None:
    """Every reader finds it missing, none makes an empty one in its place, and all are well when it is back."""
    await database.close()
    files = list(tmp_path.glob("test.db*"))
    for file in files:
        file.rename(file.with_name(f"away-{file.name}"))
    for _ in range(8):
        with pytest.raises(DatabaseBusy):
            await past.page(RecordFilter(user_id), 0, 10, ids)
    assert not list(tmp_path.glob("test.db*"))
    for file in files:
        file.with_name(f"away-{file.name}").rename(file)
    for _ in range(8):
        assert len(await past.page(RecordFilter(user_id), 0, 10, ids)) == 10


async def test_readers_go_on_while_somebody_writes(past: RecordPages, user_id: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with anyio.fail_after(3):
            assert len(await past.page(RecordFilter(user_id), 0, 10, ids)) == 10


async def test_what_goes_wrong_with_the_rows_is_told_to_who_asked_and_to_nobody_else(
    past: RecordPages, user_id: str
) -> None:
    def break_down(_: list[Row]) -> None:
        raise ZeroDivisionError

    for _ in range(8):
        with pytest.raises(ZeroDivisionError):
            await past.page(RecordFilter(user_id), 0, 10, break_down)
    assert len(await past.page(RecordFilter(user_id), 0, 10, ids)) == 10


async def test_who_gives_up_waiting_harms_nobody(past: RecordPages, user_id: str) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(past.page, RecordFilter(user_id), 0, 10, ids)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert len(await past.page(RecordFilter(user_id), 0, 10, lambda rows: [row[CREATED_AT] for row in rows])) == 10
