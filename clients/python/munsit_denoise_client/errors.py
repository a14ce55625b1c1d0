"""Everything that can go wrong, as classes.

ClientError
├── ConnectionLost           the server cannot be reached, or the connection broke
├── ApiError                 the server refused: `status`, `code`, `message`, `retry_after_s`
│   ├── InvalidRequest       400, 422
│   ├── InvalidKey           401
│   ├── InsufficientBalance  402
│   ├── Forbidden            403
│   ├── NotFound             404
│   ├── Conflict             409
│   ├── Gone                 410
│   ├── TooManyRequests      429
│   └── Unavailable          503
├── JobFailed                the job ended without a result; `job_id`
├── NotFinished              the job has no result yet
├── UploadMismatch           the earlier upload is of another file
└── InvalidSignature         a webhook is not from the server, or too old
"""

import json
import re


class ClientError(Exception):
    """The base of all errors; the message is a sentence for users."""


class ConnectionLost(ClientError):
    """The server cannot be reached, or the connection broke before the end."""


class ApiError(ClientError):
    """The server refused a request."""

    def __init__(self, status: int, message: str, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.retry_after_s = status, message, code, retry_after_s


class InvalidRequest(ApiError):
    """The request, its file or an option cannot be accepted; the message says why."""


class InvalidKey(ApiError):
    """The API key is missing, unknown, expired or revoked."""


class InsufficientBalance(ApiError):
    """The minutes that are left do not cover the job."""


class Forbidden(ApiError):
    """The key's scope does not allow this."""


class NotFound(ApiError):
    """There is no such job for this user, or the job has no such result yet."""


class Conflict(ApiError):
    """The request conflicts with the current state."""


class Gone(ApiError):
    """The file was deleted."""


class TooManyRequests(ApiError):
    """A limit was exceeded; `retry_after_s` says when to try again."""


class Unavailable(ApiError):
    """The server cannot answer now; `retry_after_s` says when to try again."""


class JobFailed(ClientError):
    """The job ended without a result; the message is the reason."""

    def __init__(self, job_id: str, message: str) -> None:
        super().__init__(message)
        self.job_id, self.message = job_id, message


class NotFinished(ClientError):
    """The job has no result to download yet."""


class UploadMismatch(ClientError):
    """The earlier upload is of another file."""


class InvalidSignature(ClientError):
    """The webhook was not signed with this secret, or was sent too long ago."""


CLASSES: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: InvalidKey,
    402: InsufficientBalance,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: InvalidRequest,
    429: TooManyRequests,
    503: Unavailable,
}


def api_error(status: int, body: bytes, retry_after: str | None) -> ApiError:
    """Return the error for an answer with any body."""
    try:
        fields = json.loads(body)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        fields = {}
    message = fields.get("errorMessage") or fields.get("message") or f"The server answered {status}."
    code = fields.get("errorCode")
    # a date or a fraction counts as nothing; more digits are no wait either, and Python refuses to read thousands
    wait_s = int(retry_after) if retry_after and re.fullmatch(r"\d{1,9}", retry_after, re.ASCII) else None
    return CLASSES.get(status, ApiError)(status, str(message), None if code is None else str(code), wait_s)
