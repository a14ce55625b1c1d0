"""Delivers webhooks at least once, until the receiver accepts one or the tries are used up.

Deliveries are rows, so a crash loses none. A delivery that arrived but was not noted is sent again with the same id.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from munsit_denoise.db.deliveries import Deliveries, DueDelivery, WebhookDelivery
from munsit_denoise.db.engine import now_us
from munsit_denoise.db.webhook_secrets import WebhookSecrets
from munsit_denoise.errors import NotFound, Unavailable
from munsit_denoise.jobs.settlement import persist
from munsit_denoise.logs import get_logger, remembering
from munsit_denoise.redaction import host_of
from munsit_denoise.remote.webhook import DeliveryOutcome, Message

log = get_logger()
PLACES = 16  # tries at the same time; at most half of them for one user
PER_HOST = 2
PAUSES_S = (5, 30, 120, 600, 1800, 3600, 3 * 3600, 7 * 3600, 12 * 3600)  # a day in all
JITTER = 0.2  # of a pause, more or less, so that a recovered receiver is not flooded
TRIES = len(PAUSES_S) + 1
GONE = 410  # the receiver wants no more deliveries
STIR_S = 0.5  # after a job changed in another process, until the list is read; that process may have added to it
LONGEST_S = 600.0  # until the list is read again in any case

Write = Callable[[str, Sequence[Any], int], bytes]  # base URL, values of HISTORY_COLUMNS, time of the end: the body
Post = Callable[[str, Message], Awaitable[DeliveryOutcome]]  # sends to a URL


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """The dependencies of deliveries."""

    deliveries: Deliveries
    secrets: WebhookSecrets
    write: Write
    post: Post
    name_of: Callable[[str], str] = str  # of a user, for the log


class Webhooks:
    """Delivers what is due, while `run_forever` runs."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._out = outgoing
        self._at_work: dict[str, DueDelivery] = {}
        self._rung, self._stirred = anyio.Event(), anyio.Event()

    def ring(self) -> None:
        """Announce a new delivery."""
        self._rung.set()

    def stir(self) -> None:
        """Announce a possible new delivery of another process; the list is read soon, once for many calls."""
        self._stirred.set()

    async def run_forever(self) -> None:
        """Deliver what is due, with users in turn."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear_others)
            while True:
                self._rung, looked_us = anyio.Event(), now_us()
                for ready in await self._next():
                    self._at_work[ready.id] = ready
                    tasks.start_soon(self._work, ready)
                    self._rung.set()  # there may be more after what was found
                if not self._rung.is_set():
                    await self._wait(looked_us)

    async def _wait(self, looked_us: int) -> None:
        """Wait for a ring or the next due time; what was due at the last look waits for a place."""
        due_in_s = await persist(lambda: self._out.deliveries.next_due_in_s(looked_us))
        with anyio.move_on_after(LONGEST_S if due_in_s is None else min(max(due_in_s, 0), LONGEST_S)):
            await self._rung.wait()

    async def _hear_others(self) -> None:
        while True:
            await self._stirred.wait()
            await anyio.sleep(STIR_S)
            self._stirred = anyio.Event()
            self.ring()

    async def _next(self) -> list[DueDelivery]:
        """Return the deliveries that get a place now."""
        free = PLACES - len(self._at_work)
        if free <= 0:
            return []
        hosts = Counter(ready.host for ready in self._at_work.values())
        users = Counter(ready.user_id for ready in self._at_work.values())
        full = [host for host, count in hosts.items() if count >= PER_HOST]
        chosen: list[DueDelivery] = []
        for ready in await persist(lambda: self._out.deliveries.ready(list(self._at_work), full, PER_HOST)):
            if len(chosen) < free and hosts[ready.host] < PER_HOST and users[ready.user_id] < PLACES // 2:
                chosen.append(ready)
                hosts[ready.host] += 1
                users[ready.user_id] += 1
        return chosen

    async def _work(self, ready: DueDelivery) -> None:
        try:
            due = await persist(lambda: self._out.deliveries.get(ready.id))
            if due is not None:
                with remembering(job=due.job_id, user=self._out.name_of(due.user_id)):
                    await self._note(due, await self._try(due))
        finally:
            del self._at_work[ready.id]
            self._rung.set()

    async def _try(self, due: WebhookDelivery) -> DeliveryOutcome:
        try:
            secret = await persist(lambda: self._out.secrets.of(due.user_id))
            body = self._out.write(due.base, due.values, due.created_at_us)
            return await self._out.post(due.url, Message(due.id, body, secret))
        except NotFound:
            return DeliveryOutcome(GONE, "The user was deleted.")
        except Exception:  # boundary: one that fails must not hold up the others
            log.exception("webhook broke")
            return DeliveryOutcome(None, "This server broke on it.")

    async def _note(self, due: WebhookDelivery, answer: DeliveryOutcome) -> None:
        """Write the outcome of a try, even while the work is being stopped, and log it."""
        write = self._outcome(due, answer)
        with anyio.CancelScope(shield=True):
            try:
                await write()
            except Unavailable:
                pass
            else:
                return
        await persist(write)

    def _outcome(self, due: WebhookDelivery, answer: DeliveryOutcome) -> Callable[[], Awaitable[None]]:
        deliveries, tries, target = self._out.deliveries, due.attempts + 1, host_of(due.url)
        error = answer.error
        if error is None:
            log.info("webhook delivered", target=target, attempt=tries)
            return lambda: deliveries.delivered(due.id, answer.status)
        if answer.status == GONE or tries >= TRIES:
            log.warning("webhook given up", target=target, attempt=tries, reason=error)
            return lambda: deliveries.give_up(due.id, answer.status, error)
        delay_s = pause_s(tries)
        log.warning("webhook not delivered", target=target, attempt=tries, reason=error, again_s=round(delay_s))
        return lambda: deliveries.put_off(due.id, answer.status, error, delay_s)


def pause_s(tries: int) -> float:
    """Return the pause after this many tries."""
    return PAUSES_S[min(tries, len(PAUSES_S)) - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
