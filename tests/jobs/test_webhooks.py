"""Users' servers are told that jobs have ended: signed, at least once, again after a failure, until it is given up."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from munsit_denoise.db.deliveries import Deliveries, Logged
from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.keys import Keys
from munsit_denoise.db.records import Records, RunResult
from munsit_denoise.db.webhook_secrets import WebhookSecrets
from munsit_denoise.errors import NotFound
from munsit_denoise.jobs import webhooks
from munsit_denoise.jobs.delivery_log import DeliveryLog
from munsit_denoise.jobs.webhooks import PAUSES_S, TRIES, Outgoing, Webhooks, pause_s
from munsit_denoise.records import Options
from munsit_denoise.remote.webhook import DeliveryOutcome, Message
from munsit_denoise.routes.munsit.message import message
from tests.db.test_records import make_record
from tests.jobs.conftest import House
from tests.jobs.telling import telling
from tests.prepared import start
from tests.receivers import Receiver, run_receiver

pytestmark = pytest.mark.anyio
PATIENCE_S = 20.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with run_receiver() as receiver:
        yield receiver


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSES_S", (0.01,) * len(PAUSES_S))


async def ended(database: Database, user_id: str, url: str, number: int, error: str | None = None) -> None:
    """End a job that is to be told to a URL."""
    options = Options(extension="wav", webhook_url=url, webhook_base="https://denoise.example")
    records = Records(database)
    await records.insert(replace(make_record(user_id, number), options=options))
    lease = await records.claim(make_record(user_id, number).id)
    assert lease
    await (records.fail(lease, error) if error else records.succeed(lease, RunResult(f"{number}/denoised-1.wav")))


async def log_of(database: Database, user_id: str) -> list[Logged]:
    return list(await Deliveries(database).log(user_id, 0, 1000))


async def until(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not happened():
            await anyio.sleep(0.01)


async def until_status(database: Database, user_id: str, *wanted: str) -> list[Logged]:
    with anyio.fail_after(PATIENCE_S):
        while True:
            found = await log_of(database, user_id)
            if {each.status for each in found} <= set(wanted):
                return found
            await anyio.sleep(0.02)


async def test_the_end_of_a_job_is_told_signed_and_as_its_record(house: House, receiver: Receiver) -> None:
    user_id = house.record.user_id
    await ended(house.database, user_id, f"{receiver.url}/200/a?b=c", 1)
    await ended(house.database, user_id, f"{receiver.url}/204", 2, "The file could not be processed.")
    async with telling(house.database):
        log = await until_status(house.database, user_id, "delivered")
    secret = await WebhookSecrets(house.database).of_name("somebody")
    (well,), (badly,) = receiver.of("/200/a?b=c"), receiver.of("/204")
    said = well.verified(secret)
    assert list(said) == ["type", "timestamp", "data"]
    assert said["type"] == "denoise.success"
    assert said["data"]["audio_url"].startswith(f"https://denoise.example/denoising/{user_id}/")
    assert said["data"]["id"] == make_record(user_id, 1).id
    assert len(said["data"]) == 14
    assert said["timestamp"] == well.said["timestamp"].removesuffix("Z") + "Z"
    assert badly.verified(secret)["type"] == "denoise.failed"
    assert badly.said["data"]["error"] == "The file could not be processed."
    assert {each.id for each in log} == {well.id, badly.id}
    assert [(each.attempts, each.error, each.next_try_at_us) for each in log] == [(1, None, None)] * 2
    assert sorted(each.last_status or 0 for each in log) == [200, 204]


async def test_what_fails_is_told_again_under_the_same_id(house: House, receiver: Receiver) -> None:
    receiver.answers = [500, 301, 404, 429]
    user_id = house.record.user_id
    await ended(house.database, user_id, f"{receiver.url}/next", 1)
    async with telling(house.database):
        (entry,) = await until_status(house.database, user_id, "delivered")
    heard = receiver.of("/next")
    secret = await WebhookSecrets(house.database).of(user_id)
    assert len(heard) == 5
    assert len(receiver.heard) == 5, "a redirect was followed"
    assert {each.id for each in heard} == {entry.id}
    assert {each.body for each in heard} == {heard[0].body}
    assert all(each.verified(secret) for each in heard)
    assert (entry.attempts, entry.last_status) == (5, 200)


async def test_ten_tries_then_it_is_given_up_and_a_410_at_once(house: House, receiver: Receiver) -> None:
    user_id = house.record.user_id
    for number, path in enumerate(("500", "410", "302", "drop"), 1):
        await ended(house.database, user_id, f"{receiver.url}/{path}", number)
    async with telling(house.database):
        log = await until_status(house.database, user_id, "failed")
    found = {each.url.rpartition("/")[2]: each for each in log}
    assert {path: each.attempts for path, each in found.items()} == {"500": 10, "410": 1, "302": 10, "drop": 10}
    assert {path: each.last_status for path, each in found.items()} == {
        "500": 500,
        "410": 410,
        "302": 302,
        "drop": None,
    }
    assert all(each.error and each.next_try_at_us is None for each in log)
    assert len(receiver.of("/500")) == 10
    assert len(receiver.of("/410")) == 1
    assert not receiver.of("/200")


async def test_addresses_that_are_not_allowed_are_not_connected_to(house: House, receiver: Receiver) -> None:
    user_id = house.record.user_id
    await ended(house.database, user_id, f"{receiver.url}/200", 1)
    async with telling(house.database, networks=()):
        (entry,) = await until_status(house.database, user_id, "failed")
    assert "does not connect" in (entry.error or "")
    assert not receiver.heard


async def test_one_that_hangs_keeps_nobody_waiting(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs does so for as long as the test takes."""
    monkeypatch.setattr("munsit_denoise.remote.webhook.TIMEOUT_S", 600)
    keys, user_id = Keys(house.database), house.record.user_id
    other = await keys.find_user(await keys.create("other"))
    assert other
    with run_receiver() as second:
        for number in range(1, 21):
            await ended(house.database, user_id, f"{receiver.url}/hang", number)
        for number in range(21, 29):
            await ended(house.database, other, f"{second.url}/together", number)
        await ended(house.database, user_id, f"{second.url}/200", 31)
        await ended(house.database, other, f"{second.url}/200", 32)
        async with telling(house.database):
            await until(lambda: len(second.heard) == 10 and len(receiver.heard) >= webhooks.PER_HOST)
            assert len(receiver.heard) == webhooks.PER_HOST
    assert second.most_at_once == webhooks.PER_HOST


