"""Requests and wrong keys are counted in moving windows, in bounded memory."""

from pathlib import Path

import pytest
from limits.aio.storage import MemoryStorage
from limits.errors import StorageError

from munsit_denoise.errors import CannotGoOn, Quota, TooManyRequests
from munsit_denoise.jobs import limits
from munsit_denoise.jobs.limits import RateLimits, open_limits
from munsit_denoise.services import check_data
from tests.databases import migrate
from tests.live import make_settings

pytestmark = pytest.mark.anyio


class Clock:
    """A clock that stands until it is set forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr(limits.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(limits.time, "time", lambda: self.now_s + 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_the_window_moves_and_what_is_refused_is_not_counted(clock: Clock) -> None:
    counted = RateLimits(2)
    await counted.count_request("a")
    clock.now_s += 20
    await counted.count_request("a")
    for _ in range(5):
        with pytest.raises(TooManyRequests) as refused:
            await counted.count_request("a")
    assert refused.value.retry_after_s == 40
    assert refused.value.quota == Quota("requests", 2, 60)
    await counted.count_request("b")
    clock.now_s += 40
    await counted.count_request("a")  # the first one has left the window, the second has not
    with pytest.raises(TooManyRequests) as refused:
        await counted.count_request("a")
    assert refused.value.retry_after_s == 20


async def test_no_limit_counts_nothing() -> None:
    counted = RateLimits()
    for _ in range(1000):
        await counted.count_request("a")


async def test_an_address_may_be_wrong_twenty_times_a_minute(clock: Clock) -> None:
    counted = RateLimits()
    for _ in range(20):
        await counted.count_wrong_key("192.0.2.1")
    with pytest.raises(TooManyRequests, match="wrong API keys") as refused:
        await counted.count_wrong_key("192.0.2.1")
    assert refused.value.quota == Quota("wrong-keys", 20, 60)
    await counted.count_wrong_key("192.0.2.2")
    clock.now_s += 60
    await counted.count_wrong_key("192.0.2.1")


async def test_what_is_remembered_is_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_COUNTED", 100)
    times = limits._Times()
    counted = RateLimits(1, times)
    for number in range(300):
        clock.now_s += 0.001
        await counted.count_request(str(number))
    assert len(times._times_s) == 100
    clock.now_s += 61
    await counted.count_request("later")
    assert len(times._times_s) == 1


async def test_asking_about_a_window_that_is_over_harms_no_later_request(clock: Clock) -> None:
    """Requests may leave the window between the refusal and the question when there is a place again."""
    times = limits._Times()
    counted = RateLimits(1, times)
    await counted.count_request("a")
    clock.now_s += 61
    (key,) = times._times_s
    assert (await times.get_moving_window(key, 1, 60))[1] == 0
    for who in ("b", "a"):
        await counted.count_request(who)
    with pytest.raises(TooManyRequests):
        await counted.count_request("a")


async def test_nobody_is_refused_while_the_counts_are_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(MemoryStorage):
        reachable = False

        async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
            if not self.reachable:
                raise StorageError(OSError("no route"))
            return await super().acquire_entry(key, limit, expiry, amount)

    storage = Lost()
    counted = RateLimits(1, storage)
    lines: list[str] = []
    monkeypatch.setattr(limits.log, "warning", lambda line, **_: lines.append(line))
    for _ in range(3):
        await counted.count_request("a")
    storage.reachable = True
    await counted.count_request("a")
    assert lines == ["requests cannot be counted", "requests are counted again"]


async def test_a_place_that_cannot_count_is_refused_without_its_password() -> None:
    with pytest.raises(CannotGoOn, match="DENOISE_RATE_LIMIT_URL") as refused:
        open_limits(1, "nowhere://user:secret@host")
    assert "secret" not in str(refused.value)


async def test_a_server_that_cannot_count_does_not_start(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, rate_limit_url="nowhere://host")
    migrate(settings.database)
    with pytest.raises(CannotGoOn, match="unknown storage scheme"):
        await check_data(settings)
