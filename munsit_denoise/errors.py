"""Everything that can go wrong, as classes; each dialect maps them to its own status and body.

DenoiseError
├── InvalidKey               the API key is missing or unknown
├── WrongScope               the key's scope does not allow this
├── JobNotFound              no such job of this user
├── UploadNotFound           no such upload of this user
├── NotFound                 no such delivery, user or key
├── AlreadyThere             the name is in use
├── Gone                     the file was deleted
├── NotSubtractable          original and result cannot be subtracted
├── InsufficientBalance      the user's minutes do not cover the job
├── WrongOffset              a part of an upload does not start at the upload's offset
├── UploadInUse              another request works on the same upload
├── UploadOverrun            the body exceeds the announced length of the upload
├── KeyReused                an idempotency key was used for another request
├── KeyInUse                 the first request of an idempotency key is still being received
├── InvalidPage              offset or limit is invalid
├── InvalidUpload            the request cannot become a job; the message says why
│   ├── MissingFile
│   ├── FileTooLarge
│   ├── AudioTooLong
│   ├── ResultTooLarge
│   ├── NotMedia
│   ├── InvalidOption
│   └── UploadTooSlow
├── Unavailable              try again after `retry_after_s`
│   ├── QueueFull
│   ├── TooManyJobs
│   ├── TooManyRequests      of this key, or with wrong keys from this address
│   ├── TooManyStreams       of this key
│   ├── TooManyUploads
│   ├── TooMuchWaiting       the results of this user's jobs would be too large
│   ├── DatabaseBusy
│   │   ├── DatabaseBroken
│   │   └── OutcomeUnknown   a change may have been made
│   ├── StorageFull
│   ├── StorageBroken
│   ├── OutOfResources       no descriptor, no memory, no process
│   └── ShuttingDown
├── ProcessingFailed         the job ends; its message is the record's error
└── Interrupted              the attempt was interrupted, which says nothing about the file
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quota:
    """A limit: a number of requests within a time, or of simultaneous ones."""

    name: str
    amount: int
    window_s: int | None = None


class DenoiseError(Exception):
    """The base of all errors; by itself, a bug of the server. The message is a sentence for users."""

    message = "The server failed on this request. Please report it with the X-Request-ID of this answer."
    retry_after_s: int | None = None  # when the same request may succeed; None if never
    quota: Quota | None = None  # the limit that was exceeded

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message


class InvalidKey(DenoiseError):
    """The API key is missing, unknown or revoked."""

    message = "Invalid or missing API key"


class JobNotFound(DenoiseError):
    """There is no such job for this user."""

    message = "Denoising job not found"


class UploadNotFound(DenoiseError):
    """There is no such upload for this user."""

    message = "There is no such file. Please upload it again."


class NotFound(DenoiseError):
    """There is no such delivery, user or key."""

    message = "There is no such entry. Please check its id."


class AlreadyThere(DenoiseError):
    """The name is already in use."""

    message = "This name is taken. Please choose another one."


class WrongScope(DenoiseError):
    """The key's scope does not allow this."""

    message = "This API key may only read. Please use a key with the scope full."


class Gone(DenoiseError):
    """The file was deleted, or its retention period is over."""

    message = "This file is gone: it was deleted, or its retention period is over."


class NotSubtractable(DenoiseError):
    """Original and result cannot be subtracted sample by sample."""

    message = "There is no residual: the result is not as long as the original, or its loudness was changed."


class InsufficientBalance(DenoiseError):
    """The minutes that a user has left do not cover a job."""

    def __init__(self, required_ms: int, available_ms: int) -> None:
        required, available = _told_apart(required_ms / 60_000, available_ms / 60_000)
        super().__init__(f"Insufficient balance. Required: {required} minutes. Available: {available} minutes.")


class WrongOffset(DenoiseError):
    """A part of an upload does not start at the upload's offset."""

    def __init__(self, offset_bytes: int) -> None:
        super().__init__(
            f"Upload-Offset must be {offset_bytes}, the number of bytes received so far. Please ask with HEAD first."
        )


class UploadInUse(DenoiseError):
    """Another request works on the same upload."""

    message = "Another request is sending to this upload. Please try again in a moment."
    retry_after_s = 1


class UploadOverrun(DenoiseError):
    """The body exceeds the announced length of the upload."""

    message = "The upload is longer than its Upload-Length. Please start a new upload with the right length."


class KeyReused(DenoiseError):
    """An idempotency key was used for another file or other options."""

    message = "This Idempotency-Key was used for another file or other options. Please use a new key."


class KeyInUse(DenoiseError):
    """The first request with an idempotency key has not ended."""

    message = "A request with this Idempotency-Key is still being received. Please try again in a moment."
    retry_after_s = 2


class InvalidPage(DenoiseError):
    """A parameter of a list is wrong."""


class InvalidUpload(DenoiseError):
    """The request cannot become a job."""


class MissingFile(InvalidUpload):
    """The form has no file where one is needed."""

    message = "audio is required and must be a file"


