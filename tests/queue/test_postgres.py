"""The shared queue: users in turn over workers, one worker a job, and nothing lost with a worker."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import psycopg
import pytest
from sqlalchemy import Engine, event, text

from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.entries import Entries
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.records import Records
from munsit_denoise.db.turns import Turns
from munsit_denoise.db.users import Users
from munsit_denoise.queue.postgres import PostgresQueue
from munsit_denoise.queue.shared import SharedQueue
from munsit_denoise.records import DenoiseRecord
from tests.db.test_records import make_record
from tests.services import Databases

pytestmark = pytest.mark.anyio
LEASE_S = 1.5


@pytest.fixture
async def url(postgres_server: Databases) -> str:
    url = postgres_server.new_database()
    await anyio.to_thread.run_sync(upgrade, url)
    return url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    yield database
    await database.close()


async def user_of(database: Database, name: str) -> str:
    keys = Keys(database)
    found = await keys.find_user(await keys.create(name))
    assert found
    return found


def queue_on(url: str, database: Database, places: int = 0) -> PostgresQueue:
    turns = Turns(database, fetches=False, lease_s=LEASE_S, retry_delay_s=0)
    return PostgresQueue(SharedQueue(url, "jobs", turns, Entries(database, "jobs")), places=places, lease_s=LEASE_S)


async def accept(database: Database, queue: PostgresQueue, user_id: str, number: int) -> DenoiseRecord:
    record = replace(make_record(user_id, number), secret=f"{number:032x}")

    async def announce(connection: Any, record: DenoiseRecord) -> DenoiseRecord:
        await queue.announce(connection, record.id)
        return record

    return await Records(database, announce=announce).insert(record)


async def entries(database: Database) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM procrastinate_jobs")) or 0)


async def test_a_record_and_its_entry_are_accepted_together_or_not_at_all(url: str, database: Database) -> None:
    queue, user_id = queue_on(url, database), await user_of(database, "ann")

    async def refuse(*_: object) -> DenoiseRecord:
        raise ZeroDivisionError

    async def announce(connection: Any, record: DenoiseRecord) -> DenoiseRecord:
        await queue.announce(connection, record.id)
        return await refuse()

    with pytest.raises(ZeroDivisionError):
        await Records(database, announce=announce).insert(make_record(user_id))
    assert await entries(database) == 0
    await accept(database, queue, user_id, 1)
    assert await entries(database) == 1


async def test_workers_take_each_job_once_and_users_in_turn(url: str, database: Database) -> None:
    ann, bob = [await user_of(database, name) for name in ("ann", "bob")]
    web = queue_on(url, database)
    workers = [queue_on(url, database, places=1) for _ in range(2)]
    taken: list[str] = []

    async def work(queue: PostgresQueue) -> None:
        while True:
            job_id = await queue.take()
            taken.append(job_id)
            record = await Records(database).get(job_id)
            lease = await Records(database).claim(job_id)
            assert record is not None
            assert lease is not None
            await Records(database).fail(lease, "done")
            await queue.done(job_id)

    for number in range(20):
        await accept(database, web, ann, number)
    others = await accept(database, web, bob, 100)
    async with anyio.create_task_group() as tasks:
        for queue in workers:
            tasks.start_soon(queue.run_forever)
            tasks.start_soon(work, queue)
        with anyio.fail_after(20):
            while len(taken) < 21 or await entries(database):
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    assert len(taken) == len(set(taken)) == 21
    assert taken.index(others.id) <= 3  # two workers had one of ann's each, and each at most one more


async def test_users_of_a_higher_priority_come_first_and_those_of_the_same_one_in_turn(
    url: str, database: Database
) -> None:
    ann, bob, cid = [await user_of(database, name) for name in ("ann", "bob", "cid")]
    web = queue_on(url, database)
    records = [
        await accept(database, web, user, 10 * row + number)
        for row, user in enumerate((ann, bob, cid))
        for number in range(2)
    ]
    await Users(database).set_priority(cid, 5)
    turns = Turns(database, fetches=False, lease_s=LEASE_S, retry_delay_s=0)
    line = [turn.job_id for turn in await turns.line(10)]
    taken = [turn.job_id for turn in [await turns.take() for _ in range(6)] if turn]
    wanted = [records[index].id for index in (4, 5, 0, 2, 1, 3)]
    assert line == taken == wanted


async def test_a_dead_workers_job_is_free_after_its_lease_and_is_found_by_the_sweep(
    url: str, database: Database
) -> None:
    ann = await user_of(database, "ann")
    web, dead, alive = queue_on(url, database), queue_on(url, database, places=1), queue_on(url, database, places=1)
    record = await accept(database, web, ann, 1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dead.run_forever)
        with anyio.fail_after(10):
            assert await dead.take() == record.id
        tasks.cancel_scope.cancel()  # it never says that it is done
    taken = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(alive.run_forever)

        async def take() -> None:
            taken.append(await alive.take())

        tasks.start_soon(take)
        await anyio.sleep(LEASE_S / 3)
        await alive.sweep()
        assert not taken
        with anyio.fail_after(10):
            while not taken:
                await anyio.sleep(0.2)
                await alive.sweep()
        tasks.cancel_scope.cancel()
    assert taken == [record.id]


async def test_places_and_counts_are_told(url: str, database: Database) -> None:
    ann, bob = [await user_of(database, name) for name in ("ann", "bob")]
    web = queue_on(url, database)
    records = [await accept(database, web, ann, number) for number in range(3)]
    other = await accept(database, web, bob, 10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(web.run_forever)
        with anyio.fail_after(10):
            while len(web) < 4 or web.position(bob, other.id) is None:
                await anyio.sleep(0.02)
        assert web.waiting(ann) == 3
        assert [web.position(ann, record.id) for record in records] == [0, 2, 3]
        assert web.position(bob, other.id) == 1
        web.discard(ann, records[0].id)
        with anyio.fail_after(10):
            while await entries(database) > 3:
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()


FILL = """
INSERT INTO users (id, name, created_at) SELECT 'u' || n, 'user ' || n, 1 FROM generate_series(0, 9) AS n;
INSERT INTO denoise_records (id, user_id, origin, secret, file_name, audio_format, source_type, audio_duration,
    audio_size, original_key, source_url, status, attempts, lease, created_at, updated_at)
