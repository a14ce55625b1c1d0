"""A user goes with all that is theirs, while a server may be running, and again after a crash."""

from dataclasses import replace

import pytest
from sqlalchemy import func, insert, select

from munsit_denoise.db.balance import Balances
from munsit_denoise.db.engine import now_us
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.tables import metadata, partial_uploads, users
from munsit_denoise.db.users import Users
from munsit_denoise.errors import InvalidKey, NotFound
from munsit_denoise.jobs.user_removal import delete_user
from munsit_denoise.records import Options, Upload
from tests.db.test_records import make_record
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio
UPLOAD, PART = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


async def fill(house: House) -> str:
    """Give the house's user something in every table, and somebody else a record; return that one's id."""
    user_id = house.record.user_id
    await house.runner().run(house.record.id)
    await Balances(house.database).credit("somebody", 1000)
    failing = replace(make_record(user_id, 3), options=Options(webhook_url="http://a/b"))
    await house.records.insert(failing)
    await house.records.cancel(user_id, failing.id)
    await house.records.insert(make_record(user_id, 4))  # waits
    async with house.storage.new_file(f"{UPLOAD}/original") as path:
        path.write_bytes(b"1")
    await house.parts.uploads.insert(Upload(UPLOAD, user_id, "a.wav", "wav", 1.0, 1, f"{UPLOAD}/original", now_us()))
    async with house.storage.new_file(f"{PART}/original") as path:
        path.write_bytes(b"1")
    row = {"id": PART, "user_id": user_id, "file_name": "a", "upload_metadata": "", "storage_key": f"{PART}/original"}
    async with house.database.write() as connection:
        times = {"created_at": now_us(), "expires_at": now_us()}
        await connection.execute(insert(partial_uploads).values(**row, **times, length_bytes=9, offset_bytes=1))
    other_id = await Keys(house.database).find_user(await Keys(house.database).create("other"))
    assert other_id
    return (await house.records.insert(make_record(other_id, 9))).id


async def rows_of(house: House, user_id: str) -> dict[str, int]:
    """Return in which tables a user has how many rows."""
    found = {}
    async with house.database.read() as connection:
        for table in metadata.tables.values():
            column = users.c.id if table is users else table.c.get("user_id")
            if column is not None:
                count = await connection.scalar(select(func.count()).select_from(table).where(column == user_id))
                found[table.name] = int(count or 0)
    return {name: count for name, count in found.items() if count}


@pytest.mark.parametrize("at_a_time", [1, 500])
async def test_all_that_is_theirs_goes_and_nothing_else(
    house: House, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr("munsit_denoise.db.users.AT_A_TIME", at_a_time)
    kept, user_id = await fill(house), house.record.user_id
    assert {"denoise_records", "uploads", "partial_uploads", "deliveries", "balances"} <= set(
        await rows_of(house, user_id)
    )
    await delete_user(Users(house.database), house.storage, "somebody", 0)
    assert await rows_of(house, user_id) == {}
    assert [ids async for ids in house.storage.jobs()] == []
    assert (await house.now(kept)).id == kept
    with pytest.raises(NotFound):
        await delete_user(Users(house.database), house.storage, "somebody", 0)


@pytest.mark.parametrize("crash", ["delete_job", "forget"])
async def test_what_a_crash_left_is_finished_by_the_same_again(
    house: House, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    await fill(house)

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    gone = Users(house.database)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(house.storage if crash == "delete_job" else gone, crash, killed)
        await delete_user(gone, house.storage, "somebody", 0)
    assert await house.records.get(house.record.id) is None  # nobody sees what is about to go
    await delete_user(gone, house.storage, "somebody", 0)
    assert await rows_of(house, house.record.user_id) == {}


async def test_what_comes_in_meanwhile_goes_as_well_and_then_nothing_can_come(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, late = Users(house.database), make_record(house.record.user_id, 5)
    forget = gone.forget

    async def forget_after_another(user_id: str, ids: list[str]) -> bool:
        if late.id not in ids:
            await house.records.insert(late)
        return await forget(user_id, ids)

    monkeypatch.setattr(gone, "forget", forget_after_another)
    await delete_user(gone, house.storage, "somebody", 0)
    assert await rows_of(house, late.user_id) == {}
    with pytest.raises(InvalidKey):
        await house.records.insert(late)