async def test_one_that_hangs_is_let_go_and_asked_again(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("munsit_denoise.remote.webhook.TIMEOUT_S", 0.2)
    await ended(house.database, house.record.user_id, f"{receiver.url}/hang", 1)
    async with telling(house.database):
        await until(lambda: len(receiver.heard) == 2)
    (entry,) = await log_of(house.database, house.record.user_id)
    assert (entry.error, entry.last_status) == ("The server took longer than 0.2 s.", None)


async def test_a_server_that_talks_for_ever_has_been_told(house: House, receiver: Receiver) -> None:
    await ended(house.database, house.record.user_id, f"{receiver.url}/endless", 1)
    async with telling(house.database):
        (entry,) = await until_status(house.database, house.record.user_id, "delivered")
    assert entry.attempts == 1


async def test_a_ring_is_heard_without_a_look(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with telling(house.database) as loop:
        await anyio.sleep(0.05)
        await ended(house.database, house.record.user_id, f"{receiver.url}/200", 1)
        loop.ring()
        await until(lambda: len(receiver.heard) == 1)


async def test_a_server_that_goes_away_for_a_while_is_told_when_it_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = house.record.user_id
    with run_receiver() as gone:
        port = int(gone.url.rpartition(":")[2])
    for number in range(1, 4):
        await ended(house.database, user_id, f"{gone.url}/200/{number}", number)
    monkeypatch.setattr(webhooks, "PAUSES_S", (0.3,) * len(PAUSES_S))
    async with telling(house.database):
        with anyio.fail_after(PATIENCE_S):
            while not all(each.error for each in await log_of(house.database, user_id)):
                await anyio.sleep(0.02)
        with run_receiver(port) as back:
            log = await until_status(house.database, user_id, "delivered")
            assert {each.id for each in back.heard} == {each.id for each in log}


async def test_another_try_can_be_asked_for_whatever_became_of_it(house: House, receiver: Receiver) -> None:
    user_id = house.record.user_id
    receiver.answers = [410]
    await ended(house.database, user_id, f"{receiver.url}/next", 1)
    async with telling(house.database) as loop:
        log = DeliveryLog(Deliveries(house.database), loop.ring)
        (failed,) = await until_status(house.database, user_id, "failed")
        for attempts in (2, 3):
            again = await log.tell_again(user_id, failed.id)
            assert (again.status, again.id) == ("pending", failed.id)
            assert again.next_try_at_us is not None
            (entry,) = await until_status(house.database, user_id, "delivered")
            assert entry.attempts == attempts
        for other, delivery_id in (("nobody", failed.id), (user_id, "unknown")):
            with pytest.raises(NotFound):
                await log.tell_again(other, delivery_id)
    assert [each.id for each in receiver.heard] == [failed.id] * 3


async def test_the_log_is_newest_first_in_parts_and_in_batches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("munsit_denoise.jobs.delivery_log.BATCH", 2)
    user_id = house.record.user_id
    for number in range(1, 6):
        await ended(house.database, user_id, f"http://127.0.0.1:1/{number}", number)
    log = DeliveryLog(Deliveries(house.database), lambda: None)

    async def numbers(offset: int, limit: int) -> list[str]:
        return [each.url[-1] async for batch in log.batches(user_id, offset, limit) for each in batch]

    assert await numbers(0, 2**63 - 1) == ["5", "4", "3", "2", "1"]
    assert await numbers(1, 3) == ["4", "3", "2"]
    assert await numbers(5, 1) == []
    assert [each async for batch in log.batches("nobody", 0, 9) for each in batch] == []


async def test_a_stop_in_the_middle_of_a_try_loses_nothing(house: House, receiver: Receiver) -> None:
    user_id = house.record.user_id
    await ended(house.database, user_id, f"{receiver.url}/hang", 1)
    async with telling(house.database):
        await until(lambda: len(receiver.heard) == 1)
    (entry,) = await log_of(house.database, user_id)
    assert (entry.status, entry.attempts) == ("pending", 0)


async def test_what_breaks_here_is_tried_again_and_others_go_on(house: House) -> None:
    user_id, tried = house.record.user_id, []
    for number in (1, 2):
        await ended(house.database, user_id, f"http://127.0.0.1/{number}", number)

    async def break_once(url: str, told: Message) -> DeliveryOutcome:
        tried.append(told.id)
        if len(tried) == 1:
            raise ValueError(url)
        return DeliveryOutcome(200)

    deliveries, secrets = Deliveries(house.database), WebhookSecrets(house.database)
    loop = Webhooks(Outgoing(deliveries=deliveries, secrets=secrets, write=message, post=break_once))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(loop.run_forever)
        log = await until_status(house.database, user_id, "delivered")
        tasks.cancel_scope.cancel()
    assert sorted(each.attempts for each in log) == [1, 2]


async def test_a_secret_stays_until_it_is_replaced(house: House) -> None:
    secrets = WebhookSecrets(house.database)
    first = await secrets.of_name("somebody")
    assert first.startswith("whsec_")
    assert await secrets.of(house.record.user_id) == first
    second = await secrets.rotate("somebody")
    assert await secrets.of_name("somebody") == second != first
    with pytest.raises(NotFound):
        await secrets.of_name("nobody")


def test_the_pauses_grow_over_about_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSES_S", PAUSES_S)
    assert TRIES == 10
    assert 20 < sum(PAUSES_S) / 3600 < 28
    for _ in range(20):
        pauses = [pause_s(tries) for tries in range(1, TRIES)]
        assert pauses == sorted(pauses)
        assert pauses[0] < 10
    assert len({pause_s(1) for _ in range(20)}) > 1


async def test_kills_between_commit_and_delivery_lose_none(tmp_path: Path, empty_database: Path) -> None:
    """The loop alone, in a process that is killed at many moments; what was told is told at least once."""
    path = tmp_path / "killed.db"
    path.write_bytes(empty_database.read_bytes())
    database = open_database(f"sqlite:///{path}")
    keys = Keys(database)
    user_id = await keys.find_user(await keys.create("somebody"))
    assert user_id
    with run_receiver() as receiver:
        for number in range(24):
            await ended(database, user_id, f"{receiver.url}/slow/{number}", number)
        for kill_at in (1, 4, 12, None):
            await anyio.to_thread.run_sync(run_and_kill, path, receiver, kill_at)
        log = await log_of(database, user_id)
        secret = await WebhookSecrets(database).of(user_id)
    await database.close()
    assert {each.status for each in log} == {"delivered"}
    assert all(each.verified(secret) for each in receiver.heard)
    ids = {heard.path: heard.id for heard in receiver.heard}
    assert len(ids) == 24
    assert {(heard.path, heard.id) for heard in receiver.heard} == set(ids.items())
    assert set(ids.values()) == {each.id for each in log}


def run_and_kill(path: Path, receiver: Receiver, kill_at: int | None) -> None:
    """Run the loop until so many requests came in all, or until all is told."""
    with Path(os.devnull).open("wb") as nowhere:
        process = start(["tests.jobs.telling", path], os.environ, nowhere)
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and (kill_at is None or len(receiver.heard) < kill_at):
        assert time.monotonic() < end
        time.sleep(0.002)
    if kill_at is not None:
        process.send_signal(signal.SIGKILL)
    process.wait()
