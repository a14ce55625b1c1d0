"""Jobs that others ended or took over are stopped here; a worker without a job asks seldom, but asks."""

from collections.abc import Collection

import anyio
import pytest

from munsit_denoise.errors import DatabaseBusy
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.jobs import recall
from munsit_denoise.jobs.progress import Board
from munsit_denoise.jobs.recall import recall_forever
from munsit_denoise.jobs.running import RunningJobs

pytestmark = pytest.mark.anyio


class Source:
    """Answers each question with what it holds, the first one not at all; ends the test after some of them."""

    def __init__(self, leases: dict[str, int]) -> None:
        self.leases_now, self.asked, self.over = leases, list[set[str]](), anyio.Event()

    async def leases(self, job_ids: Collection[str]) -> dict[str, int]:
        self.asked.append(set(job_ids))
        if len(self.asked) == 1:
            raise DatabaseBusy
        if len(self.asked) == 3:
            self.over.set()
        return self.leases_now


async def asked(source: Source, running: RunningJobs, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how many rounds it took until the third question, and how many answers were told."""
    rounds, beats, sleep = 0, 0, anyio.sleep

    async def pass_round(_: float) -> None:
        nonlocal rounds
        rounds += 1
        await sleep(0)

    def beat() -> None:
        nonlocal beats
        beats += 1

    monkeypatch.setattr(recall.anyio, "sleep", pass_round)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recall_forever, Board(MemoryBell()), running, source, beat)
        await source.over.wait()
        tasks.cancel_scope.cancel()
    return rounds, beats


async def test_without_a_job_it_asks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, beats = await asked(Source({}), RunningJobs(), monkeypatch)
    assert rounds > 2 * recall.IDLE_ROUNDS
    assert beats == 2


async def test_a_job_that_ended_elsewhere_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    running, source = RunningJobs(), Source({})

    async def work() -> None:
        with running.working("a"):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.sleep(0)
        await asked(source, running, monkeypatch)
    assert source.asked[:2] == [{"a"}, {"a"}]
    assert not running.ids()
