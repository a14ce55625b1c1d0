"""Deleting says that files are gone when they are, and goes on until they are."""

from threading import Event
from typing import Any

import anyio
import pytest
from anyio import to_thread

from munsit_denoise.errors import JobNotFound, StorageBroken, StorageFull
from munsit_denoise.jobs import deletion
from munsit_denoise.jobs.cancel import Cancellation
from munsit_denoise.jobs.removal import Removal
from munsit_denoise.records import CANCELLED, DELETED, Status
from tests.jobs.conftest import House, Passthrough

pytestmark = pytest.mark.anyio


async def test_a_running_job_is_stopped_and_its_files_go(house: House) -> None:
    begun = anyio.Event()

    def act() -> None:
        anyio.from_thread.run_sync(begun.set)
        anyio.from_thread.run(anyio.sleep, 0.05)

    house.tasks.start_soon(house.runner(Passthrough(act)).run, house.record.id)
    with anyio.fail_after(10):
        await begun.wait()
        record = await house.deletion.delete_files(house.record.user_id, house.record.id)
    assert (record.status, record.error) == (Status.FAILED, DELETED)
    assert record.cancel_asked_at_us is not None
    assert not house.storage.path(house.record.id).exists()
    assert house.parts.board.latest(house.record.id) is None


@pytest.mark.parametrize("how", ["cancel", "delete files", "remove"])
async def test_a_job_that_is_ended_while_it_runs_is_told_though_its_run_forgets_it(house: House, how: str) -> None:
    """Its webhook waits for that. The watch on rows finds the job ended while its run is still being stopped."""
    told: list[str] = []
    began, released, journal = Event(), Event(), house.parts.journal
    journal.tell_ends_to(lambda record, _: told.append(record.error or ""))

    def hold() -> None:
        began.set()
        released.wait()

    end = {
        "cancel": Cancellation(house.parts).cancel,
        "delete files": house.deletion.delete_files,
        "remove": Removal(house.parts).remove,
    }[how]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.runner(Passthrough(hold)).run, house.record.id)
        await to_thread.run_sync(began.wait)
        journal.accepted(house.record)
        tasks.start_soon(end, house.record.user_id, house.record.id)
        try:
            with anyio.fail_after(20):
                while not any(work.scope.cancel_called for work in house.parts.running._work[house.record.id]):
                    await anyio.sleep(0.01)
            journal.forget(house.record.id)
        finally:
            released.set()
    assert told == [CANCELLED if how == "cancel" else DELETED]


async def test_what_cannot_be_removed_is_not_called_deleted_and_goes_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage that is read-only for a while."""
    monkeypatch.setattr(deletion, "RETRY_PAUSE_S", 0.02)
    await house.runner().run(house.record.id)
    really, read_only = house.storage.delete_job, [True]

    async def delete_job(job_id: str) -> None:
        if read_only[0]:
            raise StorageBroken
        await really(job_id)

    monkeypatch.setattr(house.storage, "delete_job", delete_job)
    house.tasks.start_soon(house.deletion.finish_forever)
    for _ in range(2):
        with pytest.raises(StorageBroken):
            await house.deletion.delete_files(house.record.user_id, house.record.id)
    assert house.files() == ["denoised-1.wav", "original", "tiles-1"]
    read_only[0] = False
    with anyio.fail_after(5):
        while house.files() or house.deletion._unfinished:
            await anyio.sleep(0.01)
    assert (await house.now()).deleted_at_us is not None


async def test_a_full_disk_is_freed_by_deleting(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database finds no room for the note until the files are gone."""
    await house.runner().run(house.record.id)
    note = house.records.delete_files

    async def delete_files(user_id: str, job_id: str) -> Any:
        if house.files():
            raise StorageFull
        return await note(user_id, job_id)

    monkeypatch.setattr(house.records, "delete_files", delete_files)
    record = await house.deletion.delete_files(house.record.user_id, house.record.id)
    assert record.deleted_at_us is not None
    assert house.files() == []


async def test_a_note_that_finds_no_room_at_all_is_made_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "RETRY_PAUSE_S", 0.02)
    note, full = house.records.delete_files, [True]

    async def delete_files(user_id: str, job_id: str) -> Any:
        if full[0]:
            raise StorageFull
        return await note(user_id, job_id)

    monkeypatch.setattr(house.records, "delete_files", delete_files)
    with pytest.raises(StorageFull):
        await house.deletion.delete_files(house.record.user_id, house.record.id)
    assert (await house.now()).deleted_at_us is None
    full[0] = False
    house.tasks.start_soon(house.deletion.finish_forever)
    with anyio.fail_after(5):
        while (await house.now()).deleted_at_us is None:
            await anyio.sleep(0.01)


async def test_deleting_twice_at_the_same_time_is_as_good_as_once(house: House) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(house.deletion.delete_files, house.record.user_id, house.record.id)
    assert (house.files(), house.deletion._unfinished) == ([], {})


async def test_somebody_elses_job_is_neither_deleted_nor_tried_again(house: House) -> None:
    with pytest.raises(JobNotFound):
        await house.deletion.delete_files("somebody else", house.record.id)
    assert house.deletion._unfinished == {}
    assert house.files() == ["original"]


async def test_a_job_that_nobody_has_does_not_break_what_goes_on_with_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deletion is still being asked for when the loop looks; and one that it tries again is there no more."""
    monkeypatch.setattr(deletion, "RETRY_PAUSE_S", 0.01)
    note, looked = house.records.delete_files, anyio.Event()

    async def delete_files(user_id: str, job_id: str) -> Any:
        if user_id == "gone":
            looked.set()
        elif user_id == "stranger":
            await anyio.sleep(0.1)
        return await note(user_id, job_id)

    monkeypatch.setattr(house.records, "delete_files", delete_files)
    house.deletion._unfinished["some job"] = "gone"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.deletion.finish_forever)
        with pytest.raises(JobNotFound):
            await house.deletion.delete_files("stranger", house.record.id)
        with anyio.fail_after(5):
            await looked.wait()
            while house.deletion._unfinished:
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()


async def test_two_who_delete_the_same_files_both_hear_that_they_are_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client, and whoever goes on with what is unfinished while the client waits for a running job's end."""
    await house.runner().run(house.record.id)
    really, both = house.storage.delete_job, anyio.Event()
    inside: list[str] = []

    async def delete_job(job_id: str) -> None:
        inside.append(job_id)
        if len(inside) == 2:
            both.set()
        await both.wait()
        await really(job_id)

    monkeypatch.setattr(house.storage, "delete_job", delete_job)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(house.deletion.delete_files, house.record.user_id, house.record.id)
    assert (await house.now()).deleted_at_us is not None
    assert not house.deletion._unfinished
