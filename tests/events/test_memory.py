"""The bell: slots of one, progress that never falls, topics that go away."""

import anyio
import pytest

from munsit_denoise.events.base import BellClosed
from munsit_denoise.events.memory import MemoryBell
from munsit_denoise.records import Failed, Processing, Queued

pytestmark = pytest.mark.anyio


async def test_a_slow_reader_gets_the_latest_and_the_end() -> None:
    bell = MemoryBell()
    with bell.subscribe("a") as subscription:
        for percent in range(100):
            bell.publish("a", Processing(percent))
        assert await subscription.next() == Processing(99)
        bell.publish("a", Processing(100))
        bell.publish("a", Failed("why"))
        assert await subscription.next() == Failed("why")
        assert subscription.take() is None


async def test_a_late_listener_hears_the_latest_progress_at_once() -> None:
    bell = MemoryBell()
    bell.publish("a", Processing(40, "half way"))
    with bell.subscribe("a") as subscription:
        assert subscription.take() == Processing(40, "half way")


async def test_progress_never_falls_within_a_job() -> None:
    bell = MemoryBell()
    with bell.subscribe("a") as subscription:
        bell.publish("a", Processing(60, "first attempt"))
        bell.publish("a", Processing(5, "second attempt"))
        assert subscription.take() == Processing(60, "second attempt")


async def test_nothing_is_kept_of_jobs_that_ended() -> None:
    bell = MemoryBell()
    bell.publish("a", Processing(1))
    with bell.subscribe("a"), bell.subscribe("b"):
        bell.publish("a", Failed("why"))
    assert not bell._topics


async def test_progress_after_the_end_leaves_nothing_behind_and_wakes_nobody() -> None:
    bell = MemoryBell()
    bell.publish("a", Failed("why"))
    for late in (Processing(50), Queued(0)):
        bell.publish("a", late)
        assert not bell._topics
    with bell.subscribe("a") as subscription:
        bell.publish("a", Processing(60))
        assert subscription.take() is None


async def test_the_ends_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.events.memory.MAX_ENDED", 10)
    bell = MemoryBell()
    for number in range(100):
        bell.publish(str(number), Failed("why"))
    assert len(bell._ended) == 10
    bell.publish("99", Processing(50))
    assert not bell._topics


async def test_jobs_do_not_hear_each_other() -> None:
    bell = MemoryBell()
    with bell.subscribe("a") as subscription:
        bell.publish("b", Processing(1))
        assert subscription.take() is None


async def test_closing_wakes_everybody_for_good() -> None:
    bell = MemoryBell()
    with bell.subscribe("a") as early:
        bell.close()
        with pytest.raises(BellClosed):
            await early.next()
    with bell.subscribe("a") as late, pytest.raises(BellClosed):
        with anyio.fail_after(1):
            await late.next()
