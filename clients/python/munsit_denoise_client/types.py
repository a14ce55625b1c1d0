"""The server's answers as plain values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypedDict, TypeVar

Status = Literal["pending", "success", "failed"]
OnProgress = Callable[[int, int | None], None]  # bytes so far, and in total if known
T = TypeVar("T")


class Options(TypedDict, total=False):
    """Options of a job; a missing one is the server's default."""

    strength: float | Literal["transcription"]  # 0 to 1: how much of the noise is removed
    output_format: str  # an extension, or `original`
    loudness: float  # LUFS, -70 to 0
    audio_track: int  # which audio track of the file; 0 is the first
    webhook_url: str  # where to announce the end of the job
    quality: Literal["standard", "best"]  # best: two models together, better and slower
    keep: Literal["voice", "voice+music", "dry-voice"]  # voice+music: keeps whatever rises above the steady background;
    # dry-voice: removes reverberation too


@dataclass(frozen=True)
class Record:
    """A job of the history."""

    id: str
    user_id: str
    transaction_id: str | None
    audio_url: str | None  # of the result, once there is one
    original_audio_url: str
    file_name: str
    audio_duration: float  # s
    audio_size: int  # bytes
    audio_format: str
    source_type: Literal["audio", "video"]
    status: Status
    error: str | None
    created_at: str  # 2026-05-12T10:14:02.000Z
    updated_at: str


@dataclass(frozen=True)
class Processing:
    """The job waits or runs."""

    percent: float
    message: str | None = None


@dataclass(frozen=True)
class Done:
    """The job succeeded; the URL is that of the result."""

    id: str
    url: str


@dataclass(frozen=True)
class Failed:
    """The job ended without a result."""

    message: str


Event = Processing | Done | Failed


@dataclass(frozen=True)
class Uploaded:
    """An uploaded file; `submit` accepts it any number of times until it expires."""

    id: str
    url: str


@dataclass(frozen=True)
class Levels:
    """Measurements of a sound; None if a value cannot be measured."""

    loudness_lufs: float | None
    true_peak_dbtp: float | None
    noise_floor_db: float | None
    snr_db: float | None
    clipped_samples: int | None


@dataclass(frozen=True)
class Report:
    """The report of a successful job."""

    duration_s: float
    sample_rate_hz: int | None
    channels: int | None
    before: Levels
    after: Levels
    removed_energy_db: float | None
    speech_level_change_db: float | None
    model: Mapping[str, Any]
    options: Mapping[str, Any]
    sha256: Mapping[str, Any]
    second_model: Mapping[str, Any] | None = None  # if two models were used, as with `quality="best"`
    third_model: Mapping[str, Any] | None = None  # if three were used, as with `keep="dry-voice"` beside it


@dataclass(frozen=True)
class Usage:
    """A user's jobs, minutes and bytes."""

    user_id: str
    jobs: Mapping[Status, int]
    minutes_processed: float
    minutes_available: float | None  # None if the server keeps no balance
    bytes_stored: int


@dataclass(frozen=True)
class Webhook:
    """A webhook: a job has ended."""

    type: str  # denoise.success or denoise.failed
    timestamp: str
    record: Record


def read(kind: type[T], body: Mapping[str, Any]) -> T:
    """Return a value from the server's JSON; unknown fields of newer servers are ignored."""
    return kind(**{field.name: body.get(field.name) for field in fields(kind)})  # type: ignore[arg-type]


def read_report(body: Mapping[str, Any]) -> Report:
    """Return a report from the server's JSON."""
    return read(Report, {**body, "before": read(Levels, body["before"]), "after": read(Levels, body["after"])})
