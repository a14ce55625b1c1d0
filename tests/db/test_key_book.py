"""Keys that end, and keys that replace others."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.engine import now_us, open_database
from munsit_denoise.db.key_book import KeyOptions
from munsit_denoise.db.keys import Keys
from munsit_denoise.errors import InvalidOption, NotFound
from munsit_denoise.records import Scope
from munsit_denoise.times import duration_s, moment_us
from tests.databases import migrate

pytestmark = pytest.mark.anyio
DAY_US = 86_400_000_000
HOUR_US = DAY_US // 24


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    migrate(f"sqlite:///{tmp_path / 'keys.db'}")
    database = open_database(f"sqlite:///{tmp_path / 'keys.db'}")
    yield Keys(database)
    await database.close()


async def test_a_key_is_replaced_by_one_like_it(keys: Keys) -> None:
    end_us = now_us() + 30 * DAY_US
    old = await keys.create("a", KeyOptions("phone", Scope.READ, end_us))
    before = await keys.identify(old)
    new = await keys.rotate(old[:9], HOUR_US)
    was, now = await keys.find(old), await keys.find(new)
    assert (now.name, now.scope, now.user_name) == ("phone", Scope.READ, "a")
    assert abs((now.expires_at_us or 0) - now.created_at_us - 30 * DAY_US) < 10_000_000
    assert abs((was.expires_at_us or 0) - now_us() - HOUR_US) < 10_000_000
    assert await keys.identify(old) == before, "it goes on for a while"
    first, second = await keys.identify(new), await keys.identify(old)
    assert first
    assert second
    assert first.user_id == second.user_id


async def test_an_end_that_is_near_is_not_put_off_by_the_grace(keys: Keys) -> None:
    end_us = now_us() + HOUR_US
    old = await keys.create("a", KeyOptions(expires_at_us=end_us))
    later_us = now_us() + 400 * DAY_US
    new = await keys.rotate(old[:12], DAY_US, later_us)
    assert (await keys.find(old)).expires_at_us == end_us
    assert (await keys.find(new)).expires_at_us == later_us


async def test_only_one_valid_key_can_be_replaced(keys: Keys) -> None:
    revoked, over = await keys.create("a"), await keys.create("a", KeyOptions(expires_at_us=now_us()))
    await keys.revoke(revoked[:12])
    for prefix in (revoked[:12], over[:12], "mds_%"):
        with pytest.raises(NotFound, match="No valid key"):
            await keys.rotate(prefix, 0)
    for _ in range(2):
        await keys.create("a")
    with pytest.raises(NotFound, match="More than one"):
        await keys.rotate("mds_", 0)
    assert [key.expired for key in await keys.list() if key.prefix == over[:12]] == [True]


async def test_uses_are_written_down_beside_the_requests(keys: Keys) -> None:
    key = await keys.create("a")
    assert (await keys.find(key)).last_used_at_us is None
    await keys.identify(key)
    assert (await keys.find(key)).last_used_at_us is None
    await keys.write_uses()
    first = (await keys.find(key)).last_used_at_us
    assert first
    keys._known.clear()
    await keys.identify(key)
    with anyio.move_on_after(0.05) as waiting:
        await keys.write_uses()
    assert waiting.cancelled_caught, "a second use within a minute is not written"
    assert (await keys.find(key)).last_used_at_us == first


def test_times_are_read_as_people_write_them() -> None:
    now = 1_700_000_000_000_000  # 2023-11-14
    assert [duration_s(text) for text in ("0", "90s", "15m", "24h", "30d", "2W")] == [
        0,
        90,
        900,
        86400,
        2592000,
        1209600,
    ]
    assert moment_us("30d", now) == now + 30 * DAY_US
    assert moment_us("2027-01-01", now) == 1_798_761_600_000_000
    assert moment_us("2027-01-01T03:00:00+03:00", now) == 1_798_761_600_000_000
    for wrong in ("", "d", "1.5d", "-1d", "٣d", "999999999w"):
        with pytest.raises(InvalidOption):
            duration_s(wrong)
    for wrong in ("", "soon", "2023-01-01", "0d", "2027-13-01", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(InvalidOption):
            moment_us(wrong, now)
