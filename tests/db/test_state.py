"""A job's state in its row: signs of life, an order that no clock changes, and what is told of its end."""

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.deliveries import Deliveries, WebhookDelivery
from munsit_denoise.db.engine import Database
from munsit_denoise.db.migrate import downgrade, upgrade
from munsit_denoise.db.records import Beat, Records, RunResult
from munsit_denoise.db.trouble import Trouble
from munsit_denoise.errors import DatabaseBroken, DatabaseBusy
from munsit_denoise.records import Options
from tests.db.test_records import database, make_record, user_id

pytestmark = pytest.mark.anyio
__all__ = ["database", "user_id"]  # fixtures


async def test_a_clock_that_is_set_back_changes_no_order(database: Database, user_id: str) -> None:
    records, hour_us = Records(database), 3_600_000_000
    first = await records.insert(make_record(user_id, 1, 10 * hour_us))
    second = await records.insert(make_record(user_id, 2, 9 * hour_us))
    third = await records.insert(make_record(user_id, 3, 11 * hour_us))
    assert [record.created_at_us - first.created_at_us for record in (second, third)] == [1, hour_us]
    assert second == await records.get(second.id)


async def test_a_sign_of_life_is_noted_and_says_who_has_lost_the_job(database: Database, user_id: str) -> None:
    records = Records(database)
    record = await records.insert(make_record(user_id))
    early = await records.claim(record.id)
    late = await records.claim(record.id)
    assert early
    assert late
    assert await records.beat([Beat(early, 99, "late"), Beat(late, 40, "works")]) == [early]
    found = await records.get(record.id)
    assert found
    assert (found.percent, found.message) == (40, "works")
    assert found.heartbeat_at_us is not None
    assert found.updated_at_us == late.record.updated_at_us  # a page of history has not changed by it


@pytest.mark.parametrize("end", ["succeed", "fail", "delete", "fail_fetch"])
async def test_the_end_and_what_is_told_of_it_are_one_transaction(database: Database, user_id: str, end: str) -> None:
    records, deliveries = Records(database), Deliveries(database)
    options = Options(webhook_url="https://example.org/hook")
    record = replace(make_record(user_id), options=options, source_url="https://a" if end == "fail_fetch" else None)
    await records.insert(record)
    lease = await records.claim(record.id)
    assert lease
    await records.give_back(lease)
    assert await due_now(deliveries) == []
    for _ in range(2):  # once, however often it ends
        if end == "succeed":
            await records.succeed(lease, RunResult("key"))
        elif end == "fail":
            await records.fail(lease, "why")
        elif end == "delete":
            await records.delete_files(user_id, record.id)
        else:
            await records.fail_fetch(record.id, "why")
    (due,) = await due_now(deliveries)
    assert (due.job_id, due.url, due.attempts) == (record.id, options.webhook_url, 0)
    await deliveries.put_off(due.id, 500, "its server answered 500", 0)
    (again,) = await due_now(deliveries)
    assert again.attempts == 1
    await deliveries.put_off(due.id, 500, "its server answered 500", 60)
    assert await due_now(deliveries) == []


async def due_now(deliveries: Deliveries) -> list[WebhookDelivery]:
    """Return what is to be told by now."""
    found = [await deliveries.get(ready.id) for ready in await deliveries.ready([], [], 10)]
    return [due for due in found if due is not None]


async def test_what_is_told_or_given_up_is_not_due_any_more(database: Database, user_id: str) -> None:
    records, deliveries = Records(database), Deliveries(database)
    for number in range(2):
        record = replace(make_record(user_id, number), options=Options(webhook_url=f"https://example.org/{number}"))
        await records.insert(record)
        await records.delete_files(user_id, record.id)
    told, hopeless = await due_now(deliveries)
    await deliveries.delivered(told.id, 200)
    await deliveries.give_up(hopeless.id, 410, "its server answered 410")
    assert await due_now(deliveries) == []


async def test_a_damaged_database_is_told_once_and_is_no_crash(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records(database)
    await records.get("")
    await database.close()
    path = tmp_path / "test.db"
    for companion in ("-wal", "-shm"):
        path.with_name(path.name + companion).unlink(missing_ok=True)
    path.write_bytes(b"no database at all" * 1000)
    for _ in range(3):
        with pytest.raises(DatabaseBroken):
            await records.get("")
        with pytest.raises(DatabaseBroken):
            await records.pending()
    told = [entry for entry in caplog.records if "damaged" in entry.message]
    assert len(told) == 1


def test_damage_is_not_over_when_a_page_that_is_whole_answers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "munsit_denoise.db.trouble")
    trouble = Trouble()
    for code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR) * 3:
        error = sqlite3.DatabaseError("what it says")
        error.sqlite_errorcode = code
        assert isinstance(trouble.told(error), DatabaseBroken)
        trouble.over()
    told = [entry.message for entry in caplog.records]
    assert sum("is damaged" in line for line in told) == 1
    assert sum("reports an error" in line for line in told) == 3
    assert sum("answers again" in line for line in told) == 3


async def test_waiting_for_a_connection_for_too_long_is_a_busy_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database._engine.sync_engine.pool, "_timeout", 0.05)
    async with anyio.create_task_group() as tasks:
        begun = []

        async def hold() -> None:
            async with database.read():
                begun.append(1)
                await anyio.sleep(0.5)

        for _ in range(8):
            tasks.start_soon(hold)
        while len(begun) < 8:
            await anyio.sleep(0.01)
        with pytest.raises(DatabaseBusy):
            await Records(database).pending()


async def test_state_in_the_row_comes_and_goes_with_the_rows_kept(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    upgrade(f"sqlite:///{path}", "0002")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO users VALUES ('u', 'somebody', 0)")
        connection.execute(
            "INSERT INTO denoise_records (id, user_id, origin, secret, file_name, audio_format, source_type, "
            "audio_duration, audio_size, original_key, status, attempts, lease, created_at, updated_at) "
            "VALUES ('r', 'u', 'munsit', 's', 'a.wav', 'wav', 'audio', 1, 1, 'r/original', 'pending', 0, 0, 1, 1)"
        )
        connection.execute("INSERT INTO uploads VALUES ('p', 'u', 'a.wav', 'wav', 1, 1, 'p/original', 1)")
        connection.commit()
        upgrade(f"sqlite:///{path}")
        row = connection.execute(
            "SELECT percent, audio_track, result_bytes, tiles_bytes, track FROM denoise_records"
        ).fetchall()
        assert row == [(0, 0, 0, 0, None)]
        downgrade(f"sqlite:///{path}", "0002")
        assert connection.execute("SELECT count(*) FROM denoise_records, uploads").fetchone() == (1,)
        columns = [column[1] for column in connection.execute("PRAGMA table_info(denoise_records)")]
        assert "percent" not in columns


async def test_a_claim_that_is_made_again_is_the_same_run_unless_another_came_between(
    database: Database, user_id: str
) -> None:
    records, record = Records(database), make_record(user_id)
    await records.insert(record)
    leases = [await records.claim(record.id, claim) for claim in ("a", "a", "b", "a")]
    assert [(lease.number, lease.record.attempts) for lease in leases if lease] == [(1, 1), (1, 1), (2, 2), (3, 3)]
