"""Each job ends once: by success, by a sentence, or back in the queue; and what a crash left is swept."""

import os
import secrets
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from anyio.abc import TaskGroup
from numpy.typing import NDArray

from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.migrate import upgrade
from munsit_denoise.db.records import Records
from munsit_denoise.db.uploads import Uploads
from munsit_denoise.errors import ProcessingFailed, StorageFull, UploadNotFound
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.fetcher import Fetcher
from munsit_denoise.jobs.intake import Limits, Received
from munsit_denoise.jobs.runner import LOST_ORIGINAL, Deliver, Runner
from munsit_denoise.jobs.service import DenoiseService
from munsit_denoise.jobs.sweeper import expire_uploads, requeue, sweep
from munsit_denoise.records import (
    DELETED,
    Delivery,
    DenoiseRecord,
    Done,
    Failed,
    Options,
    Processing,
    Status,
)
from munsit_denoise.storage import LocalStorage
from tests.audio import write_noisy
from tests.db.test_records import make_record

pytestmark = pytest.mark.anyio


class Passthrough:
    """A denoiser that returns what it is fed, or does what a test wants instead."""

    def __init__(self, act: Any = None) -> None:
        self._act = act

    def feed(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._act is not None:
            self._act()
        return block

    def flush(self) -> NDArray[np.float32]:
        return np.zeros((0, 1), np.float32)


async def no_delivery(_: Path, __: str) -> str | None:
    """Deliver nothing, well."""
    return None


@dataclass
class House:
    """All leaves of one server, real, in a temporary folder."""

    database: Database
    service: DenoiseService
    bell: MemoryBell
    record: DenoiseRecord
    tasks: TaskGroup
    deliver: Deliver = no_delivery

    def __post_init__(self) -> None:
        self.records, self.storage, self.queue = self.service.records, self.service.storage, self.service.queue

    def runner(self, denoiser: Passthrough | None = None, max_attempts: int = 3) -> Runner:
        service = self.service
        return Runner(
            service.records,
            service.storage,
            service.queue,
            self.bell,
            service.running,
            service.examiner.recall,
            lambda _, __: denoiser or Passthrough(),
            max_attempts,
            self.deliver,
            self.tasks,
        )

    async def now(self) -> DenoiseRecord:
        found = await self.records.get(self.record.id)
        assert found
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    upgrade(url)
    database = open_database(url)
    records, storage, bell = Records(database), LocalStorage(tmp_path / "files"), MemoryBell()
    service = DenoiseService(records, Uploads(database), storage, bell, Limits(200, 15, 1000, 100, 0))
    keys = Keys(database)
    user_id = await keys.find_user(await keys.create("somebody"))
    assert user_id
    record = replace(make_record(user_id), original_key=f"{make_record(user_id).id}/original")
    async with storage.new_file(record.original_key) as path:
        write_noisy(path.with_suffix(".wav"), 1).replace(path)
    await records.insert(record)
    async with anyio.create_task_group() as tasks:
        yield House(database, service, bell, record, tasks)
        tasks.cancel_scope.cancel()
    await database.close()


async def test_a_good_job_ends_with_a_file_then_a_row_then_a_ring(house: House) -> None:
    with house.bell.subscribe(house.record.id) as subscription:
        await house.runner().run(house.record.id)
        event = subscription.take()
    record = await house.now()
    assert event == Done(record)
    assert record.status is Status.SUCCESS
    assert record.result_key
    assert house.storage.path(record.result_key).stat().st_size > 16_000


@pytest.mark.parametrize("error", [ProcessingFailed("Why it failed."), StorageFull()])
async def test_an_error_with_a_sentence_ends_the_job_at_once(house: House, error: Exception) -> None:
    def fail() -> None:
        raise error

    await house.runner(Passthrough(fail)).run(house.record.id)
    record = await house.now()
    assert (record.status, record.error, record.attempts) == (Status.FAILED, str(error), 1)
    assert [path.name for path in house.storage.path(house.record.id).iterdir()] == ["original"]


async def test_a_job_that_breaks_is_tried_again_and_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.jobs.runner.RETRY_PAUSE_S", 0)

    def break_down() -> None:
        raise ZeroDivisionError

    runner = house.runner(Passthrough(break_down))
    await house.queue.put(house.record.user_id, house.record.id)
    for _ in range(4):
        with anyio.fail_after(5):
            await runner.run(await house.queue.take())
    record = await house.now()
    assert record.error == "The file could not be processed after 3 attempts."
    assert len(house.queue) == 0


async def test_a_lost_original_is_told(house: House) -> None:
    house.storage.path(house.record.original_key).unlink()
    await house.runner().run(house.record.id)
    assert (await house.now()).error == LOST_ORIGINAL


async def test_an_interrupted_job_goes_back_uncounted(house: House) -> None:
    with anyio.CancelScope() as scope:
        await house.runner(Passthrough(lambda: anyio.from_thread.run_sync(scope.cancel))).run(house.record.id)
    record = await house.now()
    assert (record.status, record.attempts, record.lease) == (Status.PENDING, 0, 1)
    async with anyio.create_task_group() as tasks:
        await requeue(house.service, tasks, 0)
    assert await house.queue.take() == house.record.id
    await house.runner().run(house.record.id)
    assert (await house.now()).status is Status.SUCCESS


async def test_jobs_that_were_cut_off_come_behind_the_others(house: House) -> None:
    """Once: at the end of the line. Twice: after a while, in which the others run."""
    records = [replace(house.record, id=str(uuid.uuid4()), secret=secrets.token_hex(16)) for _ in range(3)]
    for attempts, record in zip((2, 1, 0), records, strict=True):
        await house.records.insert(record)
        for _ in range(attempts):
            await house.records.claim(record.id)
    async with anyio.create_task_group() as tasks:
        await requeue(house.service, tasks, 0.2)
        assert len(house.queue) == 3
    order = [await house.queue.take() for _ in range(4)]
    assert order == [house.record.id, *(record.id for record in reversed(records))]


async def test_a_late_attempt_leaves_neither_end_nor_file(house: House) -> None:
    """While one attempt runs, another one claims and finishes the job."""

    async def overtake() -> None:
        await house.runner().run(house.record.id)

    acted: list[bool] = []

    def act() -> None:
        if not acted:
            acted.append(True)
            anyio.from_thread.run(overtake)

    await house.runner(Passthrough(act)).run(house.record.id)
    record = await house.now()
    assert record.result_key == f"{house.record.id}/denoised-2.wav"
    assert sorted(p.name for p in house.storage.path(house.record.id).iterdir()) == ["denoised-2.wav", "original"]


async def test_an_end_is_written_even_if_the_database_is_busy_for_a_while(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.db.engine.BUSY_TIMEOUT_S", 0.1)
    database = open_database(f"sqlite:///{tmp_path / 'test.db'}")
    impatient = replace(house.runner(), records=Records(database))
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None)
    async with anyio.create_task_group() as tasks:
        other.execute("BEGIN IMMEDIATE")
        tasks.start_soon(impatient.run, house.record.id)
        await anyio.sleep(0.8)
        other.execute("ROLLBACK")
    other.close()
    await database.close()
    assert (await house.now()).status is Status.SUCCESS


async def test_progress_reaches_listeners_while_the_job_runs(house: House) -> None:
    heard: list[Any] = []

    def listen() -> None:
        topic = house.bell._topics.get(house.record.id)
        heard.append(topic and topic.progress)

    await house.runner(Passthrough(listen)).run(house.record.id)
    assert isinstance(heard[0], Processing)


async def test_an_unknown_or_ended_job_is_skipped(house: House) -> None:
    runner = house.runner()
    await runner.run("nobody")
    await runner.run(house.record.id)
    first = await house.now()
    await runner.run(house.record.id)
    assert await house.now() == first
    assert not isinstance(first, Failed)


async def test_orphans_go_and_everything_else_stays(house: House) -> None:
    await house.runner().run(house.record.id)
    job = house.storage.path(house.record.id)
    (job / "denoised-9.wav").write_bytes(b"never committed")
    (job / "denoised-1.wav.part").write_bytes(b"half")
    lost = house.storage.path("ffffffff-0000-4000-8000-000000000000")
    lost.mkdir(parents=True)
    (lost / "original.part").write_bytes(b"never answered")
    past = time.time() - 100
    for path in [*job.iterdir(), *lost.iterdir(), lost]:
        os.utime(path, (past, past))
    fresh = house.storage.path("eeeeeeee-0000-4000-8000-000000000000")
    fresh.mkdir(parents=True)
    (fresh / "original.part").write_bytes(b"coming in now")
    assert await sweep(house.service, time.time() - 50) == 3
    assert sorted(path.name for path in job.iterdir()) == ["denoised-1.wav", "original"]
    assert not lost.exists()
    assert (fresh / "original.part").exists()


async def test_a_result_is_sent_before_the_job_ends_and_the_next_one_need_not_wait(house: House) -> None:
    """The sending is slow; meanwhile the runner is free, and the record is not `success` yet."""
    sending, sent = anyio.Event(), anyio.Event()

    async def deliver(path: Path, url: str) -> str | None:
        assert path.stat().st_size > 16_000
        assert url == "https://example.org/put"
        sending.set()
        await sent.wait()
        return None

    record = await with_output(house)
    house.deliver = deliver
    with anyio.fail_after(10):
        await house.runner().run(record.id)
        await sending.wait()
        await house.runner().run(house.record.id)
        assert (await house.now()).status is Status.SUCCESS
        found = await house.records.get(record.id)
        assert found
        assert found.status is Status.PENDING
        sent.set()
        found = await ended(house, record.id)
    assert (found.status, found.delivery) == (Status.SUCCESS, Delivery.DELIVERED)


@pytest.mark.parametrize("failure", ["its server answered 500", ValueError("a bug")])
async def test_a_result_that_cannot_be_sent_is_a_result(house: House, failure: str | Exception) -> None:
    async def deliver(_: Path, __: str) -> str | None:
        if isinstance(failure, Exception):
            raise failure
        return failure

    record = await with_output(house)
    house.deliver = deliver
    with anyio.fail_after(10):
        await house.runner().run(record.id)
        found = await ended(house, record.id)
    assert (found.status, found.delivery) == (Status.SUCCESS, Delivery.FAILED)


async def test_deleting_stops_a_delivery(house: House) -> None:
    sending = anyio.Event()

    async def deliver(_: Path, __: str) -> str | None:
        sending.set()
        await anyio.sleep_forever()
        return None

    record = await with_output(house)
    house.deliver = deliver
    with anyio.fail_after(10):
        await house.runner().run(record.id)
        await sending.wait()
        await house.service.delete_files(record.user_id, record.id)
    found = await ended(house, record.id)
    assert (found.status, found.error, found.result_key) == (Status.FAILED, DELETED, None)
    assert not house.storage.path(record.id).exists()


async def with_output(house: House) -> DenoiseRecord:
    """Insert a job like the house's whose result is wanted at a URL."""
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

    service, user_id = house.service, house.record.user_id
    upload = await service.upload(user_id, receive)
    record = await service.submit_upload(user_id, upload.id, Options())
    with anyio.move_on_after(0.3):
        await expire_uploads(service, hours=1)
    assert (await service.uploads.get_own(user_id, upload.id)).id == upload.id
    with anyio.move_on_after(0.3):
        await expire_uploads(service, hours=1e-9)
    with pytest.raises(UploadNotFound):
        await service.uploads.get_own(user_id, upload.id)
    assert not house.storage.path(upload.storage_key).exists()
    assert house.storage.path(record.original_key).exists()


async def test_a_download_that_a_crash_cut_off_begins_anew(house: House) -> None:
    """Its record is all that is left; the next start fetches, describes and queues it."""
    source = write_noisy(house.storage.root / "source.wav", 1, 22_050)
    record = await house.service.submit_url(house.record.user_id, "https://example.org/a", "a", Options())
    fresh = DenoiseService(
        house.records, house.service.uploads, house.storage, MemoryBell(), Limits(200, 15, 1000, 100, 0)
    )

    async def download(url: str, path: Path) -> int:
        assert url == "https://example.org/a"
        return len(path.write_bytes(source.read_bytes()) * b"x")

    async with anyio.create_task_group() as tasks:
        await requeue(fresh, tasks, 0)
    assert await fresh.inbox.take() == record.id
    fetcher = Fetcher(
        fresh.records, fresh.storage, fresh.inbox, fresh.queue, fresh.bell, fresh.running, fresh.examiner, download
    )
    await fetcher.fetch(record.id)
    found = await fresh.records.get(record.id)
    assert found
    assert (found.source_url, found.audio_format, found.options.extension) == (None, "wav", "wav")
    assert found.audio_duration_s == pytest.approx(1, abs=0.01)
    assert found.audio_size_bytes == source.stat().st_size
    assert {await fresh.queue.take() for _ in range(2)} == {record.id, house.record.id}
