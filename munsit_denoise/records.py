"""The values of denoise jobs, which all layers share."""

from dataclasses import dataclass
from enum import StrEnum

from munsit_denoise.names import VIDEO_EXTENSIONS
from munsit_denoise.treatment import Keep, Quality, Treatment

DELETED = "The recording was deleted."
CANCELLED = "The job was cancelled."
STRENGTHS = (0.0, 1.0)
LEVELS_LUFS = (-70.0, 0.0)
PRIORITIES = (-100, 100)
TRACKS = (0, 999_999)  # track numbers that can be requested
NOT_KEPT = "The result is not kept any more."


class Status(StrEnum):
    """The state of a record; it leaves `PENDING` exactly once."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"


class SourceType(StrEnum):
    """The kind of a file, by its extension."""

    AUDIO = "audio"
    VIDEO = "video"


class Origin(StrEnum):
    """The dialect in which a job was submitted."""

    MUNSIT = "munsit"
    AUDO_FORM = "audo-form"  # a file in the request
    AUDO = "audo"  # an uploaded file, or a URL


class ResultDelivery(StrEnum):
    """Whether a result was sent to its URL."""

    DELIVERED = "delivered"
    FAILED = "failed"


class Scope(StrEnum):
    """What a key may do: `full` everything except administration, `read` read and listen, `admin` everything."""

    FULL = "full"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Identity:
    """The user of a request and the hash of their key, which gives no access."""

    user_id: str
    key_id: str
    scope: Scope = Scope.FULL


@dataclass(frozen=True)
class Options:
    """The options of a job."""

    extension: str | None = None  # of the result, without the dot; None: the source's own, once it is known
    strength: float = 1.0  # share of the noise reduction; 0 changes nothing
    level_lufs: float | None = None  # target for the integrated loudness; None leaves it unchanged
    output_url: str | None = None  # where to PUT the result
    audio_track: int = 0  # which audio track of the file; 0 is the first
    webhook_url: str | None = None  # where to announce the end of the job
    webhook_base: str | None = None  # base of the URLs in webhooks: that of the submission
    quality: Quality | None = None  # None until the job is accepted: the server's default
    keep: Keep = Keep.VOICE  # what remains

    @property
    def treatment(self) -> Treatment:
        """The treatment of the sound."""
        return Treatment(self.strength, self.quality or Quality.STANDARD, self.keep)


@dataclass(frozen=True)
class Upload:
    """An uploaded file, for one or more jobs."""

    id: str
    user_id: str
    file_name: str
    audio_format: str
    audio_duration_s: float
    audio_size_bytes: int
    storage_key: str
    created_at_us: int
    track: str | None = None  # JSON: the audio track of the file


@dataclass(frozen=True)
class PartialUpload:
    """An upload in parts; the storage knows how many bytes of it there are."""

    id: str
    user_id: str
    file_name: str
    upload_metadata: str  # as the client sent it
    length_bytes: int
    storage_key: str
    created_at_us: int
    expires_at_us: int
    noted_bytes: int = 0  # the size when it was last written

    @property
    def complete(self) -> bool:
        """Whether there is an `Upload` with the same id."""
        return self.noted_bytes == self.length_bytes


@dataclass(frozen=True)
class DenoiseRecord:
    """One row of a user's history; times are microseconds since 1970, UTC."""

    id: str
    user_id: str
    origin: Origin
    secret: str  # part of the download paths; whoever knows it can download the files
    file_name: str
    audio_format: str  # lower-case extension without the dot
    source_type: SourceType
    audio_duration_s: float
    audio_size_bytes: int
    original_key: str  # storage key of the original
    created_at_us: int
    updated_at_us: int
    transaction_id: str | None = None
    result_key: str | None = None  # storage key of the result, once there is one
    status: Status = Status.PENDING
    error: str | None = None  # a sentence for people, when failed
    attempts: int = 0  # how often a run of this job began and was not given back
    lease: int = 0  # grows with each run; a run that holds an older one has lost the job
    claim: str | None = None  # which claim the lease came of
    options: Options = Options()
    source_url: str | None = None  # URL of an original that has to be downloaded
    upload_id: str | None = None  # the upload that the original came from
    delivery: ResultDelivery | None = None
    deleted_at_us: int | None = None  # since then the files are deleted, or about to be
    percent: int = 0  # of the work, as last written
    message: str | None = None  # the progress message at that time, for users
    heartbeat_at_us: int | None = None  # last heartbeat of the runner
    cancel_asked_at_us: int | None = None  # since then the runner has to stop
    track: str | None = None  # JSON: the original's audio track; None before the download
    report: str | None = None  # JSON: the measurements of the result
    result_bytes: int = 0  # disk space for the result, estimated before the job was accepted
    tiles_key: str | None = None  # storage key of the pictures of both sounds
    tiles_bytes: int = 0
    original_gone_at_us: int | None = None  # since then the original is deleted because its retention time is over
    result_gone_at_us: int | None = None  # the same for the result
    removed_at_us: int | None = None  # since then the record is hidden and its row about to be deleted

    @property
    def result_went(self) -> bool:
        """Whether there was a result that was deleted."""
        return self.status is Status.SUCCESS and (self.deleted_at_us or self.result_gone_at_us) is not None

    @property
    def one_sound_went(self) -> bool:
        """Whether there were two sounds to compare, of which one was deleted."""
        return self.result_went or (self.status is Status.SUCCESS and self.original_gone_at_us is not None)


# The columns of a list of records, in this order.
HISTORY_COLUMNS = (
    "id",
    "user_id",
    "transaction_id",
    "secret",
    "result_key",
    "extension",
    "deleted_at",
    "file_name",
    "audio_format",
    "audio_duration",
    "audio_size",
    "source_type",
    "status",
    "error",
    "created_at",
    "updated_at",
)


@dataclass(frozen=True)
class Downloading:
    """The original is being downloaded from its URL."""


@dataclass(frozen=True)
class Queued:
    """The job waits behind this many others; 0 means that it is next."""

    jobs_ahead: int


@dataclass(frozen=True)
class Processing:
    """The job runs: `percent` of the work is done."""

    percent: int
    message: str | None = None


@dataclass(frozen=True)
class Done:
    """The job succeeded and its result can be downloaded."""

    record: DenoiseRecord


@dataclass(frozen=True)
class Failed:
    """The job ended without a result."""

    message: str


Event = Downloading | Queued | Processing | Done | Failed


def terminal_event(record: DenoiseRecord) -> Done | Failed | None:
    """Return the last event of a record's stream, None while it is pending; deleted results are not offered."""
    if record.status is Status.SUCCESS and record.deleted_at_us is not None:
        return Failed(DELETED)
    if record.status is Status.SUCCESS and record.result_gone_at_us is not None:
        return Failed(NOT_KEPT)
    if record.status is Status.SUCCESS:
        return Done(record)
    if record.status is Status.FAILED:
        return Failed(record.error or "")
    return None


def source_type_of(extension: str) -> SourceType:
    """Return the kind of a file with this extension."""
    return SourceType.VIDEO if extension in VIDEO_EXTENSIONS else SourceType.AUDIO
