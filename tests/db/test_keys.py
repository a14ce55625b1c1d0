"""API keys: shown once, stored as hashes, revocable."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.keys import Keys, hash_key, is_well_formed, new_key
from tests.databases import migrate

pytestmark = pytest.mark.anyio


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    migrate(f"sqlite:///{tmp_path / 'keys.db'}")
    database = open_database(f"sqlite:///{tmp_path / 'keys.db'}")
    yield Keys(database)
    await database.close()


def test_keys_have_their_form_and_check_digits() -> None:
    key = new_key()
    assert is_well_formed(key)
    assert key.startswith("mds_")
    assert len(key) == 42
    for wrong in (key[:-1], key + "0", key[:-1] + ("0" if key[-1] != "0" else "1"), "", "mds_", "é" * 42):
        assert not is_well_formed(wrong)
    assert len({new_key() for _ in range(1000)}) == 1000


async def test_two_keys_may_share_a_user(keys: Keys) -> None:
    one, two, other = await keys.create("a"), await keys.create("a"), await keys.create("b")
    assert await keys.find_user(one) == await keys.find_user(two) != await keys.find_user(other)


async def test_unknown_and_malformed_keys_belong_to_nobody(keys: Keys) -> None:
    assert await keys.find_user(new_key()) is None
    assert await keys.find_user("mds_' OR 1=1 --") is None


async def test_revoked_keys_are_dead_soon_and_stay_in_the_list(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.db.keys.MEMORY_S", 0.05)
    one, two = await keys.create("a"), await keys.create("a")
    assert await keys.find_user(one)
    assert await keys.revoke(one[:12]) == 1
    await anyio.sleep(0.1)
    assert await keys.revoke(one[:12]) == 0
    assert await keys.find_user(one) is None
    assert await keys.find_user(two)
    assert [(k.prefix, k.revoked) for k in await keys.list()] == [(one[:12], True), (two[:12], False)]


async def test_a_key_revoked_here_is_dead_here_at_once(keys: Keys) -> None:
    key = await keys.create("a")
    identity = await keys.identify(key)
    assert identity
    assert await keys.is_valid(identity.key_id)
    await keys.revoke(key[:12])
    assert await keys.identify(key) is None
    assert not await keys.is_valid(identity.key_id)


async def test_a_key_revoked_elsewhere_is_seen_at_the_next_look(keys: Keys, tmp_path: Path) -> None:
    key = await keys.create("a")
    identity = await keys.identify(key)
    assert identity
    other = open_database(f"sqlite:///{tmp_path / 'keys.db'}")
    await Keys(other).revoke(key[:12])
    await other.close()
    assert not await keys.is_valid(identity.key_id)
    assert await keys.identify(key) is None


async def test_many_requests_at_once_ask_the_database_once(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    key, asked = await keys.create("a"), []
    look_up = keys._look_up

    async def counted(key_id: str) -> str | None:
        asked.append(key_id)
        return await look_up(key_id)

    monkeypatch.setattr(keys, "_look_up", counted)
    found: list[str | None] = []

    async def find() -> None:
        found.append(await keys.find_user(key))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(find)
    assert len(found) == 50
    assert None not in found
    assert asked == [hash_key(key)]


async def test_the_key_itself_is_nowhere_in_the_database(keys: Keys, tmp_path: Path) -> None:
    key = await keys.create("a")
    with closing(sqlite3.connect(tmp_path / "keys.db")) as database:
        stored = list(database.iterdump())
    assert not any(key in line for line in stored)
    assert any(hash_key(key) in line for line in stored)
