"""The bell: it says that a job moved, once however often it rang, and keeps nothing of jobs without listeners."""

import anyio
import pytest

from munsit_denoise.events.base import Bell, BellClosed
from munsit_denoise.events.memory import MemoryBell

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[MemoryBell])
def bell(request: pytest.FixtureRequest) -> Bell:
    made: Bell = request.param()
    return made


async def rings(bell: Bell, job_id: str) -> bool:
    """Say whether a new listener hears something."""
    with bell.listen(job_id) as ear, anyio.move_on_after(0.05):
        await ear.next()
        return True
    return False


async def test_what_rang_often_is_heard_once(bell: Bell) -> None:
    with bell.listen("a") as ear:
        for _ in range(100):
            bell.ring("a")
        with anyio.fail_after(1):
            await ear.next()
        with anyio.move_on_after(0.05) as waiting:
            await ear.next()
        assert waiting.cancelled_caught
        bell.ring("a")
        with anyio.fail_after(1):
            await ear.next()


async def test_jobs_do_not_hear_each_other_nor_what_was_before(bell: Bell) -> None:
    bell.ring("a")
    assert not await rings(bell, "a")
    with bell.listen("a"):
        bell.ring("a")
        assert not await rings(bell, "b")


async def test_closing_wakes_everybody_for_good(bell: Bell) -> None:
    with bell.listen("a") as early:
        bell.close()
        with pytest.raises(BellClosed):
            await early.next()
    with bell.listen("a") as late, pytest.raises(BellClosed):
        with anyio.fail_after(1):
            await late.next()


async def test_nothing_is_kept_of_jobs_that_nobody_listens_to() -> None:
    bell = MemoryBell()
    with bell.listen("a"), bell.listen("a"), bell.listen("b"):
        bell.ring("a")
    bell.ring("a")  # progress after the end
    assert not bell._ears
