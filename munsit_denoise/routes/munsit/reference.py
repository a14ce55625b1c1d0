"""Descriptions of the routes of Munsit's dialect and of its additions, by method and path."""

from munsit_denoise import errors
from munsit_denoise.errors import JobNotFound
from munsit_denoise.routes.munsit import examples
from munsit_denoise.routes.munsit.errors import STATUS_AND_CODE, on_denoise_error, on_http_exception
from munsit_denoise.routes.munsit.models import (
    Accepted,
    Delivery,
    DenoiseRecord,
    FormSubmission,
    JobNotFoundBody,
    MunsitError,
    Report,
    ServerSentEvent,
    UploadSubmission,
    UrlSubmission,
    Usage,
    WebhookMessage,
)
from munsit_denoise.routes.munsit.reference_admin import ADMIN
from munsit_denoise.routes.munsit.reference_uploads import UPLOADS
from munsit_denoise.routes.reference.operation import (
    COUNT,
    KEYED,
    SUBMITTING,
    Answer,
    Content,
    Dialect,
    Operation,
    Parameter,
    header,
    query,
)

PAGE = (
    query("offset", COUNT, "Number of entries to skip; past the end the list is empty.", 0),
    query("limit", COUNT | {"minimum": 1}, "Largest number of entries; all if absent.", 20),
)
KNOWN = header("If-None-Match", {"type": "string"}, "The `ETag` of an earlier answer with this page.")
IDEMPOTENCY = header(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "Within 24 hours, the same key gives the same answer and no second job.",
    "5b1f0f3e-6d0f-4a37-9d59-1c1c9a6e5a11",
)
RANGE = header("Range", {"type": "string"}, "The bytes to return.", "bytes=0-1023")
BINARY = {"type": "string", "format": "binary"}
PNG, WAV, OCTETS = "image/png", "audio/wav", "application/octet-stream"
JOB_ERRORS = (*KEYED, JobNotFound)
FILE_ERRORS = (*JOB_ERRORS, errors.Gone, errors.StorageBroken)
RECORD = Content(DenoiseRecord, examples.RECORD)


def _signed(name: str, description: str, example: str) -> Parameter:
    return header(f"webhook-{name}", {"type": "string"}, description, example, required=True)


