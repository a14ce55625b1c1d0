"""What is said of the routes that belong to no dialect, by method and path."""

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
NOT_FOUND = Answer("There is nothing here.", (Content({"type": "string"}, "Not Found", TEXT),), 404)
RANGE = header("Range", {"type": "string"}, "Which bytes are wanted.", "bytes=0-1023")
BROKEN = (errors.DatabaseBusy, errors.StorageBroken)


class Alive(Model):
    """The process runs."""

    status: Literal["ok"]


class Ready(Model):
    """Work is taken in and done."""

    status: Literal["ready"]


class NotReady(Model):
    """Not now; `down` names what does not work."""

    status: Literal["loading", "unavailable"]
    down: list[str] | None = Field(None, description="Parts that do not work")


DOWNLOAD = Operation(
    "Download a recording or a result",
    "files",
    (
        Answer("The file.", (BINARY,), headers=("ETag",)),
        Answer("A part of it.", (BINARY,), 206, ("Content-Range", "ETag")),
        Answer("The object store has it, where DENOISE_DOWNLOADS=presigned sends clients.", (), 307, ("Location",)),
        Answer("The range makes no sense.", (WORDS,), 400),
        NOT_FOUND,
        Answer("The file is not kept any more.", (Content({"type": "string"}, "Gone", TEXT),), 410),
        Answer("There are no such bytes.", (WORDS,), 416),
    ),
    errors=BROKEN,
    parameters=(RANGE,),
    description="Whoever knows the path may have it: the secret stands in it.",
    needs_key=False,
)


def _page(summary: str, media_type: str) -> Operation:
    answer = Answer("It.", (Content({"type": "string"}, None, media_type),))
    return Operation(summary, "server", (answer,), errors=(), needs_key=False)


OPERATIONS: dict[str, Operation] = {
    "GET /denoising/{user_id}/{secret}_residual.wav": DOWNLOAD,
    "GET /denoising/{user_id}/{name}": DOWNLOAD,
    "GET /v1dl/artifacts/clean/{name}": DOWNLOAD,
    "GET /healthz": Operation(
        "See whether the server runs",
        "server",
        (Answer("It does.", (Content(Alive, {"status": "ok"}),)),),
        errors=(),
        needs_key=False,
    ),
    "GET /readyz": Operation(
        "See whether the server works",
        "server",
        (
            Answer("It does.", (Content(Ready, {"status": "ready"}),)),
            Answer("It does not.", (Content(NotReady, {"status": "unavailable", "down": ["runner"]}),), 503),
        ),
        errors=(),
        needs_key=False,
    ),
    "GET /metrics": Operation(
        "Read what is measured",
        "server",
        (
            Answer("For Prometheus.", (Content({"type": "string"}, "denoise_queue_jobs 2.0", TEXT),)),
            Answer("Not for this address.", (Content({"type": "string"}, "Not Found", TEXT),), 404),
        ),
        errors=(),
        needs_key=False,
    ),
    "GET /openapi.json": Operation(
        "Get this description",
        "server",
        (Answer("OpenAPI 3.1.", (Content({"type": "object"}),)),),
        errors=(),
        needs_key=False,
    ),
    "GET /docs": _page("Read this description", "text/html"),
    "GET /docs/style.css": _page("Get the style of that page", "text/css"),
}


async def _on_error(_: Request, __: Exception) -> Response:
    return PlainTextResponse("Service Unavailable", status_code=503, headers={"Retry-After": "5"})


async def _on_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # called for nothing else
    return PlainTextResponse(error.detail, status_code=error.status_code)


PLAIN = Dialect("Plain", "", OPERATIONS, _on_error, _on_refusal)
