"""Audo's endpoints."""

import re
from pathlib import Path
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from munsit_denoise.errors import InvalidOption
from munsit_denoise.jobs.intake import Received
from munsit_denoise.media.formats import result_extension
from munsit_denoise.names import extension_of
from munsit_denoise.records import DenoiseRecord, Options, Origin
from munsit_denoise.remote.transfer import check_url
from munsit_denoise.routes.audo.errors import handlers
from munsit_denoise.routes.audo.socket import status_socket
from munsit_denoise.routes.audo.wire import AUTHORISED, DELETED_BODY, is_url, read_job, state_json
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.bodies import small_body
from munsit_denoise.routes.files import not_found, send_file, stem_of
from munsit_denoise.routes.language import wording_of
from munsit_denoise.routes.state import services_of
from munsit_denoise.routes.uploads import expected_bytes, receive_file

FIELDS = ("file", "audio")
RESULT = re.compile(r"audo_enhanced_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([a-z0-9]{1,8})", re.ASCII)
MAX_BODY_BYTES = 64 * 1024


async def upload(request: Request) -> Response:
    """POST /upload: take a file in for a later job."""
    user_id = await authenticate(request)
    services = services_of(request)
    extension = _input_extension(request)

    async def receive(path: Path) -> Received:
        received = await receive_file(request, path, FIELDS, services.submission.limits)
        if extension and not extension_of(received.file_name):
            return Received(f"{received.file_name}.{extension}", received.size_bytes)
        return received

    try:
        async with services.admission.upload(user_id, expected_bytes(request, services.submission.limits)):
            accepted = await services.submission.upload(user_id, receive)
    except ClientDisconnect:
        return Response(status_code=400)  # the client is gone
    return JSONResponse({"fileId": accepted.id})


async def submit(request: Request) -> Response:
    """POST /remove-noise: a file in a form, or JSON that names an upload or a URL."""
    user_id = await authenticate(request)
    kind = request.headers.get("content-type", "").lower()
    form = kind.startswith("multipart/form-data") and "boundary" in kind  # otherwise JSON, whatever the header says
    try:
        record = await (_submit_form if form else _submit_json)(request, user_id)
    except ClientDisconnect:
        return Response(status_code=400)  # the client is gone
    return JSONResponse({"jobId": record.id})


async def _submit_form(request: Request, user_id: str) -> DenoiseRecord:
    services = services_of(request)
    wanted = request.query_params.get("outputExt")
    options = Options(extension=result_extension(wanted, "") if wanted else None)  # refuses before the body is read

    async def receive(path: Path) -> Received:
        return await receive_file(request, path, FIELDS, services.submission.limits)

    with services.admission.job(user_id, expected_bytes(request, services.submission.limits)):
        return await services.submission.submit(user_id, Origin.AUDO_FORM, options, receive)


async def _submit_json(request: Request, user_id: str) -> DenoiseRecord:
    services = services_of(request)
    with services.admission.job(user_id):
        source, options = read_job(await small_body(request, MAX_BODY_BYTES))
        if is_url(source):
            return await services.submission.submit_url(user_id, check_url(source), options)
        return await services.submission.submit_upload(user_id, source, options)


def _input_extension(request: Request) -> str:
    """Return the extension that the client gives for its file, or an empty string. Raises InvalidOption."""
    extension = request.query_params.get("inputExt", "").removeprefix(".")
    if extension and not re.fullmatch(r"[A-Za-z0-9]{1,16}", extension, re.ASCII):
        raise InvalidOption("inputExt must be the extension of the file, such as wav.")
    return extension


async def status(request: Request) -> Response:
    """GET /remove-noise/{job_id}/status: the current state of a job."""
    user_id = await authenticate(request)
    record, event = await services_of(request).history.state(user_id, request.path_params["job_id"])
    words = wording_of(request)
    return JSONResponse(state_json(record, event, words), headers=words.headers)


async def delete_results(request: Request) -> Response:
    """POST /remove-noise/{job_id}/delete-results: delete a job's files at once."""
    user_id = await authenticate(request)
    await services_of(request).deletion.delete_files(user_id, request.path_params["job_id"])
    return JSONResponse(DELETED_BODY)


async def test_key(request: Request) -> Response:
    """GET /apiKey/test: confirm that the key is valid."""
    await authenticate(request)
    return JSONResponse(AUTHORISED)


async def download(request: Request) -> Response:
    """GET /dl/artifacts/clean/...: a result, for anyone who knows its path."""
    match = RESULT.fullmatch(request.path_params["name"])
    record = await services_of(request).history.by_secret(UUID(match[1]).hex) if match else None
    if match is None or record is None:
        return not_found()
    return await send_file(request, record, record.result_key, stem_of(record), (match[2], record.options.extension))


def create_audo() -> Starlette:
    """Return the dialect as an app to mount."""
    routes = [
        Route("/upload", upload, methods=["POST"]),
        Route("/remove-noise", submit, methods=["POST"]),
        Route("/remove-noise/{job_id}/status", status, methods=["GET"]),
        Route("/remove-noise/{job_id}/delete-results", delete_results, methods=["POST"]),
        Route("/apiKey/test", test_key, methods=["GET"]),
        Route("/dl/artifacts/clean/{name}", download, methods=["GET"]),
        WebSocketRoute("/remove-noise/{job_id}/ws", status_socket),
        WebSocketRoute("/wss/remove-noise/{job_id}/status", status_socket),
    ]
    return Starlette(routes=routes, exception_handlers=handlers)


# The oldest client appends a path without a leading slash to the base URL /v1.
glued_routes = [Route("/v1dl/artifacts/clean/{name}", download, methods=["GET"])]
