"""Converts between records and rows."""

from typing import Any

from sqlalchemy import Row

from munsit_denoise.records import DenoiseRecord, Options, Origin, ResultDelivery, SourceType, Status
from munsit_denoise.treatment import Keep, Quality

_COLUMN_OF_FIELD = {
    "audio_duration_s": "audio_duration",
    "audio_size_bytes": "audio_size",
    "created_at_us": "created_at",
    "updated_at_us": "updated_at",
    "deleted_at_us": "deleted_at",
    "heartbeat_at_us": "heartbeat_at",
    "cancel_asked_at_us": "cancel_asked_at",
    "original_gone_at_us": "original_gone_at",
    "result_gone_at_us": "result_gone_at",
    "removed_at_us": "removed_at",
}
_OPTIONS = tuple(vars(Options()))


def to_row(record: DenoiseRecord) -> dict[str, Any]:
    """Return a record's values by column."""
    fields = dict(vars(record)) | vars(record.options)
    del fields["options"]
    for name, column in _COLUMN_OF_FIELD.items():
        fields[column] = fields.pop(name)
    return fields


def from_row(row: Row[Any]) -> DenoiseRecord:
    """Return the record of a complete row."""
    return from_values(dict(row._mapping))


def from_values(fields: dict[str, Any]) -> DenoiseRecord:
    """Return the record of a row's values by column; modifies `fields`."""
    for name, column in _COLUMN_OF_FIELD.items():
        fields[name] = fields.pop(column)
    fields["quality"] = Quality(fields["quality"]) if fields["quality"] else None
    fields["keep"] = Keep(fields["keep"] or Keep.VOICE)
    fields["options"] = Options(**{name: fields.pop(name) for name in _OPTIONS})
    fields["status"] = Status(fields["status"])
    fields["origin"] = Origin(fields["origin"])
    fields["source_type"] = SourceType(fields["source_type"])
    fields["delivery"] = ResultDelivery(fields["delivery"]) if fields["delivery"] else None
    return DenoiseRecord(**fields)
