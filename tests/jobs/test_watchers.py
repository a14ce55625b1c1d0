"""Listeners get the latest state, then the rest, then exactly one end, whatever the bell loses, at one's cost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from munsit_denoise.errors import DatabaseBusy, InvalidKey
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs.listeners import Listener
from munsit_denoise.jobs.watch import WatchTimes
from munsit_denoise.jobs.watchers import Watchers, WatchSources
from munsit_denoise.records import (
    DELETED,
    DenoiseRecord,
    Done,
    Downloading,
    Event,
    Failed,
    Processing,
    Queued,
    Status,
)
from tests.db.test_records import make_record

pytestmark = pytest.mark.anyio
PATIENT = WatchTimes(30, 30)
HASTY = WatchTimes(recheck_s=0.05, idle_s=30)


class World:
    """One job that changes, and how often was asked for what."""

    def __init__(self) -> None:
        self.record: DenoiseRecord | None = make_record("user")
        self.job_id = make_record("user").id
        self.bell, self.place, self.changes = MemoryBell(), None, 0
        self.reads = self.places_asked = 0
        self.asked_keys: list[str] = []
        self.revoked: set[str] = set()
        self.broken: list[Exception] = []  # what the next readings raise
        self.running: Processing | None = None  # what the job does, where it runs in this process

    async def read(self, job_id: str) -> DenoiseRecord | None:
        self.reads += 1
        if self.broken:
            raise self.broken.pop(0)
        return self.record

    def standing(self, _: DenoiseRecord) -> Queued | None:
        self.places_asked += 1
        return self.place

    def sources(self) -> WatchSources:
        return WatchSources(
            read=lambda job_id: self.read(job_id),
            bell=self.bell,
            progress=lambda _: self.running,
            standing=self.standing,
            queue_changes=lambda: self.changes,
            is_valid=self.is_valid,
        )

    def tell(self, event: Event) -> None:
        """Ring for progress, or for what stands in the record."""
        self.running = event if isinstance(event, Processing) else None
        self.bell.ring(self.job_id)

    async def is_valid(self, key_id: str) -> bool:
        self.asked_keys.append(key_id)
        return key_id not in self.revoked

    def end(self, **change: Any) -> Event:
        assert self.record
        self.record = replace(self.record, **change)
        return Failed(change["error"]) if "error" in change else Done(self.record)

    @asynccontextmanager
    async def watched(self, patience: WatchTimes = PATIENT) -> AsyncIterator[Watchers]:
        watchers = Watchers(self.sources(), patience)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(watchers.run_forever)
                await anyio.wait_all_tasks_blocked()
                yield watchers
                tasks.cancel_scope.cancel()

    async def all_of(self, watchers: Watchers, key_id: str = "key") -> list[Event]:
        with watchers.listen(self.job_id, key_id) as listener:
            return [told.event async for told in listener if told]


async def events_of(listener: Listener, seen: list[Event]) -> None:
    async for told in listener:
        if told:
            seen.append(told.event)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_finished_job_is_one_event_for_ever(world: World) -> None:
    done = world.end(status=Status.SUCCESS, result_key="a/b")
    async with world.watched() as watchers:
        for _ in range(3):
            assert await world.all_of(watchers) == [done]


async def test_a_thousand_listeners_cost_two_readings_and_one_encoding_an_event(world: World) -> None:
    async with world.watched() as watchers, anyio.create_task_group() as tasks:
        encoded: list[Event] = []
        ends: list[int] = []

        async def listen() -> None:
            with watchers.listen(world.job_id, "key") as listener:
                told = [item.encoded("form", lambda e: encoded.append(e) or e) async for item in listener if item]
            ends.append(sum(isinstance(event, Failed) for event in told))

        for _ in range(1000):
            tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        assert len(watchers) == 1000
        assert world.reads == 1
        world.tell(Processing(10))
        await anyio.wait_all_tasks_blocked()
        world.tell(world.end(status=Status.FAILED, error="why"))
        while len(ends) < 1000:
            await anyio.sleep(0.01)
        assert set(ends) == {1}
        assert encoded == [Queued(0), Processing(10), Failed("why")]
        assert world.reads == 2  # at the beginning, and for the end
        assert len(watchers) == len(watchers._jobs) == 0


async def test_a_bell_that_loses_everything_costs_time_only(world: World) -> None:
    async with world.watched(HASTY) as watchers, anyio.create_task_group() as tasks:
        seen: list[list[Event]] = []

        async def listen() -> None:
            seen.append(await world.all_of(watchers))

        for _ in range(20):
            tasks.start_soon(listen)
        await anyio.sleep(0.12)
        world.end(status=Status.FAILED, error="a sentence")
        while len(seen) < 20:
            await anyio.sleep(0.01)
        assert seen == [[Queued(0), Failed("a sentence")]] * 20
        assert world.reads < 20  # one watcher's, not each listener's


async def test_an_end_between_reading_and_listening_is_not_lost(world: World) -> None:
    """The job ends, and rings, while the record is being read for the first time."""
    before = world.record

    async def read(_: str) -> DenoiseRecord | None:
        world.read = really  # type: ignore[method-assign]
        world.tell(world.end(status=Status.FAILED, error="in between"))
        return before

    really, world.read = world.read, read  # type: ignore[method-assign]
    async with world.watched() as watchers:
        assert await world.all_of(watchers) == [Queued(0), Failed("in between")]


async def test_who_comes_late_gets_the_latest_at_once_and_no_reading(world: World) -> None:
    async with world.watched() as watchers, anyio.create_task_group() as tasks:
        tasks.start_soon(world.all_of, watchers)
        await anyio.wait_all_tasks_blocked()
        world.tell(Processing(40, "half way"))
        await anyio.wait_all_tasks_blocked()
        with watchers.listen(world.job_id, "key") as late:
            told = await anext(late)
        assert told
        assert told.event == Processing(40, "half way")
        assert world.reads == 1
        tasks.cancel_scope.cancel()


async def test_a_slow_reader_skips_progress_and_hears_the_end(world: World) -> None:
    async with world.watched() as watchers:
        with watchers.listen(world.job_id, "key") as slow:
            await anyio.wait_all_tasks_blocked()
            for percent in range(3):
                world.tell(Processing(percent))
                await anyio.wait_all_tasks_blocked()
            world.tell(world.end(status=Status.FAILED, error="why"))
            await anyio.wait_all_tasks_blocked()
            assert [told.event async for told in slow if told] == [Failed("why")]


async def test_a_second_attempt_never_falls_back_in_an_open_stream(world: World) -> None:
    async with world.watched() as watchers, anyio.create_task_group() as tasks:
        seen: list[Event] = []
        with watchers.listen(world.job_id, "key") as listener:
            tasks.start_soon(events_of, listener, seen)
            for event in (Processing(60, "a"), Processing(0, "b"), Processing(0, "b"), Processing(30, "b")):
                await anyio.wait_all_tasks_blocked()
                world.tell(event)
            await anyio.wait_all_tasks_blocked()
            assert seen == [Queued(0), Processing(60, "a"), Processing(60, "b")]
            tasks.cancel_scope.cancel()


async def test_without_an_event_the_stream_ends_and_signs_of_life_do_not_count(world: World) -> None:
    async with world.watched(WatchTimes(recheck_s=0.05, idle_s=0.4, quiet_s=0.1)) as watchers:
        began = anyio.current_time()
        with watchers.listen(world.job_id, "key") as listener:
            heard = [told and told.event async for told in listener]
        assert anyio.current_time() - began >= 0.4
        assert heard[0] == Queued(0)
        assert set(heard[1:]) == {None}
        assert world.reads > 3


async def test_a_busy_database_does_not_end_the_stream(world: World) -> None:
    world.broken = [DatabaseBusy(), DatabaseBusy()]
    world.end(status=Status.FAILED, error="a sentence")
    async with world.watched(HASTY) as watchers:
        assert await world.all_of(watchers) == [Queued(0), Failed("a sentence")]


async def test_a_row_that_went_is_a_recording_that_was_deleted(world: World) -> None:
    async with world.watched(HASTY) as watchers, anyio.create_task_group() as tasks:
        seen: list[Event] = []
        with watchers.listen(world.job_id, "key") as listener:
            tasks.start_soon(events_of, listener, seen)
            await anyio.wait_all_tasks_blocked()
            world.record = None
            while len(seen) < 2:
                await anyio.sleep(0.01)
        assert seen == [Queued(0), Failed(DELETED)]


async def test_a_job_that_cannot_be_watched_ends_its_own_streams_alone(world: World) -> None:
    world.broken = [RuntimeError("a bug")]
    async with world.watched() as watchers:
        assert await world.all_of(watchers) == []
        world.end(status=Status.FAILED, error="a sentence")
        assert await world.all_of(watchers) == [Failed("a sentence")]


@pytest.mark.parametrize("stop", [lambda world, _: world.bell.close(), lambda _, tasks: tasks.cancel_scope.cancel()])
async def test_who_stops_ends_every_stream_in_order(world: World, stop: Callable[..., None]) -> None:
    watchers, seen = Watchers(world.sources(), PATIENT), []
    with anyio.fail_after(10):
        async with anyio.create_task_group() as readers, anyio.create_task_group() as tasks:
            tasks.start_soon(watchers.run_forever)
            await anyio.wait_all_tasks_blocked()

            async def listen() -> None:
                seen.append(await world.all_of(watchers))

            for _ in range(5):
                readers.start_soon(listen)
            await anyio.wait_all_tasks_blocked()
            stop(world, tasks)
            while len(seen) < 5 and not tasks.cancel_scope.cancel_called:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert seen == [[Queued(0)]] * 5


async def test_the_last_listener_that_leaves_takes_the_watcher_along(world: World) -> None:
    async with world.watched() as watchers:
        with watchers.listen(world.job_id, "key") as one, watchers.listen(world.job_id, "key"):
            await anext(one)
            assert len(world.bell._ears) == len(watchers._jobs) == 1
        await anyio.wait_all_tasks_blocked()
        assert not world.bell._ears
        assert not watchers._jobs


async def test_a_waiting_job_tells_how_it_comes_forward_when_the_queue_moves_and_asks_for_nothing_else(
    world: World,
) -> None:
    world.place = Queued(3)
    async with world.watched(WatchTimes(30, 30, queue_s=0.01)) as watchers, anyio.create_task_group() as tasks:
        seen: list[Event] = []
        with watchers.listen(world.job_id, "key") as listener:
            tasks.start_soon(events_of, listener, seen)
            for place in (Queued(3), Queued(1), Queued(2), None):
                await anyio.sleep(0.05)
                world.place, world.changes = place, world.changes + 1
            await anyio.sleep(0.05)
            asked = world.places_asked
            await anyio.sleep(0.1)
            assert world.places_asked == asked <= 6
            assert seen == [Queued(3), Queued(1), Queued(0)][: len(seen)]
            assert seen[:2] == [Queued(3), Queued(1)]
            tasks.cancel_scope.cancel()


async def test_a_job_whose_original_is_fetched_says_so_first(world: World) -> None:
    world.end(source_url="https://example.org/a.wav")
    async with world.watched() as watchers, anyio.create_task_group() as tasks:
        seen: list[Event] = []
        with watchers.listen(world.job_id, "key") as listener:
            tasks.start_soon(events_of, listener, seen)
            await anyio.wait_all_tasks_blocked()
            world.end(source_url=None)
            world.tell(Queued(0))
            await anyio.wait_all_tasks_blocked()
            done = world.end(source_url=None, status=Status.SUCCESS, result_key="r")
            world.tell(done)
            await anyio.wait_all_tasks_blocked()
        assert seen == [Downloading(), Queued(0), done]


async def test_a_revoked_key_ends_its_own_streams_and_is_asked_for_once_however_many_it_has(world: World) -> None:
    async with world.watched(HASTY) as watchers, anyio.create_task_group() as tasks:
        ended: list[str] = []

        async def listen(key_id: str) -> None:
            try:
                await world.all_of(watchers, key_id)
            except InvalidKey:
                ended.append(key_id)

        for key_id in ["one"] * 50 + ["two"] * 50:
            tasks.start_soon(listen, key_id)
        await anyio.wait_all_tasks_blocked()
        world.asked_keys.clear()
        world.revoked = {"one"}
        while len(ended) < 50:
            await anyio.sleep(0.01)
        assert set(ended) == {"one"}
        assert world.asked_keys.count("one") <= 2  # the last round has just begun, perhaps
        assert len(watchers) == 50
        tasks.cancel_scope.cancel()