class FileTooLarge(InvalidUpload):
    """The file is over the configured size."""

    def __init__(self, limit_mb: int, size_bytes: int) -> None:
        size, _ = _told_apart(size_bytes / 2**20, limit_mb)
        super().__init__(f"File size exceeds the maximum limit of {limit_mb}MB. File size: {size}MB")


class AudioTooLong(InvalidUpload):
    """The recording is over the configured duration."""

    def __init__(self, limit_minutes: float, duration_s: float) -> None:
        duration, _ = _told_apart(duration_s / 60, limit_minutes)
        super().__init__(
            f"Duration exceeds the maximum limit of {limit_minutes:g} minutes. Duration: {duration} minutes"
        )


class ResultTooLarge(InvalidUpload):
    """The result of this recording would be over the configured size."""

    def __init__(self, limit_mb: int, size_bytes: int) -> None:
        super().__init__(
            f"The result would be about {size_bytes / 2**20:.0f}MB, more than the maximum of {limit_mb}MB. "
            "Please send a shorter recording, or one with fewer channels or a lower sample rate."
        )


class NotMedia(InvalidUpload):
    """No audio that can be decoded was found in the file."""

    message = "No audio could be found in the file. Please send a recording or a video with sound."


class InvalidOption(InvalidUpload):
    """An option of the job is wrong; the message or `option` (its name in `Options`) says which one."""

    def __init__(self, message: str, option: str | None = None) -> None:
        super().__init__(message)
        self.option = option


class UploadTooSlow(InvalidUpload):
    """The body arrives too slowly."""

    message = "The upload was too slow and has been stopped. Please try again on a faster connection."


class Unavailable(DenoiseError):
    """The same request may succeed later."""

    retry_after_s: int = 10


class QueueFull(Unavailable):
    """The queue has reached its limit."""

    message = "The queue is full. Please try again later."
    retry_after_s = 30


class TooManyJobs(Unavailable):
    """The waiting jobs of this user have reached their limit."""

    message = "Too many of your recordings are waiting. Please try again when some of them are done."
    retry_after_s = 30


class TooManyRequests(Unavailable):
    """The requests of this key in a minute, or wrong keys from this address, have reached their limit."""

    message = "Too many requests with this API key. Please try again later."

    def __init__(self, quota: Quota, retry_after_s: int, message: str | None = None) -> None:
        super().__init__(message)
        self.quota, self.retry_after_s = quota, retry_after_s


class TooManyStreams(Unavailable):
    """The open streams and sockets of this key have reached their limit."""

    message = "Too many streams are open with this API key. Please close some first."

    def __init__(self, most: int) -> None:
        super().__init__()
        self.quota = Quota("streams", most)


class TooManyUploads(Unavailable):
    """The uploads of this user that wait for a job have reached their limit, by number or size."""

    message = "Too many of your uploads are waiting for a job. Please try again when some are used or deleted."
    retry_after_s = 60


class TooMuchWaiting(Unavailable):
    """The results of this user's unfinished jobs would need too much disk space with this one."""

    message = "The results of your waiting recordings need too much disk space. Please try again when some are done."
    retry_after_s = 30


class DatabaseBusy(Unavailable):
    """The database is locked or out of reach."""

    message = "The server is busy. Please try again in a moment."
    retry_after_s = 5


class OutcomeUnknown(DatabaseBusy):
    """The answer to a commit was lost; the change was made completely, or not at all."""


class DatabaseBroken(DatabaseBusy):
    """The database is damaged, gone or on a broken disk."""

    message = "The server cannot use its database at the moment. Please try again later."
    retry_after_s = 60


class StorageFull(Unavailable):
    """There is no room for another file."""

    message = "The server has run out of disk space. Please try again later."
    retry_after_s = 60


class StorageBroken(Unavailable):
    """Recordings cannot be read, written or removed."""

    message = "The server cannot use its storage at the moment. Please try again later."
    retry_after_s = 60


class OutOfResources(Unavailable):
    """The machine has no descriptor, no memory or no process left for this."""

    message = "The server is overloaded. Please try again in a moment."


class ShuttingDown(Unavailable):
    """The server is about to stop."""

    message = "The server is restarting. Please try again in a moment."


class ProcessingFailed(DenoiseError):
    """The job cannot succeed, however often it is tried."""

    message = "The file could not be processed."


class Interrupted(DenoiseError):
    """The attempt was interrupted, which says nothing about the file; another attempt may succeed."""

    message = "The processing was interrupted. Please send the file again."
    retry_after_s = 10


class CannotGoOn(Exception):
    """The server cannot continue; the message says why and what to do."""


def _told_apart(more: float, less: float) -> tuple[str, str]:
    """Return two numbers with two decimals, or with as many as it takes to see which is more."""
    for digits in (2, 3, 4, 6, 9):
        told = [f"{number:.{digits}f}" for number in (more, less)]
        if float(told[0]) > float(told[1]):
            break
    return told[0].rstrip("0").rstrip("."), told[1].rstrip("0").rstrip(".")
