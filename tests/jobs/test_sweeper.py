"""What no record names goes; what is somebody's, or no job's at all, stays."""

import sqlite3
import uuid
from pathlib import Path
from typing import Any

import anyio
import pytest

from munsit_denoise.errors import DatabaseBusy, StorageBroken
from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.sweeper import sweep
from munsit_denoise.records import Options, Origin
from tests.audio import write_noisy
from tests.jobs.conftest import House, Passthrough

pytestmark = pytest.mark.anyio
STRAY = "ffffffff-0000-4000-8000-000000000000"


def lost(house: House, job_id: str = STRAY) -> Path:
    folder = house.storage.path(job_id)
    folder.mkdir(parents=True)
    (folder / "original.part").write_bytes(b"never answered")
    return folder


async def test_orphans_go_and_everything_else_stays(house: House) -> None:
    await house.runner().run(house.record.id)
    job, stray = house.storage.path(house.record.id), lost(house)
    (job / "denoised-9.wav").write_bytes(b"never committed")
    (job / "denoised-1.wav.part").write_bytes(b"half")
    assert await sweep(house.parts) == 3
    assert house.files() == ["denoised-1.wav", "original", "tiles-1"]
    assert not stray.exists()


async def test_what_is_no_jobs_folder_is_never_touched(house: House) -> None:
    """Files of the system two levels below, folders of others, a job's name in the wrong place."""
    root = house.storage.root
    strange = [
        root / ".DS_Store",
        root / "00" / ".DS_Store",
        root / "00" / ".nfs0001",
        root / "photos" / "holiday.jpg",
        root / "ab" / "thesis" / "chapter.tex",
        root / "ab" / STRAY / "original",
        root / "ff" / STRAY.upper() / "original",
        root / "ff" / (STRAY + "0") / "original",
        root / "ff" / STRAY,  # a file by that name
        root / "set-aside-2026-01-01T000000" / STRAY / "original",
    ]
    for path in strange:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"somebody's")
    assert await sweep(house.parts) == 0
    assert all(path.read_bytes() == b"somebody's" for path in strange)
    assert house.files() == ["original"]


async def test_a_job_that_comes_in_meanwhile_keeps_its_file_however_old_that_is(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its original is a hard link of an upload from before the start; the sweep runs before its row is there."""

    async def receive(path: Path) -> Received:
        write_noisy(path.with_suffix(".wav"), 0.2).replace(path)
        return Received("a.wav", path.stat().st_size)

    upload = await house.submission.upload(house.record.user_id, receive)
    insert, swept = house.records.insert, []

    async def sweep_first(record: Any) -> Any:
        swept.append(await sweep(house.parts))
        return await insert(record)

    monkeypatch.setattr(house.records, "insert", sweep_first)
    record = await house.submission.submit_upload(house.record.user_id, upload.id, Options())
    other = await house.submission.submit(house.record.user_id, Origin.MUNSIT, Options("wav"), receive)
    assert swept == [0, 0]
    for kept in (record, other):
        assert (await house.storage.stat(kept.original_key)).size_bytes == kept.audio_size_bytes


async def test_a_job_that_ends_between_the_questions_keeps_its_result(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs, with half a result, while folders are listed, and its result is committed before records are asked."""
    ask, keys_of = house.records.storage_keys, house.storage.keys
    order: list[str] = []

    async def keys(job_id: str) -> list[str]:
        order.append("listed")
        return await keys_of(job_id)

    async def storage_keys(job_ids: Any) -> dict[str, set[str]]:
        order.append("asked")
        return await ask(job_ids)

    monkeypatch.setattr(house.storage, "keys", keys)
    monkeypatch.setattr(house.records, "storage_keys", storage_keys)
    sweeps: list[int] = []
    running = Passthrough(lambda: sweeps.append(anyio.from_thread.run(sweep, house.parts)))
    await house.runner(running).run(house.record.id)
    assert set(sweeps) == {0}
    assert house.files() == ["denoised-1.wav", "original", "tiles-1"]
    assert order[:2] == ["listed", "asked"]


async def test_a_folder_that_goes_meanwhile_and_one_that_cannot_be_removed_end_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, stuck, orphan = lost(house), lost(house, str(uuid.uuid4())), lost(house, str(uuid.uuid4()))
    delete_job, keys = house.storage.delete_job, house.storage.keys

    async def delete(job_id: str) -> None:
        if job_id == stuck.name:
            raise StorageBroken
        await delete_job(job_id)

    async def go(job_id: str) -> list[str]:
        if job_id == going.name:
            await delete_job(job_id)
        return await keys(job_id)

    monkeypatch.setattr(house.storage, "delete_job", delete)
    monkeypatch.setattr(house.storage, "keys", go)
    assert await sweep(house.parts) == 1
    assert (going.exists(), stuck.exists(), orphan.exists()) == (False, True, False)


async def test_a_database_that_does_not_answer_deletes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    stray = lost(house)

    async def busy(_: Any) -> Any:
        raise DatabaseBusy from sqlite3.OperationalError("locked")

    monkeypatch.setattr(house.records, "storage_keys", busy)
    with pytest.raises(DatabaseBusy):
        await sweep(house.parts)
    assert stray.exists()
    assert house.files() == ["original"]
