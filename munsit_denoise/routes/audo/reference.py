"""Descriptions of the routes of Audo's dialect, by method and path."""

from munsit_denoise import errors
from munsit_denoise.errors import JobNotFound
from munsit_denoise.routes.audo.errors import STATUS, on_denoise_error, on_http_exception
from munsit_denoise.routes.audo.models import (
    AudoError,
    AudoFailed,
    AudoFile,
    AudoForm,
    AudoJob,
    AudoJobRequest,
    AudoSuccess,
    Downloading,
    InProgress,
    Queued,
    Succeeded,
)
from munsit_denoise.routes.audo.wire import AUTHORISED, DELETED_BODY
from munsit_denoise.routes.reference.operation import (
    KEYED,
    SUBMITTING,
    TAKING_IN,
    Answer,
    Content,
    Dialect,
    Operation,
    header,
    query,
)

JOB = "6f1c2d3e-8a4b-4c5d-9e6f-7a8b9c0d1e2f"
STATE = Downloading | Queued | InProgress | Succeeded | AudoFailed
EXTENSION = {"type": "string", "pattern": r"^(\.?[A-Za-z0-9]{1,16})?$"}  # an empty one counts as absent
FORM = Content(AudoForm, {"file": "the bytes of interview.mp3"}, "multipart/form-data")
BINARY = Content({"type": "string", "format": "binary"}, None, "*/*")
PLAIN_NOT_FOUND = Content({"type": "string"}, "Not Found", "text/plain")
STATES = "One JSON message for each state; after the last one the server closes the socket."
SOCKET = Operation(
    "Follow a job over a WebSocket",
    "audo",
    (Answer("The states of the job.", (Content(STATE, {"state": "queued", "jobsAhead": 0}),), 101),),
    errors=(*KEYED, JobNotFound, errors.TooManyStreams),
    description=STATES,
)

OPERATIONS: dict[str, Operation] = {
    "POST /upload": Operation(
        "Upload a file for a later job",
        "audo",
        (Answer("The file's id, the `input` of a job.", (Content(AudoFile, {"fileId": JOB}),)),),
        errors=(
            *KEYED,
            *TAKING_IN,
            errors.InvalidUpload,
            errors.MissingFile,
            errors.FileTooLarge,
            errors.AudioTooLong,
            errors.NotMedia,
            errors.InvalidOption,
            errors.TooManyUploads,
        ),
        refusals=((400, "The request was cut off."),),
        parameters=(query("inputExt", EXTENSION, "Extension of the file, if its name has none.", "wav"),),
        contents=(FORM,),
    ),
    "POST /remove-noise": Operation(
        "Submit a recording",
        "audo",
        (Answer("The job's id.", (Content(AudoJob, {"jobId": JOB}),)),),
        errors=(*KEYED, *SUBMITTING, errors.UploadNotFound),
        parameters=(query("outputExt", EXTENSION, "Extension of the result, for a form.", "mp3"),),
        contents=(
            FORM,
            Content(AudoJobRequest, {"input": JOB, "outputExtension": "flac", "noiseReductionAmount": 90}),
        ),
        description="A form with the file, or JSON that names an upload or a URL, whatever its Content-Type. 400 says "
        "that the balance does not cover the job.",
    ),
    "GET /remove-noise/{job_id}/status": Operation(
        "Get the state of a job",
        "audo",
        (Answer("The present state.", (Content(STATE, {"state": "in_progress", "percent": 48}),)),),
        errors=(*KEYED, JobNotFound),
    ),
    "POST /remove-noise/{job_id}/delete-results": Operation(
        "Delete a job's files",
        "audo",
        (Answer("Deleted.", (Content(AudoSuccess, DELETED_BODY),)),),
        errors=(*KEYED, JobNotFound, errors.StorageBroken),
    ),
    "GET /apiKey/test": Operation(
        "Check a key", "audo", (Answer("The key is valid.", (Content(AudoSuccess, AUTHORISED),)),)
    ),
    "GET /dl/artifacts/clean/{name}": Operation(
        "Download a result",
        "audo",
        (
            Answer("The file.", (BINARY,), headers=("ETag",)),
            Answer("A part of it.", (BINARY,), 206, ("Content-Range", "ETag")),
            Answer("The range is malformed.", (Content({"type": "string"}, None, "text/plain"),), 400),
            Answer("There is no such file.", (PLAIN_NOT_FOUND,), 404),
            Answer("The file was deleted.", (Content({"type": "string"}, "Gone", "text/plain"),), 410),
            Answer("The file has no such bytes.", (Content({"type": "string"}, None, "text/plain"),), 416),
        ),
        errors=(errors.DatabaseBusy, errors.StorageBroken, errors.DenoiseError),
        parameters=(header("Range", {"type": "string"}, "The bytes to return.", "bytes=0-1023"),),
        needs_key=False,
    ),
    "GET /remove-noise/{job_id}/ws": SOCKET,
    "GET /wss/remove-noise/{job_id}/status": SOCKET,
}
AUDO = Dialect("Audo", "/v1", OPERATIONS, on_denoise_error, on_http_exception, (AudoError,), STATUS)
