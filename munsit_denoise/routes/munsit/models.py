"""The JSON of Munsit's dialect and of the additions to it, as types."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Json
from pydantic.json_schema import SkipJsonSchema

from munsit_denoise.routes.reference.operation import Model

Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$")]
Url = Annotated[str, Field(json_schema_extra={"format": "uri"})]
Status = Literal["pending", "success", "failed"]


class MunsitError(Model):
    """Why a request was refused."""

    errorCode: str = Field(pattern=r"^\d{5}$", description="The status, and two digits")  # noqa: N815
    errorMessage: str = Field(description="A sentence for people")  # noqa: N815


class JobNotFoundBody(Model):
    """There is no such job."""

    message: str


class ProcessingEvent(Model):
    """The job waits or runs."""

    stage: Literal["processing"]
    pct: float = Field(ge=0, le=100, description="Never falls within a job")
    message: str = Field("", description="For people; may be absent")


class DoneEvent(Model):
    """The job succeeded."""

    stage: Literal["done"]
    url: Url
    denoiseId: Uuid  # noqa: N815


class ErrorEvent(Model):
    """The job failed or was cancelled."""

    stage: Literal["error"]
    message: str


class ServerSentEvent(Model):
    """One event of a stream."""

    model_config = ConfigDict(extra="allow")  # what readers of streams add to it

    data: Json[ProcessingEvent | DoneEvent | ErrorEvent]


class Accepted(Model):
    """A job that has been accepted; both ids are the same."""

    jobId: Uuid  # noqa: N815
    denoiseId: Uuid  # noqa: N815


class DenoiseRecord(Model):
    """A job of the history."""

    id: Uuid
    user_id: Uuid
    transaction_id: str | None = Field(description="The reservation of minutes, if balances are on")
    audio_url: Url | None = Field(description="URL of the result, once the job has succeeded")
    original_audio_url: Url
    file_name: str = Field(description="As the client sent it")
    audio_duration: float = Field(ge=0, description="Duration of the original, seconds")
    audio_size: int = Field(ge=0, description="Size of the original, bytes")
    audio_format: str = Field(description="Lower-case extension without the dot")
    source_type: Literal["audio", "video"]
    status: Status
    error: str | None = Field(description="Why it failed")
    created_at: Time
    updated_at: Time


class SubmissionOptions(Model):
    """Options of a job."""

    model_config = ConfigDict(extra="allow")

    strength: Annotated[float, Field(ge=0, le=1)] | Literal["transcription"] | None = Field(
        None,
        description="How much of the noise is removed; 1 is all, `transcription` what serves recognisers best",
    )
    output_format: str | None = Field(
        None, description="An extension, or `original` for the source's own; `wav` if absent"
    )
    loudness: float | None = Field(
        None, ge=-70, le=0, description="Integrated loudness, LUFS; the true peak stays below -1 dBTP"
    )
    audio_track: int | None = Field(None, ge=0, description="Which audio track of the file; 0 is the first")
    webhook_url: Url | None = Field(None, description="URL that is notified when the job ends")
    quality: Literal["standard", "best"] | None = Field(
        None, description="`best` runs two models: better and slower, where the server has them"
    )
    keep: Literal["voice", "voice+music", "dry-voice"] | None = Field(
        None,
        description="`voice+music`: whatever rises above the steady background stays too; `dry-voice`: reverberation "
        "goes too",
    )


class UrlSubmission(SubmissionOptions):
    """A recording that the server fetches."""

    url: Url = Field(description="http or https; the rules of `input` in Audo's dialect apply")


class UploadSubmission(SubmissionOptions):
    """A recording that was uploaded before."""

    upload_id: str = Field(min_length=1, description="Id of a complete upload")


def _absent() -> None:
    """Return the value of a missing field; None as a plain default would need to be of the field's type."""


class FormSubmission(SubmissionOptions):
    """A form with a file, or with `url` in its place; `file` is another name for `audio`."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [name]} for name in ("audio", "file", "url")]})

    audio: str | SkipJsonSchema[None] = Field(
        default_factory=_absent, description="The file", json_schema_extra={"format": "binary"}
    )
    file: str | SkipJsonSchema[None] = Field(
        default_factory=_absent, description="Another name for `audio`", json_schema_extra={"format": "binary"}
    )
    url: Url | SkipJsonSchema[None] = Field(
        default_factory=_absent, description="Instead of a file: the server fetches the recording from here"
    )


class Reading(Model):
    """Measurements of a sound; null if a value cannot be measured."""

    loudness_lufs: float | None = Field(description="Integrated loudness (BS.1770)")
    true_peak_dbtp: float | None = Field(description="True peak (BS.1770); 0 is full scale")
    noise_floor_db: float | None = Field(
        description="Level below which a tenth of the frames of 50 ms lie; 0 dB is a mean square of 1"
    )
    snr_db: float | None = Field(
        description="Estimate: level of the speech above the noise floor; much too high if the noise comes and goes"
    )
    clipped_samples: int | None = Field(description="Samples at full scale, over all channels")


class ReportModel(Model):
    """Which model made a result."""

    name: str | None
    version: str | None = Field(description="Version of the package that contains the model")
    sha256: str | None = Field(description="Digest of its weights")


class ReportOptions(Model):
    """The options that were used."""

    strength: float = Field(description="How much of the noise was removed; 1 is all")
    output_format: str | None = Field(description="Extension of the result")
    loudness: float | None = Field(description="Integrated loudness, LUFS; null if it was left unchanged")
    audio_track: int = Field(description="Which audio track of the file; 0 is the first")
    quality: Literal["best"] | None = Field(None, description="Left out where it is `standard`")
    keep: Literal["voice+music", "dry-voice"] | None = Field(None, description="Left out where it is `voice`")


class ReportDigests(Model):
    """SHA-256 of both files."""

    original: str | None = Field(description="Of the file as it was sent")
    result: str | None = Field(description="Of the file that is downloaded")


class Report(Model):
    """The report of a result."""

    model_config = ConfigDict(protected_namespaces=())

    duration_s: float = Field(description="Duration of the original")
    sample_rate_hz: int | None = Field(description="Sample rate of the original's audio track")
    channels: int | None = Field(description="Channels of the original's audio track")
    before: Reading = Field(description="The original")
    after: Reading = Field(description="The result")
    removed_energy_db: float | None = Field(
        description="Energy that was removed, relative to that of the original; 0 is all of it, null is none"
    )
    speech_level_change_db: float | None = Field(
        description="Level of the frames with speech, after against before; before includes the noise in them"
    )
    model: ReportModel
    second_model: ReportModel | None = Field(None, description="Only if two models were used, as with `quality=best`")
    third_model: ReportModel | None = Field(
        None, description="Only if three were used, as with `quality=best` and `keep=dry-voice`"
    )
    options: ReportOptions
    sha256: ReportDigests


class JobCounts(Model):
    """Jobs by status."""

    pending: int
    success: int
    failed: int


class Usage(Model):
    """Jobs, minutes and bytes of a user."""

    user_id: Uuid
    jobs: JobCounts
    minutes_processed: float
    minutes_available: float | None = Field(description="null if balances are off")
    bytes_stored: int


class Delivery(Model):
    """A webhook in the log."""

    id: str = Field(description="The same for every attempt")
    denoise_id: Uuid
    url: Url
    status: Literal["pending", "delivered", "failed"]
    tries: int
    last_status_code: int | None
    last_error: str | None
    next_try_at: Time | None


class WebhookMessage(Model):
    """The message about the end of a job."""

    type: Literal["denoise.success", "denoise.failed"]
    timestamp: Time
    data: DenoiseRecord
