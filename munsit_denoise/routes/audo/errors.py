"""Errors in Audo's dialect: a status for each class, and a sentence in `detail`.

Audo's clients take a 400 for missing credit, so an invalid request is a 422. Audo's reference fixes no sentences, so
all follow `Accept-Language`.
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from munsit_denoise import errors
from munsit_denoise.errors import DenoiseError
from munsit_denoise.routes.allowed import headers_of_refusal
from munsit_denoise.routes.auth import key_first
from munsit_denoise.routes.language import in_language
from munsit_denoise.routes.limits import headers_of

STATUS: dict[type[DenoiseError], int] = {
    errors.DenoiseError: 500,
    errors.InvalidKey: 401,
    errors.JobNotFound: 404,
    errors.UploadNotFound: 404,
    errors.NotFound: 404,
    errors.AlreadyThere: 409,
    errors.WrongScope: 403,
    errors.Gone: 410,
    errors.NotSubtractable: 409,
    errors.InsufficientBalance: 400,  # in this dialect: no credit
    errors.WrongOffset: 409,
    errors.UploadInUse: 423,
    errors.UploadOverrun: 413,
    errors.KeyReused: 422,
    errors.KeyInUse: 409,
    errors.InvalidPage: 422,
    errors.InvalidUpload: 422,
    errors.MissingFile: 422,
    errors.FileTooLarge: 413,
    errors.AudioTooLong: 422,
    errors.ResultTooLarge: 422,
    errors.NotMedia: 422,
    errors.InvalidOption: 422,
    errors.UploadTooSlow: 408,
    errors.Unavailable: 503,
    errors.QueueFull: 503,
    errors.TooManyJobs: 429,
    errors.TooManyRequests: 429,
    errors.TooManyStreams: 429,
    errors.TooManyUploads: 429,
    errors.TooMuchWaiting: 429,
    errors.DatabaseBusy: 503,
    errors.OutcomeUnknown: 503,
    errors.DatabaseBroken: 503,
    errors.StorageFull: 503,
    errors.StorageBroken: 503,
    errors.OutOfResources: 503,
    errors.ShuttingDown: 503,
    errors.ProcessingFailed: 422,
    errors.Interrupted: 503,
}
MISSING_FILE = "file is required and must be a file"  # the field has another name than in the other dialect


def error_response(connection: HTTPConnection, error: DenoiseError) -> Response:
    """Return an error's status and sentence."""
    detail = MISSING_FILE if isinstance(error, errors.MissingFile) else error.message
    sentence, headers = in_language(connection, detail, headers_of(error))
    return JSONResponse({"detail": sentence}, status_code=STATUS[type(error)], headers=headers)


async def on_denoise_error(request: Request, error: Exception) -> Response:
    """Answer with the error's status and sentence."""
    assert isinstance(error, DenoiseError)  # registered for this class only
    return error_response(request, error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer refusals of the router in the dialect's shape."""
    assert isinstance(error, HTTPException)  # registered for this class only
    sentence, headers = in_language(request, error.detail, headers_of_refusal(request, error))
    return JSONResponse({"detail": sentence}, status_code=error.status_code, headers=headers)


async def on_crash(request: Request, _: Exception) -> Response:
    """Answer when the server has a bug, in the dialect's shape and without details."""
    sentence, headers = in_language(request, DenoiseError.message)
    return JSONResponse({"detail": sentence}, status_code=500, headers=headers)


handlers: dict[Any, Any] = {
    DenoiseError: on_denoise_error,
    HTTPException: on_http_exception,
    405: key_first(on_denoise_error, on_http_exception),
    500: on_crash,
}
