"""The table of jobs: one end per job, pages that do not overlap, rows that make sense."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from anyio.abc import TaskStatus
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import downgrade, upgrade
from munsit_denoise.db.records import Records, RunResult
from munsit_denoise.errors import DatabaseBroken, DatabaseBusy, InvalidKey, JobNotFound
from munsit_denoise.records import DenoiseRecord, Options, Origin, SourceType, Status

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url)
    database = open_database(url)
    yield database
    await database.close()


@pytest.fixture
async def user_id(database: Database) -> str:
    keys = Keys(database)
    found = await keys.find_user(await keys.create("somebody"))
    assert found
    return found


def make_record(user_id: str, number: int = 0, created_at_us: int = 1_700_000_000_000_000) -> DenoiseRecord:
    return DenoiseRecord(
        id=f"00000000-0000-4000-8000-{number:012d}",
        user_id=user_id,
        origin=Origin.MUNSIT,
        secret=f"{number:032x}",
        file_name="مقابلة.wav",
        audio_format="wav",
        source_type=SourceType.AUDIO,
        audio_duration_s=1.5,
        audio_size_bytes=48_044,
        original_key=f"{number}/original",
        created_at_us=created_at_us,
        updated_at_us=created_at_us,
    )


async def test_a_record_comes_back_as_it_went_in(database: Database, user_id: str) -> None:
    records, record = Records(database), make_record(user_id)
    await records.insert(record)
    assert await records.get_own(user_id, record.id) == record
    with pytest.raises(JobNotFound):
        await records.get_own("somebody else", record.id)


async def test_a_job_ends_once_and_a_late_attempt_changes_nothing(database: Database, user_id: str) -> None:
    records = Records(database)
    await records.insert(make_record(user_id))
    late, current = await records.claim(make_record(user_id).id), await records.claim(make_record(user_id).id)
    assert late
    assert current
    assert await records.succeed(late, RunResult("late")) is None
    assert await records.fail(late, "late") is None
    ended = await records.succeed(current, RunResult("current", '{"notes": []}'))
    assert ended
    assert (ended.status, ended.result_key, ended.report) == (Status.SUCCESS, "current", '{"notes": []}')
    assert ended.updated_at_us > ended.created_at_us
    assert await records.fail(current, "too late") is None
    assert await records.claim(ended.id) is None


async def test_a_run_that_was_given_back_does_not_count(database: Database, user_id: str) -> None:
    records = Records(database)
    await records.insert(make_record(user_id))
    first = await records.claim(make_record(user_id).id)
    assert first
    await records.give_back(first)
    second = await records.claim(first.record.id)
    assert second
    assert second.record.attempts == 1
    assert second.number == 2


async def test_concurrent_claims_lose_no_write(database: Database, user_id: str) -> None:
    records = Records(database)
    await records.insert(make_record(user_id))

    async def claim_often() -> None:
        for _ in range(20):
            assert await records.claim(make_record(user_id).id)

    async with anyio.create_task_group() as tasks:
        for _ in range(16):
            tasks.start_soon(claim_often)
    record = await records.get(make_record(user_id).id)
    assert record
    assert record.lease == 320


@pytest.mark.parametrize(
    "bad",
    [
        {"status": "done"},
        {"status": "success"},
        {"status": "failed"},
        {"error": "a sentence"},
        {"result_key": "a/b"},
        {"source_type": "picture"},
        {"audio_size_bytes": -1},
        {"audio_duration_s": -0.1},
    ],
)
async def test_rows_that_make_no_sense_are_refused(database: Database, user_id: str, bad: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        await Records(database).insert(replace(make_record(user_id), **bad))


async def test_a_user_who_was_deleted_meanwhile_has_no_key(database: Database, user_id: str) -> None:
    with pytest.raises(InvalidKey):
        await Records(database).insert(replace(make_record(user_id), user_id="nobody"))


async def test_a_locked_database_is_told_and_not_waited_for_for_ever(
    database: Database, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.db.engine.BUSY_TIMEOUT_S", 0.2)

    async def hold(*, task_status: TaskStatus[None]) -> None:
        async with database.write():
            task_status.started()
            await anyio.sleep(1)

    async with anyio.create_task_group() as tasks:
        await tasks.start(hold)
        with pytest.raises(DatabaseBusy):
            await Records(database).insert(make_record(user_id))
    await Records(database).insert(make_record(user_id))


async def test_another_process_that_holds_the_lock_is_told_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.db.engine.BUSY_TIMEOUT_S", 0.2)
    upgrade(f"sqlite:///{tmp_path / 'locked.db'}")
    database = open_database(f"sqlite:///{tmp_path / 'locked.db'}")
    other = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseBusy):
        await Keys(database).create("somebody")
    other.execute("ROLLBACK")
    assert await Keys(database).create("somebody")
    other.close()
    await database.close()


async def test_sqlite_is_set_up_for_durability(database: Database) -> None:
    async with database.read() as connection:
        values = {
            p: await connection.scalar(text(f"PRAGMA {p}")) for p in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_migrations_go_up_and_down_on_a_used_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'used.db'}"

    async def use() -> None:
        database = open_database(url)
        keys = Keys(database)
        user_id = await keys.find_user(await keys.create("somebody"))
        assert user_id
        await Records(database).insert(make_record(user_id))
        await database.close()

    upgrade(url)
    anyio.run(use)
    upgrade(url)  # nothing to do, nothing lost
    downgrade(url)
    upgrade(url)
    anyio.run(use)


def test_records_of_the_first_schema_are_wav_results_in_the_second(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    upgrade(f"sqlite:///{path}", "0001")
    with closing(sqlite3.connect(path)) as old:
        old.execute("INSERT INTO users VALUES ('u', 'somebody', 1)")
        old.execute(
            "INSERT INTO denoise_records VALUES"
            " ('r', 'u', 'munsit', NULL, 's', 'a.mp3', 'mp3', 'audio', 1, 2, 'r/o', 'r/d', 'success', NULL, 1, 1, 3, 4)"
        )
        old.commit()
    upgrade(f"sqlite:///{path}")

    async def check() -> None:
        database = open_database(f"sqlite:///{path}")
        record = await Records(database).get("r")
        assert record
        assert (record.options, record.deleted_at_us) == (Options(extension="wav"), None)
        await database.close()

    anyio.run(check)
    downgrade(f"sqlite:///{path}", "0001")
    with closing(sqlite3.connect(path)) as old:
        assert old.execute("SELECT id, result_key, updated_at FROM denoise_records").fetchall() == [("r", "r/d", 4)]


async def test_what_was_deleted_stays_in_the_history_and_ends(database: Database, user_id: str) -> None:
    records = Records(database)
    for number, status in enumerate((Status.PENDING, Status.SUCCESS)):
        record = replace(make_record(user_id, number), status=status, result_key="a" if number else None)
        await records.insert(record)
        deleted = await records.delete_files(user_id, record.id)
        again = await records.delete_files(user_id, record.id)
        assert deleted == again
        assert deleted.status is (Status.SUCCESS if number else Status.FAILED)
        assert await records.storage_keys([record.id]) == {}
        assert await records.claim(record.id) is None
    with pytest.raises(JobNotFound):
        await records.delete_files("somebody else", make_record(user_id).id)


async def test_a_database_without_its_file_takes_nothing_and_says_so(tmp_path: Path) -> None:
    """The file that is open has no name any more: what is written there would be gone with the server."""
    path = tmp_path / "place.db"
    upgrade(f"sqlite:///{path}")
    database = open_database(f"sqlite:///{path}")
    records = Records(database)
    assert await records.get("nobody") is None
    assert await records.pending() == []
    path.rename(tmp_path / "aside.db")
    for replaced in (False, True):
        if replaced:
            path.write_bytes((tmp_path / "aside.db").read_bytes())
        with pytest.raises(DatabaseBroken):
            await records.get("nobody")
        with pytest.raises(DatabaseBroken):
            await records.pending()
        with pytest.raises(DatabaseBroken):
            await records.claim("nobody")
    (tmp_path / "aside.db").rename(path)
    assert await records.get("nobody") is None
    assert await records.claim("nobody") is None
    await database.close()