SELECT 'j' || n, 'u' || n % 10, 'munsit', n, 'a', 'wav', 'audio', 1, 1, 'o', CASE WHEN n % 20 > 9 THEN 'http://a' END,
    'pending', 0, 0, n, n
FROM generate_series(1, 3000) AS n;
UPDATE denoise_records SET heartbeat_at = extract(epoch FROM now()) * 1000000 WHERE id IN ('j10', 'j20', 'j30', 'j40')
"""


@pytest.mark.parametrize("fetches", [False, True])
async def test_whose_turn_it_is_costs_a_look_at_those_who_wait_not_at_their_jobs(
    url: str, database: Database, fetches: bool
) -> None:
    async with database.write() as connection:
        for statement in FILL.split(";"):
            await connection.execute(text(statement))
    turns = Turns(database, fetches=fetches, lease_s=LEASE_S, retry_delay_s=0)
    asked: list[tuple[str, Any]] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def hear(*call: Any) -> None:
        asked.append(call[2:4])

    try:
        turn = await turns.take()
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    assert turn is not None
    assert turn.job_id == ("j50" if fetches else "j1")
    query, values = next(each for each in asked if "SKIP LOCKED" in each[0])
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("UPDATE users SET turn_at = 1 WHERE id <> 'u0'")  # whose first jobs are worked on
        found = await (await connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}".encode(), values)).fetchone()
    assert found is not None
    looks = [node for node in nodes(found[0][0]["Plan"]) if node.get("Relation Name") == "denoise_records"]
    assert {node["Index Name"] for node in looks} == {f"ix_denoise_records_{'fetches' if fetches else 'jobs'}"}
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in looks) < 20
    assert sum(node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in looks) <= 4


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in nodes(inner))]


async def test_a_user_whose_only_job_is_being_taken_is_passed(url: str, database: Database) -> None:
    ann, bob = [await user_of(database, name) for name in ("ann", "bob")]
    web = queue_on(url, database)
    first, second = await accept(database, web, ann, 1), await accept(database, web, bob, 2)
    turns = Turns(database, fetches=False, lease_s=LEASE_S, retry_delay_s=0)
    async with database.write() as connection:
        await connection.execute(text("SELECT id FROM denoise_records WHERE id = :id FOR UPDATE"), {"id": first.id})
        turn = await turns.take()
        assert turn is not None
        assert turn.job_id == second.id
        assert await turns.take() is None
    turn = await turns.take()
    assert turn is not None
    assert turn.job_id == first.id


async def test_a_job_that_a_process_takes_again_leaves_no_entry_behind(url: str, database: Database) -> None:
    """Put back by whoever works on it, or handed out twice: both of its entries are settled in the end."""
    ann, other = await user_of(database, "ann"), queue_on(url, database)
    queue = queue_on(url, database, places=2)
    record = await accept(database, queue, ann, 1)
    await queue.put(ann, record.id)  # it has its entry already
    assert await entries(database) == 1
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run_forever)
        with anyio.fail_after(10):
            assert await queue.take() == record.id
            await queue.put(ann, record.id)
            async with database.read() as connection:
                beat = await connection.scalar(text("SELECT heartbeat_at FROM denoise_records"))
            assert beat is not None  # nobody takes it before it is done here
            await queue.done(record.id)
            assert await queue.take() == record.id
            async with database.write() as connection:
                await connection.execute(text("UPDATE denoise_records SET heartbeat_at = NULL"))
            await other.put(ann, record.id)  # the sweep of another process has found it
            assert await queue.take() == record.id
            for _ in range(2):
                await queue.done(record.id)
            while await entries(database):
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()


async def test_the_sweep_finds_what_has_no_entry_among_much_that_has(url: str, database: Database) -> None:
    async with database.write() as connection:
        for statement in FILL.split(";"):
            await connection.execute(text(statement))
        await connection.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args) SELECT 'jobs', 'denoise', "
                "jsonb_build_object('record_id', id) FROM denoise_records WHERE source_url IS NULL AND id <> 'j2001'"
            )
        )
    turns = Turns(database, fetches=False, lease_s=LEASE_S, retry_delay_s=0)
    assert await turns.unannounced(10) == ["j2001"]
