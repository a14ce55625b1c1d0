"""Minutes are never taken twice, never below zero, and come back once."""

from dataclasses import replace

import anyio
import pytest
from sqlalchemy import select, text

from munsit_denoise.db.balance import Balances
from munsit_denoise.db.engine import Database
from munsit_denoise.db.records import Records, RunResult
from munsit_denoise.db.tables import transactions
from munsit_denoise.errors import InsufficientBalance, NotFound
from munsit_denoise.records import DenoiseRecord
from tests.db.test_records import database, make_record, user_id

__all__ = ["database", "user_id"]
pytestmark = pytest.mark.anyio
JOB_MS = 1500  # of `make_record`


async def states(database: Database) -> dict[str, tuple[str, int]]:
    async with database.read() as connection:
        query = select(transactions).where(transactions.c.kind == "reservation")
        return {row.job_id: (row.state, row.amount_ms) for row in await connection.execute(query)}


async def test_parallel_submissions_never_pass_the_balance(database: Database, user_id: str) -> None:
    records, balances = Records(database, balance=True), Balances(database)
    assert await balances.credit("somebody", 10 * JOB_MS) == 10 * JOB_MS
    accepted: list[DenoiseRecord] = []
    refused: list[InsufficientBalance] = []

    async def submit(number: int) -> None:
        try:
            accepted.append(await records.insert(make_record(user_id, number)))
        except InsufficientBalance as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(submit, number)
    assert len(accepted) == 10
    assert len(refused) == 40
    assert refused[0].message.startswith("Insufficient balance. Required: 0.03 minutes. Available: ")
    assert await balances.available_ms(user_id) == 0
    kept = [await records.get_own(user_id, record.id) for record in accepted]
    assert all(record.transaction_id for record in kept)
    assert {row.id for row in await records.pending()} == {record.id for record in accepted}
    for number, record in enumerate(accepted):  # each ends in another way, and a second time
        await _end(records, record, number)
        await _end(records, record, number)
    told = await states(database)
    assert [told[record.id] for record in accepted[:4]] == [
        ("settled", JOB_MS),
        ("returned", JOB_MS),
        ("returned", JOB_MS),
        ("returned", JOB_MS),
    ]
    assert await balances.available_ms(user_id) == 3 * JOB_MS


async def _end(records: Records, record: DenoiseRecord, number: int) -> None:
    if number == 0 and (lease := await records.claim(record.id)):
        await records.succeed(lease, RunResult("key"))
    if number == 0:
        await records.delete_files(record.user_id, record.id)  # what succeeded is paid for
    if number == 1 and (lease := await records.claim(record.id)):
        await records.fail(lease, "why")
    if number == 2:
        await records.cancel(record.user_id, record.id)
    if number == 3:
        await records.delete_files(record.user_id, record.id)


async def test_what_a_url_holds_is_paid_when_it_is_known(database: Database, user_id: str) -> None:
    records, balances = Records(database, balance=True), Balances(database)
    coming = replace(make_record(user_id), source_url="http://a/b", audio_duration_s=0.0)
    assert (await records.insert(coming)).transaction_id is None
    with pytest.raises(InsufficientBalance, match=r"Required: 0\.03 minutes\. Available: 0 minutes"):
        await records.fetched(replace(coming, source_url=None, audio_duration_s=1.5))
    assert (await records.get_own(user_id, coming.id)).source_url == "http://a/b"  # nothing of it was kept
    await balances.credit("somebody", 2 * JOB_MS)
    assert await records.fetched(replace(coming, source_url=None, audio_duration_s=1.5))
    assert not await records.fetched(replace(coming, source_url=None, audio_duration_s=1.5))
    assert await balances.available_ms(user_id) == JOB_MS
    assert (await records.get_own(user_id, coming.id)).transaction_id
    await records.cancel(user_id, coming.id)
    assert await balances.available_ms(user_id) == 2 * JOB_MS


async def test_a_reservation_ends_also_when_jobs_cost_nothing_any_more(database: Database, user_id: str) -> None:
    await Balances(database).credit("somebody", JOB_MS)
    record = await Records(database, balance=True).insert(make_record(user_id))
    free = Records(database)
    await free.cancel(user_id, record.id)
    assert await Balances(database).available_ms(user_id) == JOB_MS
    assert (await free.insert(make_record(user_id, 1))).transaction_id is None


async def test_only_users_are_credited_and_nobody_owes(database: Database, user_id: str) -> None:
    balances = Balances(database)
    assert [(account.name, account.available_ms) for account in await balances.accounts()] == [("somebody", None)]
    with pytest.raises(NotFound, match="nobody"):
        await balances.credit("nobody", 1)
    await balances.credit("somebody", 1)
    assert [account.available_ms for account in await balances.accounts()] == [1]
    with pytest.raises(Exception, match="ck_balances_available"):
        async with database.write() as connection:
            await connection.execute(text("UPDATE balances SET available_ms = -1"))
