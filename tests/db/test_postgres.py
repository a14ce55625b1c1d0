"""What SQLite forgives and PostgreSQL does not: statements that insert or change, and sums."""

from collections.abc import AsyncIterator

import anyio
import pytest

from munsit_denoise.db.admin import Overview
from munsit_denoise.db.balance import Balances
from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.idempotency import First, IdempotencyKeys, Note
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.records import Records, RunResult
from munsit_denoise.db.usage import Counts
from munsit_denoise.errors import KeyInUse
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
