"""What comes in from elsewhere and goes out again: deliveries, uploads that wait, downloads that a crash cut off."""

import errno
import secrets
import uuid
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.records import RunResult
from munsit_denoise.db.users import Users
from munsit_denoise.errors import DatabaseBusy, Interrupted, StorageFull, UploadNotFound
from munsit_denoise.jobs.fair import FairLimiter
from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.recovery import requeue
from munsit_denoise.jobs.sending import Send
from munsit_denoise.jobs.sweeper import expire_uploads
from munsit_denoise.queue.local import LocalQueue
from munsit_denoise.records import (
    DELETED,
    DenoiseRecord,
    Options,
    ResultDelivery,
    Status,
)
from tests.audio import write_noisy
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio


async def test_a_result_is_sent_before_the_job_ends_and_the_next_one_need_not_wait(house: House) -> None:
    """The sending is slow; meanwhile the runner is free, and the record is not `success` yet."""
    sending, sent = anyio.Event(), anyio.Event()

    async def deliver(path: Path, url: str) -> str | None:
        assert path.stat().st_size > 16_000
        assert url == "https://example.org/put"
        sending.set()
        await sent.wait()
        return None

    record = await with_output(house, deliver)
    with anyio.fail_after(10):
        house.tasks.start_soon(house.runner().run, record.id)
        await sending.wait()
        await house.runner().run(house.record.id)
        assert (await house.now()).status is Status.SUCCESS
        found = await house.records.get(record.id)
        assert found
        assert found.status is Status.PENDING
        sent.set()
        found = await ended(house, record.id)
    assert (found.status, found.delivery) == (Status.SUCCESS, ResultDelivery.DELIVERED)


@pytest.mark.parametrize("failure", ["its server answered 500", ValueError("a bug")])
async def test_a_result_that_cannot_be_sent_is_a_result(house: House, failure: str | Exception) -> None:
    async def deliver(_: Path, __: str) -> str | None:
        if isinstance(failure, Exception):
            raise failure
        return failure

    record = await with_output(house, deliver)
    with anyio.fail_after(10):
        await house.runner().run(record.id)
        found = await ended(house, record.id)
    assert (found.status, found.delivery) == (Status.SUCCESS, ResultDelivery.FAILED)


async def test_deleting_stops_a_delivery(house: House) -> None:
    sending = anyio.Event()

    async def deliver(_: Path, __: str) -> str | None:
        sending.set()
        await anyio.sleep_forever()
        return None

    record = await with_output(house, deliver)
    with anyio.fail_after(10):
        house.tasks.start_soon(house.runner().run, record.id)
        await sending.wait()
        await house.deletion.delete_files(record.user_id, record.id)
    found = await ended(house, record.id)
    assert (found.status, found.error, found.result_key) == (Status.FAILED, DELETED, None)
    assert not house.storage.path(record.id).exists()


async def with_output(house: House, deliver: Send) -> DenoiseRecord:
    """Insert a job like the house's whose result is wanted at a URL, and say how it gets there."""
    house.send_file = deliver
    job_id = str(uuid.uuid4())
    options = Options(extension="wav", output_url="https://example.org/put")
    record = replace(
        house.record, id=job_id, secret=secrets.token_hex(16), original_key=f"{job_id}/original", options=options
    )
    await house.storage.share(house.record.original_key, record.original_key)
    await house.records.insert(record)
    return record


async def ended(house: House, record_id: str) -> DenoiseRecord:
    """Wait for the end of a job."""
    while True:
        record = await house.records.get(record_id)
        assert record
        if record.status is not Status.PENDING:
            return record
        await anyio.sleep(0.01)


async def test_old_uploads_go_and_their_jobs_keep_what_they_need(house: House) -> None:
    async def receive(path: Path) -> Received:
        write_noisy(path.with_suffix(".wav"), 1).replace(path)
        return Received("a.wav", path.stat().st_size)

    parts, user_id = house.parts, house.record.user_id
    upload = await house.submission.upload(user_id, receive)
    record = await house.submission.submit_upload(user_id, upload.id, Options())
    with anyio.move_on_after(0.3):
        await expire_uploads(parts, hours=1)
    assert (await parts.uploads.get_own(user_id, upload.id)).id == upload.id
    with anyio.move_on_after(0.3):
        await expire_uploads(parts, hours=1e-9)
    with pytest.raises(UploadNotFound):
        await parts.uploads.get_own(user_id, upload.id)
    assert not house.storage.path(upload.storage_key).exists()
    assert house.storage.path(record.original_key).exists()


