"""Each job ends once: by success, by a sentence, or back in the queue; and what a crash left is swept."""

import json
import secrets
import sqlite3
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import anyio
import pytest
from anyio import to_thread
from sqlalchemy.ext.asyncio import AsyncConnection

from munsit_denoise.db.engine import open_database
from munsit_denoise.db.records import Records
from munsit_denoise.errors import DatabaseBusy, OutcomeUnknown, ProcessingFailed
from munsit_denoise.jobs.pipeline import Outcome, PipelineTask
from munsit_denoise.jobs.recovery import requeue
from munsit_denoise.jobs.runner import LOST_ORIGINAL
from munsit_denoise.jobs.settlement import Settlement
from munsit_denoise.media.probe import AudioTrack
from munsit_denoise.records import Options, Processing, Status
from munsit_denoise.treatment import Keep, Quality, Treatment
from tests.audio import write_noisy
from tests.jobs.conftest import House, Passthrough

pytestmark = pytest.mark.anyio


async def test_a_good_job_ends_with_a_file_then_a_row_then_a_ring(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[tuple[str, bool]] = []  # what stood in the row, and whether the file that it names was there
    listener = sqlite3.connect(tmp_path / "test.db")

    def ring(job_id: str) -> None:
        status, key = listener.execute(
            "SELECT status, result_key FROM denoise_records WHERE id = ?", [job_id]
        ).fetchone()
        rings.append((status, key is not None and house.storage.path(key).stat().st_size > 16_000))

    monkeypatch.setattr(house.bell, "ring", ring)
    await house.runner().run(house.record.id)
    listener.close()
    assert rings[0] == ("pending", False)
    assert rings[-1] == ("success", True)


async def test_what_there_is_to_say_of_a_result_is_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def enhance(work: PipelineTask, *_: Any) -> Outcome:
        work.target.write_bytes(b"a film without its second track")
        return Outcome(("The second track was left out.",))

    monkeypatch.setattr("munsit_denoise.jobs.runner.enhance_file", enhance)
    await house.runner().run(house.record.id)
    record = await house.now()
    assert record.status is Status.SUCCESS
    assert json.loads(record.report or "")["notes"] == ["The second track was left out."]


async def test_an_error_with_a_sentence_ends_the_job_at_once(house: House) -> None:
    error = ProcessingFailed("Why it failed.")

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


async def test_every_run_of_a_job_is_given_the_same_treatment(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that breaks, the next one, and one after a restart."""
    monkeypatch.setattr("munsit_denoise.jobs.runner.RETRY_PAUSE_S", 0)
    treatment = Treatment(0.6, Quality.BEST, Keep.VOICE_AND_MUSIC)
    options = Options("wav", strength=0.6, quality=Quality.BEST, keep=Keep.VOICE_AND_MUSIC)
    job_id = str(uuid.uuid4())
    record = replace(house.record, id=job_id, secret="f" * 32, options=options, original_key=f"{job_id}/original")
    await house.storage.share(house.record.original_key, record.original_key)
    await house.records.insert(record)
    asked: list[Treatment] = []

    def break_down() -> None:
        raise ZeroDivisionError

    def make(_: AudioTrack, wanted: Treatment) -> Passthrough:
        asked.append(wanted)
        return Passthrough(None if len(asked) == 3 else break_down)

    runner = replace(house.runner(), make_denoiser=make)
    await runner.run(job_id)
    await runner.run(await house.queue.take())
    await house.queue.take()  # lost with the server
    async with anyio.create_task_group() as tasks:
        await requeue(house.parts, tasks, 0)
    assert house.record.id == await house.queue.take()
    await runner.run(await house.queue.take())
    assert asked == [treatment] * 3
    told = json.loads((await house.now(job_id)).report or "")["options"]
    assert (told["strength"], told["quality"], told["keep"]) == (0.6, "best", "voice+music")


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
        await requeue(house.parts, tasks, 0)
    assert await house.queue.take() == house.record.id
    await house.runner().run(house.record.id)
    assert (await house.now()).status is Status.SUCCESS


@pytest.mark.parametrize("step", ["make_denoiser", "digest_of", "Metered.report", "Metered.tiles"])
async def test_a_job_that_is_cancelled_does_not_wait_for_what_only_reads(
    house: House, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    began, released = Event(), Event()

    def endless(*_: Any) -> Any:
        began.set()
        released.wait()

    runner = house.runner()
    if step == "make_denoiser":
        runner = replace(runner, make_denoiser=endless)
    else:
        module = "munsit_denoise.jobs.runner" if step == "digest_of" else "munsit_denoise.jobs.report"
        monkeypatch.setattr(f"{module}.{step}", endless)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, house.record.id)
        await to_thread.run_sync(began.wait)
        with anyio.fail_after(10):
            await house.parts.running.stop(house.record.id)
    assert not released.is_set()
    released.set()
    assert (await house.now()).attempts == 0
    assert house.files() == ["original"]


async def test_steps_that_wait_for_other_jobs_leave_the_threads_to_other_work(house: House) -> None:
    """However many jobs run: their steps wait for the model, and uploads, probes and files must not."""
    others = [replace(house.record, id=str(uuid.uuid4()), secret=secrets.token_hex(16)) for _ in range(3)]
    for record in others:
        await house.records.insert(record)
        async with house.storage.new_file(record.original_key) as path:
            write_noisy(path.with_suffix(".wav"), 1).replace(path)
    waiting, released = Barrier(len(others) + 1), Event()

    def wait() -> None:
        if not released.is_set():
            waiting.wait(20)
            released.wait()

    shared = to_thread.current_default_thread_limiter()
    before, shared.total_tokens = shared.total_tokens, 3
    try:
        async with anyio.create_task_group() as tasks:
            for record in others:
                keyed = replace(record, original_key=f"{record.id}/original")
                tasks.start_soon(house.runner(Passthrough(wait)).run, keyed.id)
            await to_thread.run_sync(waiting.wait, 20, limiter=anyio.CapacityLimiter(1))
            with anyio.fail_after(5):
                await to_thread.run_sync(released.set)
    finally:
        released.set()
        shared.total_tokens = before
    assert {(await house.now(record.id)).status for record in others} == {Status.SUCCESS}


async def test_jobs_that_were_cut_off_come_behind_the_others(house: House) -> None:
    """Once: at the end of the line. Twice: after a while, in which the others run."""
    records = [replace(house.record, id=str(uuid.uuid4()), secret=secrets.token_hex(16)) for _ in range(3)]
    for attempts, record in zip((2, 1, 0), records, strict=True):
        await house.records.insert(record)
        for _ in range(attempts):
            await house.records.claim(record.id)
    async with anyio.create_task_group() as tasks:
        await requeue(house.parts, tasks, 0.2)
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
    files = sorted(path.name for path in house.storage.path(house.record.id).iterdir())
    assert files == ["denoised-2.wav", "original", "tiles-2"]


async def test_an_end_is_written_even_if_the_database_is_busy_for_a_while(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.db.engine.BUSY_TIMEOUT_S", 0.1)
    database = open_database(f"sqlite:///{tmp_path / 'test.db'}")
    house.parts = replace(house.parts, records=Records(database))
    house.settlement = Settlement(house.parts)
    impatient = house.runner()
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
        heard.append(house.parts.board.latest(house.record.id))

    await house.runner(Passthrough(listen)).run(house.record.id)
    assert isinstance(heard[0], Processing)


async def test_an_unknown_or_ended_job_is_skipped(house: House) -> None:
    runner = house.runner()
    await runner.run("nobody")
    await runner.run(house.record.id)
    first = await house.now()
    await runner.run(house.record.id)
    assert await house.now() == first


async def test_a_claim_whose_commit_was_not_answered_counts_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    write, lost = house.database.write, list[bool]()

    @asynccontextmanager
    async def unanswered_once() -> AsyncIterator[AsyncConnection]:
        async with write() as connection:
            yield connection
        if not lost:
            lost.append(True)
            raise OutcomeUnknown

    monkeypatch.setattr(house.database, "write", unanswered_once)
    await house.runner().run(house.record.id)
    record = await house.now()
    assert lost
    assert (record.status, record.attempts, record.lease) == (Status.SUCCESS, 1, 1)


@pytest.mark.parametrize("away_s", [0.0, 0.5])
async def test_an_end_whose_commit_was_not_answered_keeps_its_files_if_the_run_is_stopped(
    house: House, monkeypatch: pytest.MonkeyPatch, away_s: float
) -> None:
    """The database answers nothing until the run is stopped, or for a while longer."""
    write, lost, back = house.database.write, anyio.Event(), anyio.Event()

    @asynccontextmanager
    async def unanswered() -> AsyncIterator[AsyncConnection]:
        if lost.is_set() and not back.is_set():
            raise DatabaseBusy
        async with write() as connection:
            yield connection
        if (await house.now()).status is Status.SUCCESS and not lost.is_set():
            lost.set()
            raise OutcomeUnknown

    monkeypatch.setattr(house.database, "write", unanswered)
    with house.bell.listen(house.record.id) as ear:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(house.runner().run, house.record.id)
            await lost.wait()
            house.parts.running.cancel(house.record.id)
            await anyio.sleep(away_s)
            with anyio.move_on_after(0.01):  # what rang before the end
                while True:
                    await ear.next()
            back.set()
        with anyio.fail_after(5):
            await ear.next()
    record = await house.now()
    assert (record.status, record.attempts) == (Status.SUCCESS, 1)
    assert house.files() == ["denoised-1.wav", "original", "tiles-1"]
    assert house.parts.board.lease_of(record.id) is None


async def test_a_run_that_broke_holds_its_job_no_longer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its heartbeats would keep other workers from the job."""
    monkeypatch.setattr("munsit_denoise.jobs.runner.RETRY_PAUSE_S", 0)

    def break_down() -> None:
        raise ZeroDivisionError

    await house.runner(Passthrough(break_down)).run(house.record.id)
    assert await house.queue.take() == house.record.id
    assert house.parts.board.lease_of(house.record.id) is None
