"""What a denoise job is, in plain values that every layer shares."""

from dataclasses import dataclass
from enum import StrEnum

from munsit_denoise.names import VIDEO_EXTENSIONS
from munsit_denoise.treatment import Keep, Quality, Treatment

DELETED = "The recording was deleted."
CANCELLED = "The job was cancelled."
STRENGTHS = (0.0, 1.0)
LEVELS_LUFS = (-70.0, 0.0)
PRIORITIES = (-100, 100)
TRACKS = (0, 999_999)  # numbers that can be asked for
NOT_KEPT = "The result is not kept any more."


class Status(StrEnum):
    """Where a record stands; it leaves `PENDING` once and for all."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"


class SourceType(StrEnum):
    """What was sent, by its extension."""

    AUDIO = "audio"
    VIDEO = "video"


class Origin(StrEnum):
    """The dialect that a record came in through."""

    MUNSIT = "munsit"
    AUDO_FORM = "audo-form"  # a file posted with the request
    AUDO = "audo"  # a file uploaded before, or a URL


class ResultDelivery(StrEnum):
    """How it went to send a result to the URL that was given for it."""

    DELIVERED = "delivered"
    FAILED = "failed"


class Scope(StrEnum):
    """What a key may do: submit and everything else, look and listen alone, or everything and other people's keys."""

    FULL = "full"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True)
class Identity:
    """Whose request it is, and by which key: its hash, which opens nothing."""

    user_id: str
    key_id: str
    scope: Scope = Scope.FULL


@dataclass(frozen=True)
class Options:
    """What a client wants of the result."""

    extension: str | None = None  # of the file, without the dot; None until the source is known: the source's own
    strength: float = 1.0  # share of the noise reduction, 0 leaves the sound alone
    level_lufs: float | None = None  # integrated loudness to bring it to, None leaves the level alone
    output_url: str | None = None  # where to PUT it
    audio_track: int = 0  # which of the file's audio tracks, 0 is the first
    webhook_url: str | None = None  # where to tell the job's end
    webhook_base: str | None = None  # of the URLs in what is told there: the base by which the job was sent in
    quality: Quality | None = None  # None until the job is accepted: the server's usual one
    keep: Keep = Keep.VOICE  # what does not count as noise

    @property
    def treatment(self) -> Treatment:
        """What is to be done to the sound."""
        return Treatment(self.strength, self.quality or Quality.STANDARD, self.keep)


@dataclass(frozen=True)
class Upload:
    """A file that waits to become a job, or several."""

    id: str
    user_id: str
    file_name: str
    audio_format: str
    audio_duration_s: float
    audio_size_bytes: int
    storage_key: str
    created_at_us: int
    track: str | None = None  # JSON: what the file was found to hold


@dataclass(frozen=True)
class PartialUpload:
    """An upload that comes in parts; the storage knows how much of it is there."""

    id: str
    user_id: str
    file_name: str
    upload_metadata: str  # as the client sent it
    length_bytes: int
    storage_key: str
    created_at_us: int
    expires_at_us: int
    noted_bytes: int = 0  # how much was there when it was last written down

    @property
    def complete(self) -> bool:
        """Whether it is an `Upload` of the same id."""
        return self.noted_bytes == self.length_bytes


@dataclass(frozen=True)
class DenoiseRecord:
    """One row of a user's history; times are microseconds since 1970, UTC."""

    id: str
    user_id: str
    origin: Origin
    secret: str  # stands in the download paths: who knows it may fetch the files
    file_name: str
    audio_format: str  # lower-case extension without the dot
    source_type: SourceType
    audio_duration_s: float
    audio_size_bytes: int
    original_key: str  # where storage holds the upload
    created_at_us: int
    updated_at_us: int
    transaction_id: str | None = None
    result_key: str | None = None  # where storage holds the result, once there is one
    status: Status = Status.PENDING
    error: str | None = None  # a sentence for people, when failed
    attempts: int = 0  # how often a run of this job began and was not given back
    lease: int = 0  # grows with each run; a run that holds an older one has lost the job
    claim: str | None = None  # which claim the lease came of
    options: Options = Options()
    source_url: str | None = None  # where the original still has to be fetched from
    upload_id: str | None = None  # the upload that the original came from
    delivery: ResultDelivery | None = None
    deleted_at_us: int | None = None  # since then the files are gone, or about to go
    percent: int = 0  # of the work done, as it was noted last
    message: str | None = None  # what the job did then, for people
    heartbeat_at_us: int | None = None  # when whoever runs the job was last heard of
    cancel_asked_at_us: int | None = None  # since then whoever runs the job is to stop
    track: str | None = None  # JSON: what the original was found to hold, None until it is there
    report: str | None = None  # JSON: what there is to say of the result beside its file
    result_bytes: int = 0  # what the result needs on the disk, as it was reckoned before the job was accepted
    tiles_key: str | None = None  # where storage holds the pictures of both sounds
    tiles_bytes: int = 0
    original_gone_at_us: int | None = None  # since then the original is gone, as it was kept for long enough
    result_gone_at_us: int | None = None  # the same of the result
    removed_at_us: int | None = None  # since then the record is gone for its user, and the row about to go

    @property
    def result_went(self) -> bool:
        """Whether there was a result that is not kept any more."""
        return self.status is Status.SUCCESS and (self.deleted_at_us or self.result_gone_at_us) is not None

    @property
    def one_sound_went(self) -> bool:
        """Whether there were two sounds to compare, one of which is not kept any more."""
        return self.result_went or (self.status is Status.SUCCESS and self.original_gone_at_us is not None)


# What a list of records needs of each row, in this order.
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
    """The original is being fetched from its URL."""


@dataclass(frozen=True)
class Queued:
    """The job waits; so many jobs run before it, 0 is the next."""

    jobs_ahead: int


@dataclass(frozen=True)
class Processing:
    """The job moves: `percent` of the work is done."""

    percent: int
    message: str | None = None


@dataclass(frozen=True)
class Done:
    """The job ended well; its result can be fetched."""

    record: DenoiseRecord


@dataclass(frozen=True)
class Failed:
    """The job ended without a result."""

    message: str


Event = Downloading | Queued | Processing | Done | Failed


def terminal_event(record: DenoiseRecord) -> Done | Failed | None:
    """Return the event that ends a record's stream, None while it is pending; what was deleted is not offered."""
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
    """Return what a file with this extension counts as."""
    return SourceType.VIDEO if extension in VIDEO_EXTENSIONS else SourceType.AUDIO
