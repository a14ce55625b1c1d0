"""Jobs that others ended or took over are stopped here."""

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
    """Knows of no job; does not answer the first question."""

    def __init__(self) -> None:
        self.asked = list[set[str]]()

    async def leases(self, job_ids: Collection[str]) -> dict[str, int]:
        self.asked.append(set(job_ids))
        if len(self.asked) == 1:
            raise DatabaseBusy
        return {}


async def test_a_job_that_ended_elsewhere_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "INTERVAL_S", 0.01)
    running, source, beats = RunningJobs(), Source(), list[int]()

    async def work() -> None:
        with running.working("a"):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.sleep(0)
        tasks.start_soon(recall_forever, Board(MemoryBell()), running, source, lambda: beats.append(1))
        with anyio.fail_after(5):
            while running.ids():
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert source.asked[:2] == [{"a"}, {"a"}]
    assert beats  # the database has answered, though not at once
