"""Errors in Munsit's dialect: a status and a code for each class, and one body shape except for unknown jobs.

Sentences that Munsit's reference fixes are English, but for who asks with `Prefer: translation` as well; the others
follow `Accept-Language`.
"""

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from munsit_denoise import errors
from munsit_denoise.errors import DenoiseError, JobNotFound
from munsit_denoise.routes.allowed import headers_of_refusal
from munsit_denoise.routes.auth import key_first
from munsit_denoise.routes.language import in_language, wants_all
from munsit_denoise.routes.limits import headers_of

STATUS_AND_CODE: dict[type[DenoiseError], tuple[int, str]] = {
    errors.DenoiseError: (500, "50001"),
    errors.InvalidKey: (401, "40101"),
    errors.JobNotFound: (404, "40401"),
    errors.UploadNotFound: (404, "40402"),
    errors.NotFound: (404, "40403"),
    errors.AlreadyThere: (409, "40904"),
    errors.WrongScope: (403, "40301"),
    errors.Gone: (410, "41001"),
    errors.NotSubtractable: (409, "40902"),
    errors.InsufficientBalance: (402, "40201"),
    errors.WrongOffset: (409, "40903"),
    errors.UploadInUse: (423, "42301"),
    errors.UploadOverrun: (413, "41301"),
    errors.KeyReused: (422, "42201"),
    errors.KeyInUse: (409, "40901"),
    errors.InvalidPage: (400, "40001"),
    errors.InvalidUpload: (400, "40001"),
    errors.MissingFile: (400, "40001"),
    errors.FileTooLarge: (400, "40001"),
    errors.AudioTooLong: (400, "40001"),
    errors.ResultTooLarge: (400, "40001"),
    errors.NotMedia: (400, "40001"),
    errors.InvalidOption: (400, "40001"),
    errors.UploadTooSlow: (408, "40801"),
    errors.Unavailable: (503, "50301"),
    errors.QueueFull: (503, "50301"),
    errors.TooManyJobs: (429, "42901"),
    errors.TooManyRequests: (429, "42901"),
    errors.TooManyStreams: (429, "42901"),
    errors.TooManyUploads: (429, "42901"),
    errors.TooMuchWaiting: (429, "42901"),
    errors.DatabaseBusy: (503, "50301"),
    errors.OutcomeUnknown: (503, "50301"),
    errors.DatabaseBroken: (503, "50301"),
    errors.StorageFull: (503, "50301"),
    errors.StorageBroken: (503, "50301"),
    errors.OutOfResources: (503, "50301"),
    errors.ShuttingDown: (503, "50301"),
    errors.ProcessingFailed: (400, "40001"),
    errors.Interrupted: (503, "50301"),
}
FIXED_BY_REFERENCE = frozenset(
    {
        errors.InvalidKey,
        errors.JobNotFound,
        errors.InsufficientBalance,
        errors.InvalidPage,
        errors.MissingFile,
        errors.FileTooLarge,
        errors.AudioTooLong,
    }
)


async def on_denoise_error(request: Request, error: Exception) -> Response:
    """Answer with the error's status and sentence."""
    assert isinstance(error, DenoiseError)  # registered for this class only
    status, code = STATUS_AND_CODE[type(error)]
    message, headers = error.message, headers_of(error)
    if type(error) not in FIXED_BY_REFERENCE or wants_all(request):
        message, headers = in_language(request, message, headers)
    if isinstance(error, JobNotFound):
        return JSONResponse({"message": message}, status_code=status, headers=headers)
    return error_response(status, code, message, headers)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer refusals of the router in the dialect's shape."""
    assert isinstance(error, HTTPException)  # registered for this class only
    told = in_language(request, error.detail, headers_of_refusal(request, error))
    return error_response(error.status_code, f"{error.status_code}01", *told)


async def on_crash(request: Request, _: Exception) -> Response:
    """Answer when the server has a bug, in the dialect's shape and without details."""
    return error_response(500, "50001", *in_language(request, DenoiseError.message))


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the body that all errors but one have."""
    return JSONResponse({"errorCode": code, "errorMessage": message}, status_code=status, headers=headers)


handlers: dict[Any, Any] = {
    DenoiseError: on_denoise_error,
    HTTPException: on_http_exception,
    405: key_first(on_denoise_error, on_http_exception),
    500: on_crash,
}
