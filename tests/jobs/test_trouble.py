"""What says nothing of a file is no verdict on it: no room, no descriptor, a program that was killed, a stop."""

import errno
import sqlite3
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.records import Records
from munsit_denoise.errors import DatabaseBusy, Interrupted, ShuttingDown, StorageBroken, StorageFull, Unavailable
from munsit_denoise.jobs import runner as running
from munsit_denoise.jobs import settlement
from munsit_denoise.jobs.intake import Received
from munsit_denoise.jobs.settlement import Settlement
from munsit_denoise.records import Options, Origin, Status
from tests.jobs.conftest import House, Passthrough

pytestmark = pytest.mark.anyio


def failing(error: BaseException) -> Passthrough:
    def fail() -> None:
        raise error

    return Passthrough(fail)


@pytest.mark.parametrize(
    "error",
    [
        StorageFull(),
        StorageBroken(),
        DatabaseBusy(),
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EMFILE, "too many open files"),
        OSError(errno.ENFILE, "too many open files in the system"),
        OSError(errno.ENOMEM, "no memory"),
        BlockingIOError(errno.EAGAIN, "no process"),
        OSError(errno.EROFS, "read-only"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
        ExceptionGroup("of a task group", [OSError(errno.EMFILE, "too many open files")]),
    ],
)
async def test_trouble_of_the_machine_is_no_attempt(house: House, error: Exception) -> None:
    runner = house.runner(failing(error))
    await runner.run(house.record.id)
    record = await house.now()
    assert (record.status, record.attempts, record.error) == (Status.PENDING, 0, None)
    assert len(house.queue) == 1
    assert house.files() == ["original"]
    assert runner.pause.reason


async def test_a_full_disk_pauses_the_runner_which_goes_on_when_there_is_room(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job needs more room than there is, so that it is not begun; then there is room again."""
    monkeypatch.setattr("munsit_denoise.jobs.pause.FIRST_S", 0.05)
    room = [10]
    monkeypatch.setattr(house.storage, "free_bytes", lambda: room[0])
    job_id = "10000000-0000-4000-8000-000000000000"
    large = replace(house.record, id=job_id, secret="f" * 32, result_bytes=1000, original_key=f"{job_id}/original")
    await house.storage.share(house.record.original_key, large.original_key)
    await house.records.insert(large)
    runner = house.runner()
    await house.queue.put(large.user_id, large.id)
    house.tasks.start_soon(runner.run_forever)
    with anyio.fail_after(10):
        while runner.pause.reason is None:
            await anyio.sleep(0.01)
        waiting = await house.now(large.id)
        assert (waiting.status, waiting.error) == (Status.PENDING, None)
        room[0] = 2000
        while (ended := await house.now(large.id)).status is Status.PENDING:
            await anyio.sleep(0.01)
    assert (ended.status, ended.attempts) == (Status.SUCCESS, 1)
    assert runner.pause.reason is None


async def test_a_program_that_was_killed_is_tried_again_and_then_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "RETRY_PAUSE_S", 0)
    runner = house.runner(failing(Interrupted()))
    await house.queue.put(house.record.user_id, house.record.id)
    for attempt in range(1, 5):
        await runner.run(await house.queue.take())
        record = await house.now()
        assert record.attempts == attempt
    assert (record.status, record.error) == (Status.FAILED, running.TRIED.format(3))


async def test_programs_that_end_just_before_the_server_is_told_to_stop_cost_no_attempt(house: House) -> None:
    """The stop of a whole unit: the decoder dies first, the runner is cancelled a moment later."""
    with anyio.move_on_after(0.3):
        await house.runner(failing(Interrupted())).run(house.record.id)
    record = await house.now()
    assert (record.status, record.attempts) == (Status.PENDING, 0)
    assert house.files() == ["original"]


async def test_a_stop_between_a_result_and_its_commit_leaves_no_attempt_and_no_result(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.db.engine.BUSY_TIMEOUT_S", 0.1)
    database = open_database(f"sqlite:///{tmp_path / 'test.db'}")
    house.parts = replace(house.parts, records=Records(database))
    house.settlement = Settlement(house.parts)
    other = sqlite3.connect(tmp_path / "test.db", isolation_level=None, check_same_thread=False)
    locked: list[bool] = []

    def lock() -> None:
        if not locked:
            locked.append(True)
            other.execute("BEGIN IMMEDIATE")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(house.runner(Passthrough(lock)).run, house.record.id)
        with anyio.fail_after(10):
            while "denoised-1.wav" not in house.files():
                await anyio.sleep(0.01)
        await anyio.sleep(0.2)
        tasks.cancel_scope.cancel()
        tasks.start_soon(_release, other, tasks)
    other.close()
    await database.close()
    record = await house.now()
    assert (record.status, record.attempts) == (Status.PENDING, 0)
    assert house.files() == ["original"]


async def _release(other: sqlite3.Connection, _: object) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(0.2)
        other.execute("ROLLBACK")


async def test_a_run_that_is_given_back_twice_is_given_back_once(house: House) -> None:
    first = await house.records.claim(house.record.id)
    second = await house.records.claim(house.record.id)
    assert first
    assert second
    for _ in range(2):
        await house.settlement.give_back(second)
    assert (await house.now()).attempts == 1


async def test_a_busy_database_is_asked_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "FIRST_PAUSE_S", 0)
    asked: list[int] = []

    async def write() -> str:
        asked.append(1)
        if len(asked) < 4:
            raise DatabaseBusy
        return "written"

    assert await settlement.persist(write) == "written"


async def test_a_place_at_the_model_is_left_for_the_last_step() -> None:
    """While one user's picture is put together, the next job has the model; its user's second one waits its turn."""
    places = running.Places(1)
    place = await places.take()
    async with places.last_step(place, "ann"):
        with anyio.fail_after(1):
            second = await places.take()
        with anyio.move_on_after(0.05) as waiting:
            async with places.last_step(second, "ann"):
                raise AssertionError
        assert waiting.cancelled_caught
        with anyio.fail_after(1):
            third = await places.take()
            async with places.last_step(third, "bob"):
                pass
    with anyio.fail_after(1):
        (await places.take()).leave()


@pytest.mark.parametrize("stopping", [False, True])
async def test_a_look_that_was_cut_off_is_a_503_and_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch, stopping: bool
) -> None:
    async def cut_off(*_: object) -> None:
        raise Interrupted

    async def receive(path: Path) -> Received:
        return Received("a.wav", path.write_bytes(b"RIFF"))

    monkeypatch.setattr("munsit_denoise.jobs.intake.probe", cut_off)
    house.admission.stopping = stopping
    with pytest.raises(Unavailable) as told:
        await house.submission.submit(house.record.user_id, Origin.MUNSIT, Options("wav"), receive)
    assert type(told.value) is (ShuttingDown if stopping else Unavailable)
    assert told.value.retry_after_s > 0
    assert [job_ids async for job_ids in house.storage.jobs()] == [[house.record.id]]
    assert house.parts.coming == set()
