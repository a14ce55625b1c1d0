"""The row changes for cancelling, deleting and removing; a pending job ends, a finished one keeps its result."""

from typing import Any

from sqlalchemy import case, func

from munsit_denoise.db.engine import now_us
from munsit_denoise.db.tables import denoise_records as t
from munsit_denoise.records import CANCELLED, DELETED, Status

Change = dict[str, Any]  # values by column
PENDING = t.c.status == Status.PENDING


def cancelling() -> Change:
    """Return the change that ends a pending job."""
    return _ending(CANCELLED) | {"updated_at": case((PENDING, now_us()), else_=t.c.updated_at)}


def deleting() -> Change:
    """Return the change that withdraws a job's files; the record stays."""
    return _ending(DELETED) | {
        "deleted_at": func.coalesce(t.c.deleted_at, now_us()),
        "updated_at": case((t.c.deleted_at.is_(None), now_us()), else_=t.c.updated_at),
        "source_url": None,
    }


def removing() -> Change:
    """Return the change that hides a record."""
    return deleting() | {"removed_at": now_us()}


def _ending(message: str) -> Change:
    return {
        "error": case((PENDING, message), else_=t.c.error),
        "status": case((PENDING, Status.FAILED), else_=t.c.status),
        "cancel_asked_at": case((PENDING, now_us()), else_=t.c.cancel_asked_at),
    }
