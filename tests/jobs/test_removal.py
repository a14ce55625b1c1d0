"""A record goes with all that is its own, whatever its job does; what is left after a crash goes later."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from munsit_denoise.db import records
from munsit_denoise.errors import JobNotFound, StorageBroken, StorageFull
from munsit_denoise.jobs import removal, sweeper
from munsit_denoise.jobs.cancel import Cancellation
from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.removal import Removal
from munsit_denoise.records import CANCELLED, Options, Origin, Status
from tests.audio import write_noisy
from tests.jobs.conftest import House, Passthrough

pytestmark = pytest.mark.anyio


def slow(begun: anyio.Event) -> Callable[[], None]:
    def act() -> None:
        anyio.from_thread.run_sync(begun.set)
        anyio.from_thread.run(anyio.sleep, 0.05)

    return act


async def begin(house: House) -> None:
    begun = anyio.Event()
    house.tasks.start_soon(house.runner(Passthrough(slow(begun))).run, house.record.id)
    with anyio.fail_after(10):
        await begun.wait()


async def test_a_running_job_is_stopped_and_nothing_of_it_is_left(house: House) -> None:
    await begin(house)
    with anyio.fail_after(2):
        await Removal(house.parts).remove(house.record.user_id, house.record.id)
    assert (house.files(), house.parts.running.ids()) == ([], set())
    assert await house.records.get(house.record.id) is None
    assert await house.records.removed() == []
    with pytest.raises(JobNotFound):
        await Removal(house.parts).remove(house.record.user_id, house.record.id)


async def test_a_running_job_is_cancelled_and_its_original_stays(house: House) -> None:
    await begin(house)
    with anyio.fail_after(2):
        record = await Cancellation(house.parts).cancel(house.record.user_id, house.record.id)
    assert (record.status, record.error) == (Status.FAILED, CANCELLED)
    assert (house.files(), house.parts.running.ids()) == (["original"], set())
    assert await Cancellation(house.parts).cancel(house.record.user_id, house.record.id) == record


async def test_a_job_that_has_ended_is_left_as_it_is(house: House) -> None:
    await house.runner().run(house.record.id)
    ended = await house.now()
    assert await Cancellation(house.parts).cancel(house.record.user_id, house.record.id) == ended


async def test_a_worker_elsewhere_learns_it_from_the_row(house: House) -> None:
    """Only the row says it: nobody stops the work in this process."""
    await begin(house)
    house.tasks.start_soon(house.parts.board.write_forever, house.records, house.parts.running.cancel)
    await house.records.cancel(house.record.user_id, house.record.id)
    with anyio.fail_after(3):
        while house.parts.running.ids():
            await anyio.sleep(0.02)
    assert (await house.now()).error == CANCELLED
    assert house.files() == ["original"]


@pytest.mark.parametrize("act", ["cancel", "remove"])
async def test_a_download_is_stopped(house: House, act: str) -> None:
    begun = anyio.Event()

    async def download(_: str, path: Path) -> Any:
        path.write_bytes(b"some")
        begun.set()
        await anyio.sleep_forever()

    user_id = house.record.user_id
    record = await house.submission.submit_url(user_id, "http://example.org/a.wav", Options(extension="wav"))
    house.tasks.start_soon(house.fetcher(download).run_forever)
    with anyio.fail_after(2):
        await begun.wait()
        if act == "cancel":
            await Cancellation(house.parts).cancel(user_id, record.id)
        else:
            await Removal(house.parts).remove(user_id, record.id)
    assert not list(house.storage.path(record.id).glob("*"))
    assert house.parts.running.ids() == set()
    found = await house.records.get(record.id)
    assert (found and found.error) == (CANCELLED if act == "cancel" else None)


async def test_a_job_that_waits_is_taken_out_of_the_queue(house: House) -> None:
    await house.queue.put(house.record.user_id, house.record.id)
    await Cancellation(house.parts).cancel(house.record.user_id, house.record.id)
    assert len(house.queue) == 0


async def test_a_sending_is_stopped(house: House) -> None:
    begun = anyio.Event()

    async def send(_: Path, __: str) -> str | None:
        begun.set()
        await anyio.sleep_forever()
        return None

    house.send_file = send
    options = Options(extension="wav", output_url="http://example.org/put")
    async with house.storage.local_file(house.record.original_key) as path:
        content = path.read_bytes()

    async def receive(target: Path) -> Any:
        from munsit_denoise.jobs.intake import Received

        target.write_bytes(content)
        return Received("a.wav", len(content))

    record = await house.submission.submit(house.record.user_id, Origin.AUDO, options, receive)
    house.tasks.start_soon(house.runner().run, record.id)
    with anyio.fail_after(10):
        await begun.wait()
        ended = await Cancellation(house.parts).cancel(record.user_id, record.id)
    assert (ended.error, ended.result_key) == (CANCELLED, None)
    assert [path.name for path in house.storage.path(record.id).iterdir()] == ["original"]


async def test_an_upload_that_the_job_came_of_stays(house: House) -> None:
    async with house.storage.local_file(house.record.original_key) as path:
        content = path.read_bytes()

    async def receive(target: Path) -> Any:
        from munsit_denoise.jobs.intake import Received

        target.write_bytes(content)
        return Received("a.wav", len(content))

    upload = await house.submission.upload(house.record.user_id, receive)
    record = await house.submission.submit_upload(house.record.user_id, upload.id, Options())
    await Removal(house.parts).remove(record.user_id, record.id)
    again = await house.submission.submit_upload(house.record.user_id, upload.id, Options())
    async with house.storage.local_file(again.original_key) as path:
        assert path.read_bytes() == content


async def test_files_that_cannot_be_removed_are_seen_by_nobody_and_go_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A storage that is read-only for a while, and a server that was killed meanwhile."""
    monkeypatch.setattr(removal, "RETRY_PAUSE_S", 0.02)
    await house.runner().run(house.record.id)
    really, read_only = house.storage.delete_job, [True]

    async def delete_job(job_id: str) -> None:
        if read_only[0]:
            raise StorageBroken
        await really(job_id)

    monkeypatch.setattr(house.storage, "delete_job", delete_job)
    with pytest.raises(StorageBroken):
        await Removal(house.parts).remove(house.record.user_id, house.record.id)
    assert await house.records.get_by_secret(house.record.secret) is None
    assert house.files()
    house.tasks.start_soon(Removal(house.parts).finish_forever)
    await anyio.sleep(0.05)
    read_only[0] = False
    with anyio.fail_after(5):
        while house.files() or await house.records.removed():
            await anyio.sleep(0.01)
    assert await house.records.known([house.record.id]) == set()


