"""Readiness tells what does not work: loops, storage, database, the model."""

from collections.abc import Callable

import anyio
import pytest

from munsit_denoise.errors import CannotGoOn, DatabaseBusy, StorageBroken, StorageFull
from munsit_denoise.jobs.health import LOADING, Health
from munsit_denoise.jobs.supervisor import Supervisor
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio


def failing(error: Exception) -> Callable[..., object]:
    async def fail(*_: object) -> None:
        raise error

    return fail


@pytest.fixture
def health(house: House, monkeypatch: pytest.MonkeyPatch) -> Health:
    monkeypatch.setattr("munsit_denoise.jobs.health.MEMORY_S", 0)
    made = Health(house.parts, house.admission, Supervisor(lambda _: None))
    made.model_ready = True
    return made


async def test_all_is_well_or_the_model_is_still_loading(health: Health) -> None:
    assert await health.trouble() == ()
    health.model_ready = False
    assert await health.trouble() == (LOADING,)


@pytest.mark.parametrize("error", [StorageFull(), StorageBroken()])
async def test_a_disk_that_is_full_or_read_only(
    house: House, health: Health, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(house.storage, "probe", failing(error))
        assert await health.trouble() == ("storage",)
    assert await health.trouble() == ()


async def test_a_database_that_does_not_answer(house: House, health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.records, "get", failing(DatabaseBusy()))
    assert await health.trouble() == ("database",)


async def test_a_loop_that_is_down_and_a_server_that_stops(house: House, health: Health) -> None:
    async with anyio.create_task_group() as tasks:
        health._supervisor.start(tasks, "fetcher 1", failing(CannotGoOn("why")))  # type: ignore[arg-type]
    assert await health.trouble() == ("fetcher 1",)
    house.admission.stop()
    assert await health.trouble() == ("stopping",)