OPERATIONS: dict[str, Operation] = {
    "POST /denoise": Operation(
        "Submit a recording",
        "jobs",
        (
            Answer(
                "The original is stored, and the record is in the list.",
                (Content(Accepted, examples.ACCEPTED),),
                headers=("Idempotent-Replayed",),
            ),
        ),
        errors=(*KEYED, *SUBMITTING, errors.UploadNotFound, errors.KeyReused, errors.KeyInUse),
        parameters=(IDEMPOTENCY,),
        contents=(
            Content(FormSubmission, examples.FORM, "multipart/form-data"),
            Content(UrlSubmission | UploadSubmission, examples.SUBMISSION),
        ),
        description="A form with a file, or with `url` in its place; or JSON with `url` or `upload_id`. Unknown fields "
        "are ignored, empty ones count as absent. The extension decides whether it is a video.",
    ),
    "GET /denoise": Operation(
        "List the jobs",
        "jobs",
        (
            Answer("Newest first.", (Content(list[DenoiseRecord], [examples.RECORD]),), headers=("Link", "ETag")),
            Answer("The client has this page already.", status=304, headers=("ETag",)),
        ),
        errors=(*KEYED, errors.InvalidPage),
        parameters=(
            *PAGE,
            query("status", {"enum": ["pending", "success", "failed"]}, "Only jobs with this status.", "success"),
            query("q", {"type": "string", "maxLength": 1000}, "Part of the file name, in any case.", "interview"),
            KNOWN,
        ),
    ),
    "GET /denoise/{denoise_id}/progress": Operation(
        "Follow a job",
        "jobs",
        (
            Answer(
                "Events until the end of the job.",
                (Content(str | ServerSentEvent, examples.EVENTS, "text/event-stream"),),
            ),
        ),
        errors=(*JOB_ERRORS, errors.TooManyStreams),
        description="Server-Sent Events, each one line `data: {json}`: `processing` with `pct` and `message`, and at "
        "the end one `done` with `url` and `denoiseId`, or one `error` with `message`. Comments keep the connection "
        "alive.",
    ),
    "GET /denoise/{denoise_id}": Operation("Get a record", "records", (Answer("The record.", (RECORD,)),), JOB_ERRORS),
    "DELETE /denoise/{denoise_id}": Operation(
        "Delete a job",
        "records",
        (Answer("The record and its files are deleted.", status=204),),
        (*JOB_ERRORS, errors.StorageBroken),
        description="A job that has not ended stops within two seconds.",
    ),
    "POST /denoise/{denoise_id}/cancel": Operation(
        "Cancel a job",
        "records",
        (Answer("The record; a job that had ended is unchanged.", (RECORD,)),),
        JOB_ERRORS,
    ),
    "GET /denoise/{denoise_id}/report": Operation(
        "Get the report",
        "records",
        (Answer("Before and after.", (Content(Report, examples.REPORT),)),),
        (*JOB_ERRORS, errors.Gone),
        description="404 until the job is `success`. Values that cannot be measured are null.",
    ),
    "GET /denoise/{denoise_id}/residual": Operation(
        "Download what was removed",
        "records",
        (
            Answer("Original minus result, float32.", (Content(BINARY, None, WAV),), headers=("ETag",)),
            Answer("A part of it.", (Content(BINARY, None, WAV),), 206, ("Content-Range", "ETag")),
            Answer("The file has no such bytes.", status=416, headers=("Content-Range",)),
        ),
        (*FILE_ERRORS, errors.NotSubtractable, errors.TooManyRequests, errors.OutOfResources, errors.ProcessingFailed),
        parameters=(RANGE,),
    ),
    "GET /denoise/{denoise_id}/tiles": Operation(
        "List the tiles of original and result",
        "records",
        (Answer("The levels and tiles that exist.", (Content({"type": "object"}),)),),
        FILE_ERRORS,
    ),
    "GET /denoise/{denoise_id}/tiles/{sound}/peaks/{level}": Operation(
        "Get the waveform peaks of a level",
        "records",
        (Answer("Pairs of signed bytes: lowest and highest.", (Content(BINARY, None, OCTETS),)),),
        FILE_ERRORS,
    ),
    "GET /denoise/{denoise_id}/tiles/{sound}/spectrogram/{level}/{number}.png": Operation(
        "Get a tile of a spectrogram",
        "records",
        (Answer("A grey image.", (Content(BINARY, None, PNG),)),),
        FILE_ERRORS,
    ),
    "GET /usage": Operation(
        "Get the usage", "usage", (Answer("The usage of the key's user.", (Content(Usage, examples.USAGE),)),)
    ),
    "GET /webhooks/deliveries": Operation(
        "List the deliveries",
        "webhooks",
        (Answer("Newest first.", (Content(list[Delivery], [examples.DELIVERY]),)),),
        errors=(*KEYED, errors.InvalidPage),
        parameters=PAGE,
    ),
    "POST /webhooks/deliveries/{delivery_id}/retry": Operation(
        "Retry a delivery",
        "webhooks",
        (Answer("It is tried again now.", (Content(Delivery, examples.DELIVERY),), 202),),
        errors=(*KEYED, errors.NotFound),
    ),
    "WEBHOOK job-ended": Operation(
        "A job has ended",
        "webhooks",
        (
            Answer("Received.", status=200),
            Answer("The receiver wants no more webhooks at this URL.", status=410),
        ),
        parameters=(
            _signed("id", "The same for every attempt.", "msg_5b1f0f3e6d0f4a379d591c1c9a6e5a11"),
            _signed("timestamp", "Seconds since 1970.", "1778580842"),
            _signed("signature", "Standard Webhooks 1.0.", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
        ),
        contents=(
            Content(
                WebhookMessage,
                {"type": "denoise.success", "timestamp": "2026-05-12T10:14:05.321Z", "data": examples.RECORD},
            ),
        ),
        description="POSTed to the `webhook_url` of a submission. 2xx within 10 seconds is success; else up to 10 "
        "attempts over a day.",
    ),
    **UPLOADS,
    **ADMIN,
}
MUNSIT = Dialect(
    "Munsit",
    "/api/v1",
    OPERATIONS,
    on_denoise_error,
    on_http_exception,
    (MunsitError, JobNotFoundBody),
    {kind: status for kind, (status, _) in STATUS_AND_CODE.items()},
)
