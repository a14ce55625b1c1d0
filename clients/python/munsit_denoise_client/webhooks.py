"""Verifies that webhooks come from the server (Standard Webhooks 1.0)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

from munsit_denoise_client.errors import InvalidSignature
from munsit_denoise_client.types import Record, Webhook, read

PREFIX = "whsec_"
TOLERANCE_S = 300  # for differing clocks and for the transfer


def verify_webhook(body: bytes | str, headers: Mapping[str, str], secret: str) -> Webhook:
    """Return the content of a webhook, whose body must be exactly as received. Raises InvalidSignature, ValueError."""
    given = {name.lower(): value for name, value in headers.items()}
    message_id, sent_at, signatures = (given.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (sent_at.isascii() and sent_at.isdigit() and abs(time.time() - int(sent_at)) <= TOLERANCE_S):
        raise InvalidSignature("The webhook was not sent within the last five minutes.")
    content = body.encode() if isinstance(body, str) else body
    signed = b".".join((message_id.encode(), sent_at.encode(), content))
    expected = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()
    offered = [part.removeprefix("v1,") for part in signatures.split() if part.startswith("v1,")]
    if not any(hmac.compare_digest(expected.encode(), one.encode()) for one in offered):
        raise InvalidSignature("The webhook is not signed with this secret.")
    fields = json.loads(content)
    return Webhook(fields["type"], fields["timestamp"], read(Record, fields["data"]))


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"The secret is no secret of a webhook: one is written like {PREFIX}...") from None
