"""A storage that is not this database's is not started on, and nothing of it is deleted."""

from pathlib import Path

import pytest

from munsit_denoise.db.installation import Installation
from munsit_denoise.errors import CannotGoOn, StorageBroken
from munsit_denoise.jobs.installation import belong_together
from munsit_denoise.jobs.intake import Received
from munsit_denoise.storage.local import LocalStorage
from tests.audio import write_noisy
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio
STRAY = "ffffffff-0000-4000-8000-000000000000"


async def start(house: House, storage: LocalStorage | None = None, *, adopt: bool = False) -> str | None:
    """Do what a start does; return the id that both carry then."""
    storage, own = storage or house.storage, Installation(house.database)
    await belong_together(own, storage, house.records, house.parts.uploads, adopt=adopt)
    agreed = await own.id()
    assert agreed is not None
    assert await storage.installation_id() == agreed
    return agreed


def other_storage(tmp_path: Path, *job_ids: str) -> LocalStorage:
    storage = LocalStorage(tmp_path / "other")
    for job_id in job_ids:
        storage.path(job_id).mkdir(parents=True)
        (storage.path(job_id) / "original").write_bytes(b"somebody's")
    return storage


async def test_an_installation_without_an_id_gets_one_and_keeps_it(house: House) -> None:
    assert await start(house) == await start(house)


async def test_a_start_that_was_killed_between_the_two_goes_on(house: House) -> None:
    await house.storage.name_installation("half")
    assert await start(house) == "half"


@pytest.mark.parametrize(("marked", "sentence"), [(None, "does not know"), ("theirs", "does not know")])
async def test_a_fresh_database_on_a_used_storage_is_refused(
    house: House, tmp_path: Path, marked: str | None, sentence: str
) -> None:
    storage = other_storage(tmp_path, STRAY)
    if marked:
        await storage.name_installation(marked)
    with pytest.raises(CannotGoOn, match=sentence):
        await start(house, storage)
    assert (storage.path(STRAY) / "original").exists()
    assert await storage.installation_id() == marked


async def test_another_databases_storage_and_an_empty_one_are_refused(house: House, tmp_path: Path) -> None:
    await start(house)
    storage = other_storage(tmp_path)
    with pytest.raises(CannotGoOn, match="it is empty"):
        await start(house, storage)
    await storage.name_installation("theirs")
    with pytest.raises(CannotGoOn, match="belongs to another database"):
        await start(house, storage)


async def test_an_empty_storage_is_refused_if_there_are_only_uploads(house: House, tmp_path: Path) -> None:
    async def receive(path: Path) -> Received:
        write_noisy(path.with_suffix(".wav"), 1).replace(path)
        return Received("a.wav", path.stat().st_size)

    await house.submission.upload(house.record.user_id, receive)
    await house.records.mark_removed(house.record.user_id, house.record.id)
    await start(house)
    with pytest.raises(CannotGoOn, match="it is empty"):
        await start(house, other_storage(tmp_path))


async def test_adopting_puts_strangers_aside_and_deletes_nothing(house: House, tmp_path: Path) -> None:
    agreed = await start(house)
    storage = other_storage(tmp_path, STRAY)
    await storage.name_installation("theirs")
    assert await start(house, storage, adopt=True) == agreed
    assert not storage.path(STRAY).exists()
    (aside,) = storage.root.glob(f"set-aside-*/{STRAY}/original")
    assert aside.read_bytes() == b"somebody's"
    assert await start(house, storage) == agreed


async def test_a_storage_that_went_while_it_was_used_loses_no_job(house: House) -> None:
    """A disk that is unmounted under a running server: the original is not missing, all of it is."""
    await start(house)
    away = house.storage.root.rename(house.storage.root.with_name("away"))
    await house.runner().run(house.record.id)
    record = await house.now()
    assert (record.status, record.attempts, record.error) == ("pending", 0, None)
    with pytest.raises(StorageBroken):
        await house.storage.stat(house.record.original_key)
    away.rename(house.storage.root)
    await house.runner().run(house.record.id)
    assert (await house.now()).status == "success"


def test_the_root_of_the_file_system_is_no_storage(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    for root in (Path("/"), tmp_path / "link"):
        with pytest.raises(CannotGoOn, match="folder of its own"):
            LocalStorage(root)
