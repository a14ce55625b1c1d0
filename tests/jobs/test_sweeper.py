"""What no record names goes; what is somebody's, or no job's at all, stays."""

import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from munsit_denoise.errors import DatabaseBusy, StorageBroken
from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.sweeper import expire_uploads, sweep
from munsit_denoise.records import Options, Origin
from munsit_denoise.storage.base import UNANSWERED
from tests.audio import write_noisy
from tests.jobs.conftest import House, Passthrough

pytestmark = pytest.mark.anyio
STRAY = "ffffffff-0000-4000-8000-000000000000"


class Killed(BaseException):
    """The process ends here."""


async def receive(path: Path) -> Received:
    """Be an upload of a fifth of a second."""
    write_noisy(path.with_suffix(".wav"), 0.2).replace(path)
    return Received("a.wav", path.stat().st_size)


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


async def test_recordings_of_which_a_restored_database_never_heard_are_put_aside(house: House) -> None:
    """The backup is older than a job that ended and an upload that waits; both folders stay whole, elsewhere."""

    database, backup = (house.storage.root.with_name(name) for name in ("test.db", "backup.db"))
    with closing(sqlite3.connect(database)) as now, closing(sqlite3.connect(backup)) as then:
        now.backup(then)
    upload = await house.submission.upload(house.record.user_id, receive)
    later = await house.submission.submit_upload(house.record.user_id, upload.id, Options())
    await house.runner().run(later.id)
    with closing(sqlite3.connect(backup)) as then, closing(sqlite3.connect(database)) as now:
        then.backup(now)
    assert await house.records.get(later.id) is None
    assert await sweep(house.parts) == 0
    assert house.files() == ["original"]
    assert not house.storage.path(later.id).exists()
    aside = sorted(path.relative_to(path.parents[1]) for path in house.storage.root.glob("set-aside-*/*/*"))
    names = [Path(later.id, name) for name in ("denoised-1.wav", "original", "tiles-1")]
    names.append(Path(upload.id, "original"))
    assert aside == sorted(names)
    assert await sweep(house.parts) == 0


@pytest.mark.parametrize("moment", ["mark", "new_file", "share", "insert"])
async def test_what_a_kill_left_of_an_unanswered_upload_goes(
    house: House, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A killed process does nothing any more: neither at the kill's moment nor after it."""

    upload = await house.submission.upload(house.record.user_id, receive)

    async def nothing(_: str) -> None:
        """Remove nothing."""

    async def die(*_: Any) -> Any:
        raise Killed

    @asynccontextmanager
    async def die_after(key: str) -> AsyncIterator[Path]:
        async with new_file(key) as path:
            yield path
        raise Killed

    new_file = house.storage.new_file
    with monkeypatch.context() as patch:
        patch.setattr(house.storage, "delete_job", nothing)
        patch.setattr(house.storage, "delete", nothing)
        if moment == "new_file":
            patch.setattr(house.storage, "new_file", die_after)
        else:
            patch.setattr(house.records if moment == "insert" else house.storage, moment, die)
        with pytest.raises(Killed):
            if moment == "share":
                await house.submission.submit_upload(house.record.user_id, upload.id, Options())
            else:
                await house.submission.submit(house.record.user_id, Origin.MUNSIT, Options("wav"), receive)
    await sweep(house.parts)
    kept = {path.name for path in house.storage.root.glob("??/*")}
    assert kept == {house.record.id, upload.id}
    assert not list(house.storage.root.glob("set-aside-*"))


async def test_a_mark_that_a_kill_left_behind_a_commit_goes_and_the_recording_stays(house: House) -> None:
    await house.storage.mark(f"{house.record.id}/{UNANSWERED}")
    assert await sweep(house.parts) == 1
    assert house.files() == ["original"]


async def test_what_a_kill_left_of_a_deletion_goes(house: House) -> None:
    await house.records.delete_files(house.record.user_id, house.record.id)
    assert await sweep(house.parts) == 1
    assert house.files() == []
    assert not list(house.storage.root.glob("set-aside-*"))


async def test_uploads_that_expire_are_never_without_a_row(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a kill comes, what is left of them is no recording that the database does not know."""

    upload = await house.submission.upload(house.record.user_id, receive)
    forget = house.parts.uploads.delete

    async def delete(upload_id: str) -> None:
        assert not house.storage.path(upload_id).exists()
        await forget(upload_id)

    monkeypatch.setattr(house.parts.uploads, "delete", delete)
    with anyio.move_on_after(1):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(expire_uploads, house.parts, -1.0)  # older than in an hour
            while await house.parts.uploads.storage_keys([upload.id]):
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert not await house.parts.uploads.storage_keys([upload.id])


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

    upload = await house.submission.upload(house.record.user_id, receive)
    insert, swept = house.records.insert, []

    async def sweep_first(record: Any, beside: Any) -> Any:
        swept.append(await sweep(house.parts))
        return await insert(record, beside)

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
