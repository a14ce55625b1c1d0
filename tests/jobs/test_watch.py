"""A listener gets the latest state, then the rest, then exactly one end, whatever the bell loses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from munsit_denoise.errors import DatabaseBusy, JobNotFound
from munsit_denoise.events.memory import MemoryBell, SlotSubscription
from munsit_denoise.jobs.watch import Patience, watch
from munsit_denoise.records import DenoiseRecord, Done, Downloading, Event, Failed, Processing, Queued, Status
from tests.db.test_records import make_record

pytestmark = pytest.mark.anyio
PATIENCE = Patience(recheck_s=0.05, idle_s=30)


class Row:
    """A record that changes, and how often it was read."""

    def __init__(self) -> None:
        self.record, self.reads = make_record("user"), 0

    async def read(self) -> DenoiseRecord:
        self.reads += 1
        return self.record

    def end(self, **change: Any) -> None:
        self.record = replace(self.record, **change)


def nowhere(_: DenoiseRecord) -> None:
    """Say of every job that it does not wait in the queue."""


class DeafBell(MemoryBell):
    """Loses every event."""

    def publish(self, job_id: str, event: Event) -> None:
        pass


async def collect(row: Row, bell: MemoryBell, patience: Patience = PATIENCE) -> list[Event]:
    with anyio.fail_after(10):
        return [event async for event in watch(row.record.id, row.read, nowhere, bell, patience)]


async def test_a_finished_job_is_one_event_for_ever() -> None:
    row = Row()
    row.end(status=Status.SUCCESS, result_key="a/b")
    for _ in range(3):
        assert await collect(row, MemoryBell()) == [Done(row.record)]


async def test_a_bell_that_loses_everything_costs_time_only() -> None:
    row = Row()
    async with anyio.create_task_group() as tasks:

        async def finish() -> None:
            await anyio.sleep(0.12)
            row.end(status=Status.FAILED, error="a sentence")

        tasks.start_soon(finish)
        assert await collect(row, DeafBell()) == [Queued(0), Failed("a sentence")]


async def test_an_end_between_reading_and_listening_is_not_lost() -> None:
    """The job ends, and rings, while the record is being read for the first time."""
    row, bell = Row(), MemoryBell()

    async def read() -> DenoiseRecord:
        before = row.record
        row.end(status=Status.FAILED, error="in between")
        bell.publish(before.id, Failed("in between"))
        return before

    with anyio.fail_after(5):
        events = [event async for event in watch(row.record.id, read, nowhere, bell, Patience(30, 30))]
    assert events == [Failed("in between")]


async def test_progress_is_passed_on_and_never_falls() -> None:
    row, bell = Row(), MemoryBell()
    bell.publish(row.record.id, Processing(10))
    seen: list[Event] = []
    async with anyio.create_task_group() as tasks:

        async def listen() -> None:
            seen.extend(await collect(row, bell))

        tasks.start_soon(listen)
        for percent in (20, 15, 40):
            await anyio.wait_all_tasks_blocked()
            bell.publish(row.record.id, Processing(percent))
        await anyio.wait_all_tasks_blocked()
        row.end(status=Status.SUCCESS, result_key="a/b")
        bell.publish(row.record.id, Done(row.record))
    percents = [event.percent for event in seen if isinstance(event, Processing)]
    assert percents == sorted(percents)
    assert {10, 40} <= set(percents)
    assert seen[-1] == Done(row.record)


async def test_without_an_event_the_stream_ends() -> None:
    row = Row()
    assert await collect(row, MemoryBell(), Patience(recheck_s=0.02, idle_s=0.2)) == [Queued(0)]
    assert row.reads > 3


async def test_a_busy_database_does_not_end_the_stream() -> None:
    row, answers = Row(), iter([DatabaseBusy(), DatabaseBusy()])

    async def read() -> DenoiseRecord:
        for error in answers:
            raise error
        row.end(status=Status.FAILED, error="a sentence")
        return row.record

    with anyio.fail_after(5):
        events = [event async for event in watch(row.record.id, read, nowhere, MemoryBell(), PATIENCE)]
    assert events[-1] == Failed("a sentence")


async def test_what_reading_raises_ends_the_stream() -> None:
    async def read() -> DenoiseRecord:
        raise JobNotFound

    with pytest.raises(JobNotFound):
        [event async for event in watch("a", read, nowhere, MemoryBell(), PATIENCE)]


async def test_a_closing_bell_ends_the_stream() -> None:
    row, bell = Row(), MemoryBell()
    async with anyio.create_task_group() as tasks:

        async def close() -> None:
            await anyio.sleep(0.1)
            bell.close()

        tasks.start_soon(close)
        assert await collect(row, bell, Patience(30, 30)) == [Queued(0)]


async def test_a_listener_that_leaves_is_forgotten() -> None:
    row, bell = Row(), CountingBell()
    stream = watch(row.record.id, row.read, nowhere, bell, PATIENCE)
    assert await anext(stream) == Queued(0)
    assert bell.listening == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert bell.listening == 0


class CountingBell(MemoryBell):
    """Counts who listens."""

    listening = 0

    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[SlotSubscription]:
        with super().subscribe(job_id) as subscription:
            self.listening += 1
            try:
                yield subscription
            finally:
                self.listening -= 1


async def test_a_waiting_job_tells_how_it_comes_forward_and_never_falls_back() -> None:
    row, places = Row(), iter([Queued(3), Queued(3), Queued(1), Queued(2), None])

    def standing(_: DenoiseRecord) -> Queued | None:
        place = next(places, None)
        if place is None:
            row.end(status=Status.FAILED, error="a sentence")
        return place

    with anyio.fail_after(5):
        stream = watch(row.record.id, row.read, standing, MemoryBell(), Patience(0.2, 30, queue_s=0.01))
        assert [event async for event in stream] == [Queued(3), Queued(1), Failed("a sentence")]


async def test_a_job_whose_original_is_fetched_says_so_first() -> None:
    row, bell = Row(), MemoryBell()
    row.end(source_url="https://example.org/a.wav")
    stream = watch(row.record.id, row.read, nowhere, bell, PATIENCE)
    with anyio.fail_after(5):
        assert await anext(stream) == Downloading()
        bell.publish(row.record.id, Queued(0))
        assert await anext(stream) == Queued(0)
        row.end(source_url=None, status=Status.SUCCESS, result_key="a/b")
        assert await anext(stream) == Done(row.record)