async def test_one_folder_that_cannot_be_removed_does_not_keep_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of removed records nor of uploads that have expired; and it goes as soon as it can."""
    monkeypatch.setattr(removal, "RETRY_PAUSE_S", 0.02)
    monkeypatch.setattr(removal, "LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(sweeper, "EXPIRY_INTERVAL_S", 0.02)
    monkeypatch.setattr(records, "REMOVED_AT_ONCE", 2)

    async def receive(path: Path) -> Received:
        write_noisy(path.with_suffix(".wav"), 1).replace(path)
        return Received("a.wav", path.stat().st_size)

    user_id = house.record.user_id
    uploads = [(await house.submission.upload(user_id, receive)).id for _ in range(3)]
    others = [replace(house.record, id=str(uuid.uuid4()), secret=secrets.token_hex(16)) for _ in range(5)]
    for record in others:
        await house.records.insert(record)
    gone = [house.record.id, *(record.id for record in others)]
    stuck, really = {gone[0], gone[1], uploads[0]}, house.storage.delete_job

    async def delete_job(job_id: str) -> None:
        if job_id in stuck:
            raise StorageBroken
        await really(job_id)

    monkeypatch.setattr(house.storage, "delete_job", delete_job)
    for job_id in gone:
        await house.records.mark_removed(user_id, job_id)
    house.tasks.start_soon(Removal(house.parts).finish_forever)
    house.tasks.start_soon(sweeper.expire_uploads, house.parts, -1.0)  # older than in an hour
    for left in (stuck, set[str]()):
        with anyio.fail_after(5):
            while await house.records.known(gone) | set(await house.parts.uploads.storage_keys(uploads)) != left:
                await anyio.sleep(0.01)
        stuck = set()


async def test_on_a_full_disk_the_files_make_the_room_for_the_mark(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = house.records.mark_removed

    async def mark_removed(user_id: str, job_id: str) -> Any:
        if house.files():
            raise StorageFull
        return await mark(user_id, job_id)

    monkeypatch.setattr(house.records, "mark_removed", mark_removed)
    await Removal(house.parts).remove(house.record.user_id, house.record.id)
    assert house.files() == []
    assert await house.records.known([house.record.id]) == set()


async def test_somebody_elses_record_stays(house: House) -> None:
    with pytest.raises(JobNotFound):
        await Removal(house.parts).remove("somebody else", house.record.id)
    with pytest.raises(JobNotFound):
        await Cancellation(house.parts).cancel("somebody else", house.record.id)
    assert house.files() == ["original"]
    assert (await house.now()).status is Status.PENDING
