"""Munsit's JSON: records and events, byte for byte as its clients expect them."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sse_starlette import ServerSentEvent

from munsit_denoise.jobs.history import row_of
from munsit_denoise.records import DenoiseRecord, Done, Downloading, Event, Processing, Queued
from munsit_denoise.routes.files import original_path_of, result_path, result_path_of
from munsit_denoise.routes.language import IN_ENGLISH, Wording

BEFORE: dict[type[Event], str] = {Downloading: "Downloading the recording", Queued: "Waiting in the queue"}
MILLISECONDS = tuple(f".{number:03d}Z" for number in range(1000))
PLAIN_NUMBERS = (1e-4, 1e16)  # in this range, all JSON writers format a number alike, without an exponent


def accepted(job_id: str) -> dict[str, Any]:
    """Return the answer to a submission."""
    return {"jobId": job_id, "denoiseId": job_id}


def entries(base: str, words: Wording = IN_ENGLISH) -> Callable[[Sequence[Sequence[Any]]], bytes]:
    """Return what makes a JSON array of rows of `HISTORY_COLUMNS`, with URLs on this base."""
    return lambda rows: orjson.dumps([_entry(row, base, words) for row in rows])


def entry(record: DenoiseRecord, base: str, words: Wording) -> bytes:
    """Return the JSON of one record."""
    return orjson.dumps(_entry(row_of(record), base, words))


def _entry(row: Sequence[Any], base: str, words: Wording) -> dict[str, Any]:
    """Return a record of the history: 14 keys, always all, in this order."""
    (id_, user_id, transaction_id, secret, result_key, extension, deleted_at_us, *described) = row
    file_name, audio_format, duration_s, size_bytes, source_type, status, error, created_at_us, updated_at_us = (
        described
    )
    offered = result_key is not None and deleted_at_us is None
    return {
        "id": id_,
        "user_id": user_id,
        "transaction_id": transaction_id,
        "audio_url": base + result_path_of(user_id, secret, extension) if offered else None,
        "original_audio_url": base + original_path_of(user_id, secret, audio_format),
        "file_name": file_name,
        "audio_duration": _number(float(duration_s)),
        "audio_size": size_bytes,
        "audio_format": audio_format,
        "source_type": source_type,
        "status": status,
        "error": error and words(error),
        "created_at": timestamp(created_at_us),
        "updated_at": timestamp(updated_at_us),
    }


def _number(value: float) -> float | orjson.Fragment:
    """Return a number in Python's notation, also if it is very small or large."""
    return value if PLAIN_NUMBERS[0] <= value < PLAIN_NUMBERS[1] or value == 0 else orjson.Fragment(repr(value))


def timestamp(time_us: int) -> str:
    """Return a time as `2026-05-12T10:14:02.000Z`."""
    second, millisecond = divmod(time_us // 1000, 1000)
    return _second(second) + MILLISECONDS[millisecond]


@lru_cache(maxsize=8192)  # the newest pages are requested repeatedly
def _second(second: int) -> str:
    return "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}".format(*time.gmtime(second)[:6])


def frame(event: Event, base: str, words: Wording = IN_ENGLISH) -> bytes:
    """Return an event as one SSE message."""
    body: dict[str, Any]
    if isinstance(event, Downloading | Queued):
        body = {"stage": "processing", "pct": 0, "message": words(BEFORE[type(event)])}
    elif isinstance(event, Processing):
        body = {"stage": "processing", "pct": event.percent}
        if event.message is not None:
            body["message"] = words(event.message)
    elif isinstance(event, Done):
        body = {"stage": "done", "url": base + result_path(event.record), "denoiseId": event.record.id}
    else:
        body = {"stage": "error", "message": words(event.message)}
    return ServerSentEvent(orjson.dumps(body).decode(), sep="\n").encode()
