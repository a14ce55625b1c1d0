"""Munsit's words: records and events as its clients expect them, to the byte."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from munsit_denoise.records import DenoiseRecord, Done, Downloading, Event, Processing, Queued
from munsit_denoise.routes.files import original_path, result_path

BEFORE: dict[type[Event], str] = {Downloading: "Downloading the recording", Queued: "Waiting in the queue"}


def accepted(record: DenoiseRecord) -> dict[str, Any]:
    """Return the answer to an upload."""
    return {"jobId": record.id, "denoiseId": record.id}


def record_json(record: DenoiseRecord, base: str) -> dict[str, Any]:
    """Return a record of the history: 14 keys, always all, in this order."""
    return {
        "id": record.id,
        "user_id": record.user_id,
        "transaction_id": record.transaction_id,
        "audio_url": base + result_path(record) if record.result_key and record.deleted_at_us is None else None,
        "original_audio_url": base + original_path(record),
        "file_name": record.file_name,
        "audio_duration": record.audio_duration_s,
        "audio_size": record.audio_size_bytes,
        "audio_format": record.audio_format,
        "source_type": record.source_type,
        "status": record.status,
        "error": record.error,
        "created_at": timestamp(record.created_at_us),
        "updated_at": timestamp(record.updated_at_us),
    }


def timestamp(time_us: int) -> str:
    """Return a time as `2026-05-12T10:14:02.000Z`."""
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us // 1000 % 1000:03d}Z"


@lru_cache(maxsize=4096)
def frame(event: Event, base: str) -> bytes:
    """Return an event as one SSE message; listeners of the same job share the bytes."""
    body: dict[str, Any]
    if isinstance(event, Downloading | Queued):
        body = {"stage": "processing", "pct": 0, "message": BEFORE[type(event)]}
    elif isinstance(event, Processing):
        body = {"stage": "processing", "pct": event.percent}
        if event.message is not None:
            body["message"] = event.message
    elif isinstance(event, Done):
        body = {"stage": "done", "url": base + result_path(event.record), "denoiseId": event.record.id}
    else:
        body = {"stage": "error", "message": event.message}
    return b"data: " + compact(body) + b"\n\n"


def compact(body: Any) -> bytes:
    """Return JSON without a needless space, in UTF-8."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
