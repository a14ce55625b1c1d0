"""One attempt to deliver a webhook: a POST signed as in Standard Webhooks 1.0."""

from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
import httpx2
from standardwebhooks import Webhook

from munsit_denoise.remote.client import RefusedAddress
from munsit_denoise.remote.transfer import REFUSED

TIMEOUT_S = 10.0  # in total, from the name lookup to the answer
ANSWER_BYTES = 16 * 1024  # of the answer are read, so that the receiver can finish writing
ANSWER_S = 1.0


@dataclass(frozen=True)
class Message:
    """A message; `id` is the same in each attempt."""

    id: str
    body: bytes  # UTF-8
    secret: str  # whsec_...


@dataclass(frozen=True)
class DeliveryOutcome:
    """The outcome of an attempt: the status, and the error, or None after success."""

    status: int | None
    error: str | None = None


async def post(client: httpx2.AsyncClient, url: str, message: Message) -> DeliveryOutcome:
    """Send a message to a URL; redirects are not followed and count as a failure."""
    try:
        with anyio.fail_after(TIMEOUT_S):
            return await _post(client, url, message)
    except (TimeoutError, httpx2.TimeoutException):
        return DeliveryOutcome(None, f"The server took longer than {TIMEOUT_S:g} s.")
    except RefusedAddress:
        return DeliveryOutcome(None, REFUSED)
    except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError):
        return DeliveryOutcome(None, "The server could not be reached.")


async def _post(client: httpx2.AsyncClient, url: str, message: Message) -> DeliveryOutcome:
    headers = _headers(message, datetime.now(UTC))
    async with client.stream("POST", url, content=message.body, headers=headers, follow_redirects=False) as answer:
        status = answer.status_code
        await _hear_out(answer)
    if 200 <= status < 300:
        return DeliveryOutcome(status)
    redirect = " Redirects are not followed." if 300 <= status < 400 else ""
    return DeliveryOutcome(status, f"The server answered {status}.{redirect}")


async def _hear_out(answer: httpx2.Response) -> None:
    """Read a little of the answer; interruptions and delays do not matter."""
    heard_bytes = 0
    with anyio.move_on_after(ANSWER_S):
        try:
            async for chunk in answer.aiter_raw():
                heard_bytes += len(chunk)
                if heard_bytes > ANSWER_BYTES:
                    return
        except httpx2.HTTPError:
            return


def _headers(message: Message, now: datetime) -> dict[str, str]:
    """Return the headers of an attempt; the library treats any time as UTC."""
    return {
        "Content-Type": "application/json",
        "Connection": "close",  # each attempt connects anew, and its address is checked
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(message.secret).sign(message.id, now, message.body.decode()),
    }
