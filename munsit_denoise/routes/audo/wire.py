"""Audo's JSON: what its clients send and expect."""

import json
import re
from typing import Any
from uuid import UUID

from munsit_denoise.errors import InvalidOption
from munsit_denoise.records import (
    LEVELS_LUFS,
    DenoiseRecord,
    Done,
    Downloading,
    Event,
    Failed,
    Options,
    Origin,
    Processing,
    Queued,
)
from munsit_denoise.remote.transfer import check_url
from munsit_denoise.routes.language import IN_ENGLISH, Wording

AUTHORISED = {"status": "success", "detail": "Successfully authorized with api key"}
DELETED_BODY = {"status": "success", "detail": "The files of this job were deleted"}
FULL_AMOUNT = 100
NORMAL_LUFS = -16.0


def result_name(record: DenoiseRecord) -> str:
    """Return the path of a result relative to the dialect's base, without a leading slash."""
    return f"dl/artifacts/clean/audo_enhanced_{UUID(hex=record.secret)}.{record.options.extension}"


def state_json(record: DenoiseRecord, event: Event, words: Wording = IN_ENGLISH) -> dict[str, Any]:
    """Return what a job does as exactly one of the states; a path in the words of the form that it came in by."""
    if isinstance(event, Downloading):
        return {"state": "downloading"}
    if isinstance(event, Queued):
        return {"state": "queued", "jobsAhead": event.jobs_ahead}
    if isinstance(event, Processing):
        return {"state": "in_progress", "percent": event.percent}
    if isinstance(event, Failed):
        return {"state": "failed", "reason": words(event.message)}
    return _succeeded(event)


def _succeeded(event: Done) -> dict[str, Any]:
    record = event.record
    if record.origin is Origin.AUDO_FORM:
        return {"state": "succeeded", "processedPath": result_name(record)}
    body = {"state": "succeeded", "downloadPath": f"/{result_name(record)}"}
    return body | {"output": record.delivery.value} if record.delivery else body


def read_job(body: bytes) -> tuple[str, Options]:
    """Return the source of a JSON body (an upload's id or a URL) and its options. Raises InvalidOption."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidOption("The body must be JSON.") from None
    if not isinstance(fields, dict):
        raise InvalidOption("The body must be a JSON object.")
    if not all(_is_text(value) for value in fields.values()):
        raise InvalidOption("The body has text that is not Unicode: half of a surrogate pair.")
    source = fields.get("input") or fields.get("fileId")
    if not isinstance(source, str):
        raise InvalidOption("input must be a fileId or a URL.")
    options = Options(
        extension=_text(fields, "outputExtension"),
        strength=_strength(fields.get("noiseReductionAmount")),
        level_lufs=_level(fields.get("autoVolume")),
        output_url=_output_url(fields),
    )
    return source, options


def _is_text(value: Any) -> bool:
    """Return whether a value is not a string, or one that can be stored; JSON may contain lone surrogates and NUL."""
    return not isinstance(value, str) or not re.search("[\ud800-\udfff]", value)


def is_url(source: str) -> bool:
    """Return whether an input is a URL instead of an upload's id."""
    return "://" in source


def _output_url(fields: dict[str, Any]) -> str | None:
    url = _text(fields, "output")
    return check_url(url) if url else None


def _text(fields: dict[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidOption(f"{name} must be a string.")
    return value or None


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidOption(f"{name} must be a number.")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise InvalidOption(f"{name} must be a number.") from None


def _strength(value: Any) -> float:
    """Return the share for an amount from 1 to 100; 1 if none is given."""
    if value is None:
        return 1.0
    amount = _number(value, "noiseReductionAmount")
    if not 1 <= amount <= FULL_AMOUNT:
        raise InvalidOption("noiseReductionAmount must be between 1 and 100.")
    return amount / FULL_AMOUNT


def _level(value: Any) -> float | None:
    """Return the target loudness in LUFS for a level, None to leave the loudness unchanged."""
    if value is None or value is False:
        return None
    if value is True:
        return NORMAL_LUFS
    level = _number(value, "autoVolume")
    if not LEVELS_LUFS[0] <= level <= LEVELS_LUFS[1]:
        raise InvalidOption("autoVolume must be false, true, or a level from -70 to 0 dB.")
    return level
