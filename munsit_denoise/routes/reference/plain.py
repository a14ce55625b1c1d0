"""Descriptions of the routes outside the dialects, by method and path."""

from dataclasses import replace
from typing import Literal

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from munsit_denoise import errors
from munsit_denoise.routes.reference.operation import (
    TEXT,
    Answer,
    Content,
    Dialect,
    Model,
    Operation,
    header,
)

BINARY = Content({"type": "string", "format": "binary"}, None, "*/*")
WORDS = Content({"type": "string"}, None, TEXT)
NOT_FOUND = Answer("Not found.", (Content({"type": "string"}, "Not Found", TEXT),), 404)
RANGE = header("Range", {"type": "string"}, "The bytes to return.", "bytes=0-1023")
BROKEN = (errors.DatabaseBusy, errors.StorageBroken)


class Alive(Model):
    """The process is running."""

    status: Literal["ok"]


class Ready(Model):
    """The server accepts and runs jobs."""

    status: Literal["ready"]


class NotReady(Model):
    """The server cannot work now; `down` names the parts that are down."""

    status: Literal["loading", "unavailable"]
    down: list[str] | None = Field(None, description="Parts that are down")


DOWNLOAD = Operation(
    "Download a recording or a result",
    "files",
    (
        Answer("The file.", (BINARY,), headers=("ETag",)),
        Answer("A part of it.", (BINARY,), 206, ("Content-Range", "ETag")),
        Answer("Redirect to the object store, with DENOISE_DOWNLOADS=presigned.", (), 307, ("Location",)),
        Answer("The range is malformed.", (WORDS,), 400),
        NOT_FOUND,
        Answer("The file was deleted.", (Content({"type": "string"}, "Gone", TEXT),), 410),
        Answer("The file has no such bytes.", (WORDS,), 416),
    ),
    errors=BROKEN,
    parameters=(RANGE,),
    description="The path contains a secret.",
    needs_key=False,
)


def _page(summary: str, media_type: str) -> Operation:
    answer = Answer("The content.", (Content({"type": "string"}, None, media_type),))
    return Operation(summary, "server", (answer,), errors=(), needs_key=False)


OPERATIONS: dict[str, Operation] = {
    "GET /denoising/{user_id}/{secret}_residual.wav": DOWNLOAD,
    "GET /denoising/{user_id}/{name}": DOWNLOAD,
    "GET /v1dl/artifacts/clean/{name}": replace(
        DOWNLOAD,
        description="For an old Audo client that joins base URL and path without a slash. The path contains a secret.",
    ),
    "GET /healthz": Operation(
        "Liveness",
        "server",
        (Answer("The process is running.", (Content(Alive, {"status": "ok"}),)),),
        errors=(),
        needs_key=False,
    ),
    "GET /readyz": Operation(
        "Readiness",
        "server",
        (
            Answer("The server accepts and runs jobs.", (Content(Ready, {"status": "ready"}),)),
            Answer("Not now.", (Content(NotReady, {"status": "unavailable", "down": ["runner"]}),), 503),
        ),
        errors=(),
        needs_key=False,
    ),
    "GET /metrics": Operation(
        "Get the metrics",
        "server",
        (
            Answer("In Prometheus's text format.", (Content({"type": "string"}, "denoise_queue_jobs 2.0", TEXT),)),
            Answer("This address may not read them.", (Content({"type": "string"}, "Not Found", TEXT),), 404),
        ),
        errors=(),
        needs_key=False,
    ),
    "GET /openapi.json": Operation(
        "Get the OpenAPI document",
        "server",
        (Answer("OpenAPI 3.1.", (Content({"type": "object"}),)),),
        errors=(),
        needs_key=False,
    ),
    "GET /docs": _page("Read the reference", "text/html"),
    "GET /docs/style.css": _page("Get the style sheet of the reference", "text/css"),
}


async def _on_error(_: Request, __: Exception) -> Response:
    return PlainTextResponse("Service Unavailable", status_code=503, headers={"Retry-After": "5"})


async def _on_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # called for nothing else
    return PlainTextResponse(error.detail, status_code=error.status_code)


PLAIN = Dialect("Plain", "", OPERATIONS, _on_error, _on_refusal)
