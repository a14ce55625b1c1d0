"""Places in turn by user: whoever brings much waits for themselves, not the others for them."""

import anyio
import pytest

from munsit_denoise.jobs.fair import FairLimiter

pytestmark = pytest.mark.anyio


async def test_a_user_with_many_leaves_half_of_the_places_to_others() -> None:
    limiter, holding = FairLimiter(4), []

    async def hold(user_id: str) -> None:
        async with limiter.place(user_id):
            holding.append(user_id)
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(hold, "many")
        await anyio.wait_all_tasks_blocked()
        assert holding == ["many"] * 2
        tasks.start_soon(hold, "one")
        await anyio.wait_all_tasks_blocked()
        assert holding == ["many", "many", "one"]
        tasks.cancel_scope.cancel()


async def test_those_who_wait_come_in_turn_by_user() -> None:
    limiter, came = FairLimiter(1), []

    async def pass_through(user_id: str) -> None:
        async with limiter.place(user_id):
            came.append(user_id)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for user_id in ("ann", "ann", "ann", "bob", "cem"):
            tasks.start_soon(pass_through, user_id)
    assert came == ["ann", "ann", "bob", "cem", "ann"] or came[:4].count("ann") <= 2


async def test_who_gives_up_waiting_leaves_no_trace() -> None:
    limiter = FairLimiter(1)
    async with anyio.create_task_group() as tasks, limiter.place("ann"):

        async def wait_in_vain() -> None:
            async with limiter.place("bob"):
                raise AssertionError

        tasks.start_soon(wait_in_vain)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(1):
        async with limiter.place("cem"):
            pass
    assert (limiter._free, limiter._held, len(limiter._turns)) == (1, {}, 0)
