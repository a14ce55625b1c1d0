"""No background loop ends unheard, and none takes the others along."""

import anyio
import pytest

from munsit_denoise.errors import CannotGoOn, DatabaseBusy
from munsit_denoise.jobs import supervisor
from munsit_denoise.jobs.supervisor import Supervisor

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.02)


@pytest.mark.parametrize("error", [DatabaseBusy(), ZeroDivisionError("a bug")])
async def test_a_loop_that_breaks_is_told_and_begins_anew(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    given_up: list[CannotGoOn] = []
    watched, begun, other = Supervisor(given_up.append), [], []

    async def break_down_twice() -> None:
        begun.append(watched.down)
        if len(begun) < 3:
            raise error
        await anyio.sleep_forever()

    async def work() -> None:
        other.append("works")
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        watched.start(tasks, "sweeper", break_down_twice)
        watched.start(tasks, "runner", work)
        with anyio.fail_after(5):
            while not watched.down:
                await anyio.sleep(0.001)
            assert watched.down == ("sweeper",)
            while len(begun) < 3:
                await anyio.sleep(0.001)
        assert watched.down == ()
        assert (begun, other, given_up) == ([()] * 3, ["works"], [])
        tasks.cancel_scope.cancel()


async def test_what_cannot_go_on_is_handed_on_once() -> None:
    given_up: list[CannotGoOn] = []
    watched, error = Supervisor(given_up.append), CannotGoOn("The model cannot be loaded.")

    async def cannot() -> None:
        raise error

    async with anyio.create_task_group() as tasks:
        watched.start(tasks, "runner", cannot)
    assert given_up == [error]
    assert watched.down == ("runner",)


async def test_a_loop_that_is_done_is_not_begun_again() -> None:
    begun: list[int] = []

    async def once() -> None:
        begun.append(1)

    watched = Supervisor(lambda _: None)
    async with anyio.create_task_group() as tasks:
        watched.start(tasks, "recovery", once)
    assert (begun, watched.down) == ([1], ())
