"""The loop that tells of jobs, alone: in a test, or as a program that can be killed."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio

from munsit_denoise.db.deliveries import Deliveries
from munsit_denoise.db.engine import Database, open_database
from munsit_denoise.db.webhook_secrets import WebhookSecrets
from munsit_denoise.jobs.webhooks import Outgoing, Webhooks
from munsit_denoise.remote.client import open_client
from munsit_denoise.remote.guard import AddressPolicy
from munsit_denoise.remote.webhook import post
from munsit_denoise.routes.munsit.message import message

LOOPBACK = ("127.0.0.0/8",)


@asynccontextmanager
async def telling(database: Database, networks: tuple[str, ...] = LOOPBACK) -> AsyncIterator[Webhooks]:
    """Run the loop while the block lasts."""
    async with open_client(AddressPolicy(networks)) as client, anyio.create_task_group() as tasks:
        outgoing = Outgoing(
            deliveries=Deliveries(database),
            secrets=WebhookSecrets(database),
            write=message,
            post=partial(post, client),
        )
        loop = Webhooks(outgoing)
        tasks.start_soon(loop.run_forever)
        yield loop
        tasks.cancel_scope.cancel()


async def _tell_all(path: str) -> None:
    database = open_database(f"sqlite:///{path}")
    async with telling(database) as loop:
        while await Deliveries(database).ready([], [], 1) or loop._at_work:
            await anyio.sleep(0.02)
    await database.close()


if __name__ == "__main__":
    anyio.run(_tell_all, sys.argv[1])
