"""What was kept for long enough goes, row first; a crash in between leaves nothing that lies."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from anyio import to_thread
from sqlalchemy import select

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.history import RecordFilter, RecordPages
from munsit_denoise.db.named_files import named_files
from munsit_denoise.db.retention import ORIGINAL, RESULT, Retention
from munsit_denoise.db.tables import deliveries
from munsit_denoise.errors import Gone, StorageBroken
from munsit_denoise.jobs.history import row_of
from munsit_denoise.jobs.removal import Removal
from munsit_denoise.jobs.report import Reports
from munsit_denoise.jobs.residual import Residuals
from munsit_denoise.jobs.retention import US_PER_DAY, Keeper, RetentionTimes
from munsit_denoise.jobs.sweeper import sweep
from munsit_denoise.jobs.tiles import Tiles
from munsit_denoise.records import HISTORY_COLUMNS, NOT_KEPT, Failed, Options, terminal_event
from tests.db.test_records import make_record
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio
LATER_US = 3 * US_PER_DAY


def keeper(house: House, **days: float) -> Keeper:
    return Keeper(Retention(house.database), house.storage, RetentionTimes(**days))


async def failed(house: House) -> str:
    """Return the id of a job that failed and whose end is to be told; its original lies in storage."""
    record = replace(make_record(house.record.user_id, 7), options=Options(webhook_url="http://a/b"))
    record = replace(record, original_key=f"{record.id}/original")
    async with house.storage.new_file(record.original_key) as path:
        path.write_bytes(b"12345")
    await house.records.insert(record)
    lease = await house.records.claim(record.id)
    assert lease
    await house.records.fail(lease, "why")
    return record.id


async def test_originals_and_results_go_and_the_record_says_so(house: House) -> None:
    await house.runner().run(house.record.id)
    other = await failed(house)
    sizes = [(await house.storage.stat(key)).size_bytes for key in await house.storage.keys(house.record.id)]
    keep = keeper(house, originals_days=2, results_days=2.5)
    assert not await keep.sweep(now_us() + US_PER_DAY)
    assert len(house.files()) == 3  # the pictures are the third
    gone = await keep.sweep(now_us() + LATER_US)
    assert gone == {"originals": 2, "results": 1, "bytes": sum(sizes) + 5}
    assert (house.files(), await house.storage.keys(other)) == ([], [])
    record = await house.now()
    assert record.original_gone_at_us
    assert terminal_event(record) == Failed(NOT_KEPT)
    rows = await RecordPages(house.database).page(RecordFilter(record.user_id), 0, 9, list)
    assert row_of(record) in rows
    assert all(row[HISTORY_COLUMNS.index("deleted_at")] for row in rows if row[0] == record.id)
    assert not await keep.sweep(now_us() + 2 * LATER_US)


async def test_what_has_not_ended_stays(house: House) -> None:
    keep = keeper(house, originals_days=1e-9, results_days=1e-9, records_days=1e-9)
    assert not await keep.sweep(now_us() + LATER_US)
    assert house.files() == ["original"]


@pytest.mark.parametrize("file", [ORIGINAL, RESULT])
async def test_a_file_that_outlived_a_crash_is_swept(house: House, file: object) -> None:
    await house.runner().run(house.record.id)
    assert file in (ORIGINAL, RESULT)
    await Retention(house.database).let_go(ORIGINAL if file is ORIGINAL else RESULT, [house.record.id], now_us())
    assert len(house.files()) == 3  # the crash
    assert await sweep(house.parts) == 2  # and the pictures, which show both sounds
    assert [name.startswith("denoised") for name in house.files()] == [file is ORIGINAL]


@pytest.mark.parametrize(
    ("days", "left"), [({"originals_days": 1}, "denoised-1.wav"), ({"results_days": 1}, "original")]
)
async def test_the_pictures_go_with_the_first_of_the_sounds(
    house: House, tmp_path: Path, days: dict[str, float], left: str
) -> None:
    await house.runner().run(house.record.id)
    assert await sweep(house.parts) == 0
    await keeper(house, **days).sweep(now_us() + LATER_US)
    assert house.files() == [left]
    assert await sweep(house.parts) == 0
    named = await to_thread.run_sync(named_files, f"sqlite:///{tmp_path}/test.db")  # what a backup looks for
    assert [file.key for file in named] == [f"{house.record.id}/{left}"]
    for ask in (Tiles(house.parts).index, Residuals(house.parts).residual):
        with pytest.raises(Gone):
            await ask(house.record.user_id, house.record.id)
    report = Reports(house.parts).report(house.record.user_id, house.record.id)
    if left == "original":
        with pytest.raises(Gone):
            await report
    else:
        assert (await report)["duration_s"] == house.record.audio_duration_s


async def insert_deliveries(house: House, number: int = 1, **more: int) -> None:
    row = dict.fromkeys(("kind", "url", "host", "snapshot", "base"), "") | {"created_at": 1, "due_at": 1} | more
    rows = [row | {"id": str(uuid.uuid4()), "job_id": "a", "user_id": house.record.user_id} for _ in range(number)]
    async with house.database.write() as connection:
        await connection.execute(deliveries.insert(), rows)


async def test_records_go_with_their_files_and_what_was_told_of_them(house: House) -> None:
    await house.runner().run(house.record.id)
    other = await failed(house)
    async with house.database.write() as connection:
        await connection.execute(deliveries.update().values(delivered_at=now_us()))
    gone = await keeper(house, records_days=2, originals_days=1).sweep(now_us() + LATER_US)
    assert gone["records"] == 2
    assert "originals" not in gone
    assert [await house.storage.keys(job_id) for job_id in (house.record.id, other)] == [[], []]
    assert await house.records.get(other) is None
    assert await house.records.known([house.record.id, other]) == set()
    async with house.database.read() as connection:
        assert (await connection.execute(select(deliveries))).all() == []


async def test_a_record_whose_files_cannot_go_is_finished_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.runner().run(house.record.id)

    async def broken(_: str) -> None:
        raise StorageBroken

    with monkeypatch.context() as patch:
        patch.setattr(house.storage, "delete_job", broken)
        assert (await keeper(house, records_days=2).sweep(now_us() + LATER_US))["records"] == 0
    assert await house.records.get(house.record.id) is None
    assert len(house.files()) == 3
    await Removal(house.parts)._go_on()
    assert house.files() == []
    assert await house.records.known([house.record.id]) == set()


async def test_more_than_a_batch_goes_in_one_sweep(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.db.retention.BATCH", 2)
    monkeypatch.setattr("munsit_denoise.db.retention.LOOK", 3)
    for number in range(20, 25):
        await house.records.insert(make_record(house.record.user_id, number))
        lease = await house.records.claim(make_record(house.record.user_id, number).id)
        assert lease
        await house.records.fail(lease, "why")
    gone = await keeper(house, originals_days=1).sweep(now_us() + LATER_US)
    assert gone == {"originals": 5, "bytes": 0}
    await insert_deliveries(house)  # not ended
    await insert_deliveries(house, 5, failed_at=1)
    assert (await keeper(house, records_days=1).sweep(now_us() + LATER_US))["records"] == 5
    async with house.database.read() as connection:
        assert list(await connection.scalars(select(deliveries.c.failed_at))) == [None]


def test_a_sweep_comes_often_enough() -> None:
    assert RetentionTimes().pause_s is None
    assert RetentionTimes(results_days=1e-6).pause_s == 1
    assert RetentionTimes(originals_days=365, records_days=0.01).pause_s == pytest.approx(86.4)
    assert RetentionTimes(originals_days=365).pause_s == 600
