"""Submissions with a key: one of them becomes a job, and its fate is known to those that follow."""

from dataclasses import replace

import anyio
import pytest

from munsit_denoise.db.idempotency import IdempotencyKeys
from munsit_denoise.errors import KeyInUse, KeyReused
from munsit_denoise.jobs import idempotency
from munsit_denoise.jobs.idempotency import Idempotency, fingerprint
from munsit_denoise.records import Options, Origin
from munsit_denoise.treatment import Keep, Quality
from tests.jobs.conftest import House

pytestmark = pytest.mark.anyio
WAV = Options(extension="wav")


async def submit(house: House, server: Idempotency, source: str, key: str | None = "k") -> str:
    """Submit a URL with a key; return the job's id."""
    async with server.submission(house.record.user_id, key) as keyed:
        keyed.wants(source, WAV)
        if keyed.first is not None:
            return keyed.first.job_id
        await anyio.sleep(0)  # others come in between
        record = await house.submission.submit_url(house.record.user_id, source, WAV, Origin.MUNSIT, keyed.beside)
        return record.id


def idempotency_of(house: House) -> Idempotency:
    return Idempotency(IdempotencyKeys(house.database))


async def jobs(house: House) -> int:
    return len(await house.records.pending()) - 1  # the house has one of its own


async def test_the_second_with_a_key_is_the_first(house: House) -> None:
    first = await submit(house, idempotency_of(house), "http://h/a")
    assert await submit(house, idempotency_of(house), "http://h/a") == first  # by a server that was started anew
    assert await jobs(house) == 1


async def test_another_source_or_option_under_a_key_is_refused(house: House) -> None:
    server = idempotency_of(house)
    await submit(house, server, "http://h/a")
    with pytest.raises(KeyReused):
        await submit(house, server, "http://h/b")
    async with server.submission(house.record.user_id, "k") as keyed:
        with pytest.raises(KeyReused):
            keyed.wants("http://h/a", replace(WAV, strength=0.5))
    assert await jobs(house) == 1


async def test_without_a_key_and_with_others_there_are_as_many_jobs(house: House) -> None:
    server = idempotency_of(house)
    for key in (None, None, "a", "b"):
        await submit(house, server, "http://h/a", key)
    assert await jobs(house) == 4


async def test_while_the_first_comes_in_the_others_are_told_so_and_a_failure_frees_the_key(house: House) -> None:
    server = idempotency_of(house)
    with pytest.raises(ValueError, match="broken"):
        async with server.submission(house.record.user_id, "k"):
            with pytest.raises(KeyInUse):
                await submit(house, server, "http://h/a")
            assert await submit(house, server, "http://h/a", "another")
            raise ValueError("broken")
    assert await submit(house, server, "http://h/a")
    assert await jobs(house) == 2


async def test_many_at_once_are_one_job(house: House) -> None:
    server, told = idempotency_of(house), []

    async def one() -> None:
        while True:
            try:
                told.append(await submit(house, server, "http://h/a"))
            except KeyInUse:
                await anyio.sleep(0.01)
            else:
                return

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(one)
    assert (len(told), len(set(told)), await jobs(house)) == (20, 1, 1)


async def test_of_two_servers_one_accepts_and_the_other_keeps_nothing(house: House) -> None:
    """What one process does not know of the other, the transaction that accepts the job does."""
    one, other = idempotency_of(house), idempotency_of(house)
    async with one.submission(house.record.user_id, "k") as keyed:
        keyed.wants("http://h/a", WAV)
        first = await submit(house, other, "http://h/a")
        with pytest.raises(KeyInUse):
            await house.submission.submit_url(house.record.user_id, "http://h/a", WAV, Origin.MUNSIT, keyed.beside)
    assert await submit(house, one, "http://h/a") == first
    assert await jobs(house) == 1


async def test_a_key_is_free_again_after_a_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    server, keys = idempotency_of(house), IdempotencyKeys(house.database)
    first = await submit(house, server, "http://h/a")
    monkeypatch.setattr(idempotency, "LIFETIME_US", 0)  # its day is over
    second = await submit(house, server, "http://h/b")
    assert second != first
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.expire_forever)
        while await keys.find(house.record.user_id, "k", 0) is not None:
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert await jobs(house) == 2


def test_what_a_digest_is_of() -> None:
    usual = fingerprint("file:1", WAV)
    assert usual == fingerprint("file:1", replace(WAV, webhook_base="http://other.name", strength=1))
    others = [
        {"strength": 0.5},
        {"extension": None},
        {"level_lufs": -16.0},
        {"audio_track": 1},
        {"webhook_url": "http://h"},
        {"quality": Quality.BEST},
        {"keep": Keep.VOICE_AND_MUSIC},
        {"keep": Keep.DRY_VOICE},
    ]
    digests = {fingerprint("file:1", replace(WAV, **other)) for other in others}  # type: ignore[arg-type]
    assert len(digests | {usual, fingerprint("url:1", WAV), fingerprint("file:2", WAV)}) == 11
