"""Progress is here at once and in the row soon after; a run that lost its job is stopped."""

import anyio
import pytest

from munsit_denoise.db.records import Lease
from munsit_denoise.errors import DatabaseBusy
from munsit_denoise.jobs import progress
from munsit_denoise.records import Processing
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio


async def begun(house: House) -> Lease:
    lease = await house.records.claim(house.record.id)
    assert lease
    house.parts.board.begin(lease, "begins")
    return lease


async def test_progress_comes_to_the_row_throttled_and_a_busy_database_only_delays_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "WRITE_INTERVAL_S", 0.05)
    lease, beat, written = await begun(house), house.records.beat, []

    async def counted(beats: list[object]) -> list[Lease]:
        written.append(beats)
        if len(written) == 1:
            raise DatabaseBusy
        return await beat(beats)  # type: ignore[arg-type]

    monkeypatch.setattr(house.records, "beat", counted)
    house.tasks.start_soon(house.parts.board.write_forever, house.records, house.parts.running.cancel)
    for percent in range(50):
        house.parts.board.tell(lease, percent, "works")
    with anyio.fail_after(5):
        while (await house.now()).percent != 49:
            await anyio.sleep(0.01)
    record = await house.now()
    assert (record.message, len(written)) == ("works", 2)
    assert record.heartbeat_at_us is not None
    await anyio.sleep(0.15)
    assert len(written) == 2  # nothing has changed since


async def test_another_message_of_the_same_percent_is_told(house: House) -> None:
    lease = await begun(house)
    house.parts.board.tell(lease, 40, "one")
    with house.bell.listen(house.record.id) as ear, anyio.fail_after(1):
        house.parts.board.tell(lease, 40, "another")
        await ear.next()
    assert house.parts.board.latest(house.record.id) == Processing(40, "another")


async def test_progress_never_falls_nor_comes_from_a_run_that_was_overtaken(house: House) -> None:
    early = await begun(house)
    house.parts.board.tell(early, 60, "first attempt")
    await house.records.beat([progress.Beat(early, 60, "first attempt")])
    late = await begun(house)
    assert house.parts.board.latest(house.record.id) == Processing(60, "begins")
    house.parts.board.tell(late, 5, "second attempt")
    house.parts.board.tell(early, 99, "late")
    assert house.parts.board.latest(house.record.id) == Processing(60, "second attempt")


async def test_progress_after_the_end_is_nobodys(house: House) -> None:
    lease = await begun(house)
    await house.settlement.fail(lease, "why")
    house.parts.board.tell(lease, 50, "late")
    assert house.parts.board.latest(house.record.id) is None
    assert house.parts.board._runs == {}
    assert house.bell._ears == {}  # type: ignore[attr-defined]


async def test_a_run_that_has_lost_its_job_is_stopped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process has claimed it, or its user has deleted it there."""
    monkeypatch.setattr(progress, "WRITE_INTERVAL_S", 0.02)
    await begun(house)
    await house.records.claim(house.record.id)
    house.tasks.start_soon(house.parts.board.write_forever, house.records, house.parts.running.cancel)
    with anyio.fail_after(5), house.parts.running.working(house.record.id):
        await anyio.sleep_forever()
