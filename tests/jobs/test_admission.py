"""Who may come in when many come at once."""

from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from munsit_denoise.errors import (
    DenoiseError,
    QueueFull,
    ResultTooLarge,
    ShuttingDown,
    StorageFull,
    TooManyJobs,
    TooManyUploads,
    TooMuchWaiting,
)
from munsit_denoise.jobs.admission import Admission
from munsit_denoise.jobs.intake import UploadLimits
from munsit_denoise.queue.local import LocalQueue

pytestmark = pytest.mark.anyio
MIB = 2**20


class Held:
    """Uploads of which so many wait, and of these so many are used."""

    def __init__(self, count: int = 0, used: int = 0) -> None:
        self.count, self.used = count, used

    async def waiting(self, user_id: str, *, unused: bool = False) -> tuple[int, int]:
        count = (self.count - self.used if unused else self.count) if user_id == "ann" else 0
        return count, count * MIB


class Reckoned:
    """Jobs that wait, whose results need so much."""

    async def reckoned_bytes(self) -> dict[str, int]:
        return {"ann": 300 * MIB, "bob": 100 * MIB}


def admission(held: Held | None = None, free_bytes: int = 10**12, **limits: int) -> Admission:
    given: dict[str, Any] = {"upload_mb": 200, "duration_minutes": 0, "pending_jobs": 0, "pending_jobs_per_user": 0}
    storage: Any = SimpleNamespace(free_bytes=lambda: free_bytes)
    uploads: Any = held or Held()
    given_limits = UploadLimits(**(given | {"disk_reserve_mb": 0} | limits))
    return Admission(given_limits, storage, uploads, Reckoned(), (LocalQueue(), LocalQueue()))  # type: ignore[arg-type]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    ("limits", "error"),
    [({"pending_jobs_per_user": 2}, TooManyJobs), ({"pending_jobs": 2}, QueueFull)],
)
def test_jobs_on_their_way_count_as_those_that_wait(
    stack: ExitStack, limits: dict[str, int], error: type[DenoiseError]
) -> None:
    gate = admission(**limits)
    first = ExitStack()
    first.enter_context(gate.job("ann"))
    stack.enter_context(gate.job("ann"))
    with pytest.raises(error), gate.job("ann"):
        pass
    first.close()
    stack.enter_context(gate.job("ann"))


def test_one_users_jobs_are_not_anothers(stack: ExitStack) -> None:
    gate = admission(pending_jobs_per_user=1)
    stack.enter_context(gate.job("ann"))
    stack.enter_context(gate.job("bob"))


async def test_bytes_on_their_way_need_room(stack: ExitStack) -> None:
    gate = admission(free_bytes=1000 * MIB)
    for _ in range(2):
        stack.enter_context(gate.job("ann", 200 * MIB))
    with pytest.raises(StorageFull), gate.job("bob", 200 * MIB):
        pass
    with pytest.raises(StorageFull):
        async with gate.upload("bob", 200 * MIB):
            pass


async def test_a_users_uploads_are_counted_with_those_on_their_way() -> None:
    gate = admission(Held(1), uploads_per_user=2)
    async with gate.upload("ann", 0):
        with pytest.raises(TooManyUploads):
            async with gate.upload("ann", 0):
                pass
        async with gate.upload("bob", 0):
            pass
    async with gate.upload("ann", 0):
        pass


async def test_a_users_uploads_are_weighed_with_those_on_their_way() -> None:
    gate = admission(Held(1), uploads_mb_per_user=10)
    with pytest.raises(TooManyUploads):
        async with gate.upload("ann", 10 * MIB):
            pass
    async with gate.upload("ann", 9 * MIB):
        pass


async def test_uploads_that_became_jobs_do_not_wait() -> None:
    async with admission(Held(100, used=100), uploads_per_user=1).upload("ann", 0):
        pass


async def test_nothing_comes_in_once_the_server_stops() -> None:
    gate = admission()
    gate.stop()
    with pytest.raises(ShuttingDown), gate.job("ann"):
        pass
    with pytest.raises(ShuttingDown):
        async with gate.upload("ann", 0):
            pass


@pytest.mark.parametrize(
    ("user", "size_mib", "limits", "free_mib", "error"),
    [
        ("ann", 500, {}, 1000, None),
        ("ann", 601, {}, 1000, StorageFull),  # 400 MiB are reckoned for jobs that wait
        ("ann", 101, {"disk_reserve_mb": 500}, 1000, StorageFull),
        ("ann", 100, {"result_mb_per_user": 400}, 1000, None),
        ("ann", 101, {"result_mb_per_user": 400}, 1000, TooMuchWaiting),
        ("bob", 300, {"result_mb_per_user": 400}, 1000, None),
        ("cem", 401, {"result_mb_per_user": 400}, 1000, ResultTooLarge),
    ],
)
async def test_the_room_that_results_need_is_reckoned_with(
    user: str, size_mib: int, limits: dict[str, int], free_mib: int, error: type[DenoiseError] | None
) -> None:
    gate = admission(free_bytes=free_mib * MIB, **limits)
    try:
        async with gate.result(user, size_mib * MIB):
            passed = None
    except DenoiseError as refusal:
        passed = type(refusal)
    assert passed is error


async def test_results_of_jobs_that_are_being_accepted_count_as_well() -> None:
    gate = admission(free_bytes=1000 * MIB)
    async with gate.result("ann", 400 * MIB):
        with pytest.raises(StorageFull):
            async with gate.result("bob", 300 * MIB):
                pass
    async with gate.result("bob", 300 * MIB):
        pass
