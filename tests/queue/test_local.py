"""The queue: in order for one user, in turn between users."""

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from munsit_denoise.errors import DatabaseBusy
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


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=12),
    st.integers(0, 12),
    st.dictionaries(st.sampled_from("abc"), st.integers(-1, 1)),
)
@settings(deadline=None)
def test_the_position_is_how_many_are_taken_before(users: list[str], gone: int, priorities: dict[str, int]) -> None:
    async def ask() -> dict[str, int]:
        return priorities

    async def check() -> None:
        queue = LocalQueue(priorities=ask)
        jobs = {f"{user}{number}": user for number, user in enumerate(users)}
        for job, user in jobs.items():
            await queue.put(user, job)
        for _ in range(min(gone, len(jobs) - 1)):
            del jobs[await queue.take()]
        told = {job: queue.position(user, job) for job, user in jobs.items()}
        order = [await queue.take() for _ in jobs]
        assert told == {job: number for number, job in enumerate(order)}
        assert queue.position(users[0], order[0]) is None

    anyio.run(check)


async def test_a_discarded_job_is_not_taken() -> None:
    queue = LocalQueue()
    for job in ("a0", "a1"):
        await queue.put("a", job)
    queue.discard("a", "a0")
    queue.discard("a", "a0")
    queue.discard("b", "b0")
    assert (len(queue), queue.waiting("a")) == (1, 1)
    assert await queue.take() == "a1"
    await queue.put("b", "b0")
    queue.discard("b", "b0")
    assert len(queue) == 0


async def test_a_user_has_only_so_many_jobs_worked_on_and_others_pass_by() -> None:
    queue = LocalQueue(most_per_user=2)
    for job_id in ("a1", "a2", "a3"):
        await queue.put("ann", job_id)
    assert [await queue.take(), await queue.take()] == ["a1", "a2"]
    with anyio.move_on_after(0.05) as waiting:
        await queue.take()
    assert waiting.cancelled_caught
    await queue.put("bob", "b1")
    assert await queue.take() == "b1"
    async with anyio.create_task_group() as tasks:
        taken: list[str] = []

        async def take() -> None:
            taken.append(await queue.take())

        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        await queue.done("a1")
        await queue.done("a1")  # once is enough
    assert taken == ["a3"]


async def test_a_priority_that_changes_while_jobs_wait_counts_for_the_next_one_and_a_busy_database_changes_none() -> (
    None
):
    priorities, busy = {"bob": 1}, False

    async def ask() -> dict[str, int]:
        if busy:
            raise DatabaseBusy
        return dict(priorities)

    queue = LocalQueue(most_per_user=2, priorities=ask)
    for user in ("ann", "bob", "cid"):
        for number in range(3):
            await queue.put(user, f"{user}{number}")
    assert [await queue.take(), await queue.take()] == ["bob0", "bob1"]
    assert await queue.take() == "ann0"  # bob has as many at work as he may
    priorities["cid"] = 2
    assert await queue.take() == "cid0"
    busy, priorities["cid"] = True, -1
    assert await queue.take() == "cid1"
    await queue.done("bob0")
    assert [await queue.take(), await queue.take()] == ["bob2", "ann1"]


async def test_a_job_that_waits_already_keeps_its_place() -> None:
    queue = LocalQueue()
    for job_id in ("a1", "a2", "a1"):
        await queue.put("ann", job_id)
    assert [await queue.take(), await queue.take(), len(queue)] == ["a1", "a2", 0]