async def test_a_download_that_a_crash_cut_off_begins_anew(house: House) -> None:
    """Its record is all that is left; the next start fetches, describes and queues it."""
    source = write_noisy(house.storage.root / "source.wav", 1, 22_050)
    record = await house.submission.submit_url(house.record.user_id, "https://example.org/a", Options())
    fresh = house.parts = replace(house.parts, inbox=LocalQueue(), queue=LocalQueue())

    async def download(url: str, path: Path) -> Received:
        assert url == "https://example.org/a"
        return Received("the server's name", path.write_bytes(source.read_bytes()))

    async with anyio.create_task_group() as tasks:
        await requeue(fresh, tasks, 0)
    assert await fresh.inbox.take() == record.id
    await house.fetcher(download).fetch(record.id)
    found = await fresh.records.get(record.id)
    assert found
    assert (found.source_url, found.audio_format, found.options.extension) == (None, "wav", "wav")
    assert found.file_name == "the server's name"
    assert found.audio_duration_s == pytest.approx(1, abs=0.01)
    assert found.audio_size_bytes == source.stat().st_size
    assert {await fresh.queue.take() for _ in range(2)} == {record.id, house.record.id}


@pytest.mark.parametrize("error", [StorageFull(), DatabaseBusy(), OSError(errno.EMFILE, "")])
async def test_trouble_of_the_machine_fails_no_download(house: House, error: Exception) -> None:
    async def download(_: str, __: Path) -> Received:
        raise error

    record = await house.submission.submit_url(house.record.user_id, "https://example.org/a", Options())
    fetcher = house.fetcher(download)
    await fetcher.fetch(await house.parts.inbox.take())
    assert ((await house.now(record.id)).status, len(house.parts.inbox)) == (Status.PENDING, 1)
    assert fetcher.pause.reason


async def test_a_locked_database_fails_no_download_and_loses_no_file(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.jobs.settlement.FIRST_PAUSE_S", 0.01)
    asked: list[str] = []

    def locked_at_first(name: str) -> None:
        really = getattr(house.records, name)

        async def ask(*values: object) -> object:
            asked.append(name)
            if asked.count(name) < 3:
                raise DatabaseBusy
            return await really(*values)

        monkeypatch.setattr(house.records, name, ask)

    async def download(_: str, path: Path) -> Received:
        write_noisy(path.with_suffix(".wav"), 0.2).replace(path)
        return Received("a.wav", path.stat().st_size)

    record = await house.submission.submit_url(house.record.user_id, "https://example.org/a", Options())
    locked_at_first("get")
    locked_at_first("fetched")
    await house.fetcher(download).fetch(record.id)
    found = await house.now(record.id)
    assert (found.status, found.source_url, asked.count("fetched")) == (Status.PENDING, None, 3)
    assert (await house.storage.stat(found.original_key)).size_bytes == found.audio_size_bytes
    assert house.parts.queue.position(found.user_id, found.id) == 0


async def test_a_probe_that_was_killed_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.jobs.fetcher.RETRY_PAUSE_S", 0)
    tries: list[int] = []

    async def download(_: str, path: Path) -> Received:
        tries.append(1)
        if len(tries) < 3:
            raise Interrupted
        write_noisy(path.with_suffix(".wav"), 0.2).replace(path)
        return Received("a.wav", path.stat().st_size)

    record = await house.submission.submit_url(house.record.user_id, "https://example.org/a", Options())
    await house.fetcher(download).fetch(record.id)
    assert (await house.now(record.id)).source_url is None


async def test_slow_receivers_of_one_user_delay_nobody_elses_results(house: House) -> None:
    """A user's results wait for half of the places, which fails none of them; another's is sent at once."""
    sent: list[str] = []

    async def send(_: Path, url: str) -> str | None:
        if url.endswith("slow"):
            await anyio.sleep_forever()
        sent.append(url)
        return None

    house.send_file = send
    sending = replace(house.runner().sending, places=FairLimiter(2))
    lease = await house.records.claim(house.record.id)
    assert lease
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(sending.send, lease, RunResult(lease.record.original_key), "https://example.org/slow")
        await anyio.wait_all_tasks_blocked()
        other = replace(lease, record=replace(lease.record, user_id="another"))
        with anyio.fail_after(5):
            await sending.send(other, RunResult(lease.record.original_key), "https://example.net/fast")
        tasks.cancel_scope.cancel()
    assert sent == ["https://example.net/fast"]


async def test_a_job_whose_user_was_deleted_before_its_download_is_forgotten(house: House) -> None:
    """Otherwise the metrics would count it as waiting, longer and longer."""

    async def download(_: str, __: Path) -> Received:
        raise AssertionError

    house.parts.journal.accepted(house.record)
    record = await house.submission.submit_url(house.record.user_id, "https://example.org/a", Options())
    waiting = house.parts.journal.waiting()
    await Users(house.database).shut_out(record.user_id)
    assert await Users(house.database).forget(record.user_id, [house.record.id, record.id])
    await house.fetcher(download).fetch(await house.parts.inbox.take())
    assert house.parts.journal.waiting() == waiting - 1
