"""The queue: in order for one user, in turn between users."""

import anyio
import pytest

from munsit_denoise.queue.local import LocalQueue

pytestmark = pytest.mark.anyio


async def test_one_user_first_in_first_out() -> None:
    queue = LocalQueue()
    for number in range(5):
        await queue.put("a", str(number))
    assert [await queue.take() for _ in range(5)] == list("01234")
    assert len(queue) == 0


async def test_a_long_queue_delays_another_user_by_one_job() -> None:
    queue = LocalQueue()
    for number in range(500):
        await queue.put("a", f"a{number}")
    await queue.put("b", "b0")
    assert "b0" in [await queue.take() for _ in range(2)]


async def test_take_waits_and_each_job_goes_to_one_taker() -> None:
    queue, taken = LocalQueue(), []

    async def take() -> None:
        taken.append(await queue.take())

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        for number in range(10):
            await queue.put("a", str(number))
    assert sorted(taken) == list("0123456789")
