"""A server that is killed in the middle of a sweep: nothing is offered that is gone, nothing stays for ever."""

import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2

from munsit_denoise.db.engine import now_us, open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.records import Records, RunResult
from munsit_denoise.jobs.retention import US_PER_DAY
from munsit_denoise.records import DenoiseRecord, Options
from munsit_denoise.settings import Settings
from munsit_denoise.storage.local import LocalStorage
from tests.databases import migrate
from tests.db.test_records import make_record
from tests.live import Live, ServerProcess
from tests.prepared import OURS

OLD, OLDER, FRESH = 4, 3, 2  # records whose files are due, those that are due themselves, and those that stay
OFFERED = "status = 'success' AND deleted_at IS NULL AND removed_at IS NULL"


async def fill(settings: Settings) -> str:
    """Make a history of jobs that ended at different times; return a key of its user."""
    database, storage = open_database(settings.database), LocalStorage(settings.storage_root)
    key = await Keys(database).create("tester")
    user_id = await Keys(database).find_user(key)
    assert user_id
    for number in range(OLD + OLDER + FRESH):
        record = make_record(user_id, number)
        record = replace(record, original_key=f"{record.id}/original", options=Options(extension="wav"))
        await _end(Records(database), storage, record)
        days = 0 if number < FRESH else 2 if number < FRESH + OLD else 9
        async with database.write() as connection:
            age = f"UPDATE denoise_records SET updated_at = {now_us() - days * US_PER_DAY} WHERE id = '{record.id}'"
            await connection.exec_driver_sql(age)
    await database.close()
    return key


async def _end(records: Records, storage: LocalStorage, record: DenoiseRecord) -> None:
    result = RunResult(f"{record.id}/denoised-1.wav", None, f"{record.id}/tiles-1", 5, 5)
    for key in (record.original_key, *result.keys):
        async with storage.new_file(key) as path:
            path.write_bytes(b"12345")
    await records.insert(record)
    lease = await records.claim(record.id)
    assert lease
    assert await records.succeed(lease, result)


def promised(settings: Settings) -> tuple[set[str], set[str]]:
    """Return the keys of the files that rows offer, and the ids of all rows, seen ones and others."""
    with closing(sqlite3.connect(settings.database_path)) as connection:
        rows = connection.execute(
            f"SELECT original_key FROM denoise_records WHERE {OFFERED} AND original_gone_at IS NULL"
        )
        keys = {row[0] for row in rows}
        rows = connection.execute(f"SELECT result_key FROM denoise_records WHERE {OFFERED} AND result_gone_at IS NULL")
        return keys | {row[0] for row in rows}, {row[0] for row in connection.execute("SELECT id FROM denoise_records")}


def there(settings: Settings) -> set[str]:
    """Return the keys of the files that there are."""
    files = (path for path in settings.storage_root.rglob("*") if path.is_file())
    return {f"{path.parent.name}/{path.name}" for path in files if len(path.parent.name) == 36}


def test_a_sweep_that_is_killed_promises_nothing_that_is_gone_and_is_finished_later(tmp_path: Path) -> None:
    keep = {"KEEP_ORIGINALS_DAYS": "1", "KEEP_RESULTS_DAYS": "1", "KEEP_RECORDS_DAYS": "8"}
    server = ServerProcess(tmp_path / "data", **keep)
    settings, usual = server.settings, dict(server.environment)
    migrate(settings.database)
    key = anyio.run(fill, settings)
    files = len(there(settings))
    try:
        for removal in (5, 11):  # among the files of records that go, and among those of records that stay
            server.module, server.environment = "tests.dying", usual | {"TEST_DIES_AT_REMOVAL": str(removal)}
            with suppress(subprocess.CalledProcessError):
                server.start()
            assert server.wait() == -signal.SIGKILL
            offered, rows = promised(settings)
            assert 3 * FRESH < len(there(settings)) < files
            files = len(there(settings))
            assert offered <= there(settings)
            assert {key.partition("/")[0] for key in there(settings)} <= rows
        server.module, server.environment = OURS, usual
        server.start()
        _check_end(Live(server.url, key, settings))
    finally:
        server.close()


def _check_end(live: Live) -> None:
    end = time.monotonic() + 30
    while len(there(live.settings)) > 3 * FRESH and time.monotonic() < end:
        time.sleep(0.05)
    assert len(there(live.settings)) == 3 * FRESH
    records = live.client.get("/denoise").json()
    assert len(records) == OLD + FRESH
    for record in records:
        kept = record["audio_url"] is not None
        assert httpx2.get(record["original_audio_url"]).status_code == (200 if kept else 410)
        assert not kept or httpx2.get(record["audio_url"]).status_code == 200
    assert sum(record["audio_url"] is not None for record in records) == FRESH
    live.client.close()
