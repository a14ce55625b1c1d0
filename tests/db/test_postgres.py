"""What SQLite forgives and PostgreSQL does not: statements that insert or change, sums, and changes at one moment."""

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.admin import Overview
from munsit_denoise.db.balance import Balances
from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.idempotency import First, IdempotencyKeys, Note
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.records import Records, RunResult
from munsit_denoise.db.usage import Counts
from munsit_denoise.db.users import Users
from munsit_denoise.errors import InvalidKey, KeyInUse
from munsit_denoise.records import DenoiseRecord, Options
from tests.db.test_records import make_record, user_id
from tests.services import Databases

__all__ = ["user_id"]
pytestmark = pytest.mark.anyio
JOB_MS = 1500  # of `make_record`
DAY_US = 24 * 3600 * 10**6


@pytest.fixture
async def database(postgres_server: Databases) -> AsyncIterator[Database]:
    url = postgres_server.new_database()
    await anyio.to_thread.run_sync(upgrade, url)
    database = open_database(url)
    yield database
    await database.close()


async def test_minutes_keys_and_bytes(database: Database, user_id: str) -> None:
    balances, records, keys = Balances(database), Records(database, balance=True), IdempotencyKeys(database)
    assert [await balances.credit("somebody", JOB_MS) for _ in range(2)] == [JOB_MS, 2 * JOB_MS]
    first = await records.insert(make_record(user_id), (Note(user_id, "k", DAY_US, "a" * 64),))
    other = make_record(user_id, 1)
    with pytest.raises(KeyInUse):
        await records.insert(other, (Note(user_id, "k", DAY_US, "b" * 64),))
    assert await keys.find(user_id, "k", 0) == First("a" * 64, first.id)
    await records.insert(other, (Note(user_id, "k", 0, "b" * 64),))  # its day is over
    assert await keys.find(user_id, "k", 0) == First("b" * 64, other.id)
    assert await balances.available_ms(user_id) == 0
    for _ in range(2):
        await records.cancel(user_id, other.id)
    assert await balances.available_ms(user_id) == JOB_MS
    lease = await records.claim(first.id)
    assert lease
    assert await records.succeed(lease, RunResult("r", None, "t", size_bytes=1000, tiles_bytes=30))
    kept = await Counts(database).of(user_id)
    assert (kept.processed_s, kept.stored_bytes) == (1.5, 1030 + 2 * first.audio_size_bytes)
    stored = await Overview(database).stored()
    assert (stored.originals_bytes, stored.results_bytes) == (2 * first.audio_size_bytes, 1030)


async def test_a_user_who_was_deleted_meanwhile_has_no_key(database: Database, user_id: str) -> None:
    with pytest.raises(InvalidKey):
        await Records(database).insert(replace(make_record(user_id), user_id="nobody"))


async def test_a_job_that_is_cancelled_twice_at_one_moment_is_told_once(database: Database, user_id: str) -> None:
    records = Records(database)
    record = await records.insert(replace(make_record(user_id), options=Options(webhook_url="http://a/b")))
    async with anyio.create_task_group() as tasks, database.write() as connection:
        await connection.execute(text("SELECT 1 FROM denoise_records FOR UPDATE"))
        for _ in range(2):
            tasks.start_soon(records.cancel, user_id, record.id)
        while await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) < 2:
            await anyio.sleep(0.01)
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM deliveries")) == 1


async def test_the_end_of_a_job_does_not_wait_for_a_submission_of_its_user(database: Database, user_id: str) -> None:
    """Each may hold what the other one needs next: the user's row, and their balance."""
    await Balances(database).credit("somebody", JOB_MS)
    records = Records(database, balance=True)
    record = await records.insert(replace(make_record(user_id), options=Options(webhook_url="http://a/b")))

    async def end_another(_: AsyncConnection, new: DenoiseRecord) -> DenoiseRecord:
        with anyio.fail_after(5):
            await records.cancel(user_id, record.id)
        return new

    await records.insert(make_record(user_id, 1), (end_another,))
    assert await Balances(database).available_ms(user_id) == 0


async def test_whoever_starts_alone_may_take_longer_than_a_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.db.postgres.DEADLINE_S", 0.2)
    order: list[str] = []

    async def wait() -> None:
        async with database.alone(1):
            order.append("the second")

    async with anyio.create_task_group() as tasks:
        with pytest.raises(OSError, match="of the block"):
            async with database.alone(1):
                tasks.start_soon(wait)
                await anyio.sleep(0.5)
                order.append("the first")
                raise OSError("of the block")
    assert order == ["the first", "the second"]


async def test_first_keys_of_a_user_may_be_made_at_one_moment(database: Database) -> None:
    keys = Keys(database)
    async with anyio.create_task_group() as tasks, database.write() as connection:
        await connection.execute(text("INSERT INTO users (id, name, created_at) VALUES ('u', 'ann', 1)"))
        tasks.start_soon(keys.create, "ann")
        while not await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            await anyio.sleep(0.01)
    assert [info.user_id for info in await keys.list()] == ["u"]


async def test_of_two_records_that_are_accepted_at_the_same_time_the_second_is_the_newest(
    database: Database, user_id: str
) -> None:
    """The second one has to wait for the first, and must not overlook it."""
    first, second, began = make_record(user_id, 1), make_record(user_id, 0), anyio.Event()
    records = Records(database)

    async def wait(_: AsyncConnection, record: DenoiseRecord) -> DenoiseRecord:
        began.set()
        await anyio.sleep(0.5)
        return record

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(records.insert, first, (wait,))
        await began.wait()
        later = await records.insert(second)
    assert later.created_at_us == first.created_at_us + 1


async def test_a_user_who_gets_a_record_at_the_same_time_is_not_deleted_yet(database: Database, user_id: str) -> None:
    record, began = make_record(user_id), anyio.Event()

    async def wait(_: AsyncConnection, record: DenoiseRecord) -> DenoiseRecord:
        began.set()
        await anyio.sleep(0.5)
        return record

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Records(database).insert, record, (wait,))
        await began.wait()
        assert not await Users(database).forget(user_id, [])
    assert await Users(database).forget(user_id, [record.id])
