"""The bell of many processes: it rings elsewhere, and comes back after its connection broke or fell silent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import psycopg
import pytest

from munsit_denoise.events import postgres
from munsit_denoise.events.postgres import PostgresBell
from tests.services import Databases

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def url(postgres_server: Databases) -> str:
    return postgres_server.new_database()


@asynccontextmanager
async def running(*bells: PostgresBell) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for bell in bells:
            tasks.start_soon(bell.run_forever)
        yield
        tasks.cancel_scope.cancel()


async def heard(here: PostgresBell, there: PostgresBell, job_id: str = "a") -> None:
    """Ring here until it is heard there."""
    with there.listen(job_id) as ear, anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:

            async def ring() -> None:
                while True:
                    here.ring(job_id)
                    await anyio.sleep(0.05)

            tasks.start_soon(ring)
            await ear.next()
            tasks.cancel_scope.cancel()


async def test_it_rings_in_other_processes(url: str) -> None:
    here, there = PostgresBell(url), PostgresBell(url)
    async with running(here, there):
        await heard(here, there)
        await heard(there, here)
        many = [f"00000000-0000-4000-8000-{number:012d}" for number in range(1000)]
        with there.listen(many[0]) as first, there.listen(many[-1]) as last, anyio.fail_after(10):
            for job_id in many:
                here.ring(job_id)
            await first.next()
            await last.next()


async def test_what_comes_together_with_a_heartbeat_is_heard(url: str) -> None:
    bell = PostgresBell(url)
    async with running(bell), await psycopg.AsyncConnection.connect(url) as other:
        await heard(bell, bell)  # it listens
        for number in range(5):
            with bell.listen(f"job-{number}") as ear, anyio.fail_after(2):
                for payload in ("other", f"other job-{number}"):  # one commit, so they arrive in one packet
                    await other.execute("SELECT pg_notify(%s, %s)", (postgres.CHANNEL, payload))
                await other.commit()
                await ear.next()


async def test_a_connection_that_is_cut_is_opened_again_and_everybody_looks(url: str) -> None:
    here, there = PostgresBell(url), PostgresBell(url)
    async with running(here, there):
        await heard(here, there)
        with there.listen("a") as ear, anyio.fail_after(15):
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as killer:
                await killer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            await ear.next()
        await heard(here, there)


async def test_a_connection_that_falls_silent_is_opened_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that keeps the connection and passes nothing: no packet tells that nobody is there."""
    monkeypatch.setattr(postgres, "SIGN_S", 0.2)
    monkeypatch.setattr(postgres, "SILENCE_S", 0.8)
    monkeypatch.setattr(postgres, "QUERY_S", 0.5)
    frozen: list[bool] = []
    server = int(url.rpartition("/")[0].rpartition(":")[2])

    async def serve(client: anyio.abc.SocketStream) -> None:
        mute = not frozen  # those that come after the thaw pass
        async with client, await anyio.connect_tcp("127.0.0.1", server) as upstream, anyio.create_task_group() as tasks:

            async def pump(source: anyio.abc.SocketStream, target: anyio.abc.SocketStream) -> None:
                try:
                    async for data in source:
                        if mute and frozen:
                            await anyio.sleep_forever()
                        await target.send(data)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    pass
                tasks.cancel_scope.cancel()

            tasks.start_soon(pump, client, upstream)
            tasks.start_soon(pump, upstream, client)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    here, there = PostgresBell(url), PostgresBell(url.replace(f":{server}/", f":{port}/"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        async with running(here, there):
            await heard(here, there)
            frozen.append(True)
            await heard(here, there, "b")
            await heard(there, here, "c")
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def test_a_bell_that_hears_nothing_rings_elsewhere(url: str) -> None:
    here, there = PostgresBell(url, hears=False), PostgresBell(url)
    async with running(here, there):
        await heard(here, there)


async def test_without_listening_it_is_looked_again_and_again(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "POLL_S", 0.05)
    bell = PostgresBell(url, listens=False)
    async with running(bell):
        with bell.listen("a") as ear, anyio.fail_after(5):
            await ear.next()
            await ear.next()
