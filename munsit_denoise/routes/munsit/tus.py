"""Resumable uploads with the tus protocol 1.0.0 (https://tus.io/protocols/resumable-upload)."""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.utils import formatdate
from functools import wraps

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from munsit_denoise.errors import DenoiseError, FileTooLarge, InvalidUpload, UploadNotFound
from munsit_denoise.jobs.partial import NEVER_US, Body, Standing
from munsit_denoise.records import PartialUpload
from munsit_denoise.records import Scope as KeyScope
from munsit_denoise.routes.auth import authenticate
from munsit_denoise.routes.bodies import body_of
from munsit_denoise.routes.munsit.errors import on_denoise_error, on_http_exception
from munsit_denoise.routes.munsit.tus_metadata import file_name_in, read_metadata
from munsit_denoise.routes.state import base_url, services_of
from munsit_denoise.routes.uploads import announced_bytes

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
BODY_TYPE = "application/offset+octet-stream"
NUMBER = re.compile(r"[0-9]{1,30}")
DEFERRED = "Upload-Defer-Length is not supported. Please send the size of the file as Upload-Length."

Endpoint = Callable[[Request], Awaitable[Response]]


async def describe(request: Request) -> Response:
    """OPTIONS: what this server supports; needs no key."""
    most_bytes = services_of(request).submission.limits.upload_bytes
    headers = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS}
    return Response(status_code=204, headers=headers | ({"Tus-Max-Size": str(most_bytes)} if most_bytes else {}))


async def create(request: Request) -> Response:
    """POST /uploads: start an upload, with or without its first bytes."""
    user_id = await _user(request)
    length_bytes, metadata = _length(request), request.headers.get("upload-metadata", "")
    name = file_name_in(read_metadata(metadata))
    brings_bytes = _brings_bytes(request)
    uploads = services_of(request).resumable
    if brings_bytes and (announced_bytes(request) or 0) > length_bytes:
        raise HTTPException(413, "The body is longer than Upload-Length.")
    upload = await uploads.create(user_id, name, length_bytes, metadata)
    standing = Standing(upload, 0)
    if brings_bytes:
        try:
            standing = await uploads.append(user_id, upload.id, _body(request, 0))
        except (DenoiseError, ClientDisconnect):  # the client was not told where to continue
            with suppress(UploadNotFound):  # an invalid file was removed already
                await uploads.terminate(user_id, upload.id)
            raise
    location = f"{base_url(request)}{request.scope['path'].rstrip('/')}/{upload.id}"
    return Response(status_code=201, headers={"Location": location, **_standing_headers(standing)})


async def tell(request: Request) -> Response:
    """HEAD /uploads/{upload_id}: the number of durable bytes."""
    user_id = await _user(request)
    standing = await services_of(request).resumable.standing(user_id, request.path_params["upload_id"])
    headers = _standing_headers(standing) | {"Upload-Length": str(standing.upload.length_bytes)}
    if standing.upload.upload_metadata:
        headers["Upload-Metadata"] = standing.upload.upload_metadata
    return Response(status_code=200, headers=headers)


async def append(request: Request) -> Response:
    """PATCH /uploads/{upload_id}: append bytes to an upload; the last ones complete it."""
    user_id = await _user(request)
    if not _has_body_type(request):
        raise HTTPException(415, f"The Content-Type must be {BODY_TYPE}.")
    body = _body(request, _number(request, "Upload-Offset"))
    standing = await services_of(request).resumable.append(user_id, request.path_params["upload_id"], body)
    return Response(status_code=204, headers=_standing_headers(standing))


async def terminate(request: Request) -> Response:
    """DELETE /uploads/{upload_id}: remove an upload."""
    user_id = await _user(request)
    await services_of(request).resumable.terminate(user_id, request.path_params["upload_id"])
    return Response(status_code=204)


async def _user(request: Request) -> str:
    """Return the user of a request. Raises InvalidKey, and 412 for another protocol version."""
    user_id = await authenticate(request)
    if request.headers.get("tus-resumable") != VERSION:
        sentence = f"The header Tus-Resumable must be {VERSION}, the protocol version of this server."
        raise HTTPException(412, sentence, headers={"Tus-Version": VERSION})
    return user_id


def _number(request: Request, name: str) -> int:
    """Return the number in a header. Raises InvalidUpload."""
    value = request.headers.get(name, "")
    if not NUMBER.fullmatch(value):
        raise InvalidUpload(f"{name} must be a number of bytes, 0 or more.")
    return int(value)


def _length(request: Request) -> int:
    """Return the announced length of an upload. Raises InvalidUpload, and 413 above the limit."""
    if "upload-defer-length" in request.headers:
        raise InvalidUpload(DEFERRED)
    length_bytes, limits = _number(request, "Upload-Length"), services_of(request).submission.limits
    if limits.upload_bytes and length_bytes > limits.upload_bytes:
        raise limits.too_large(length_bytes)
    return length_bytes


def _has_body_type(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == BODY_TYPE


def _brings_bytes(request: Request) -> bool:
    """Return whether a creation contains bytes of its upload. Raises 415 for another content type."""
    if _has_body_type(request):
        return True
    if announced_bytes(request) or "transfer-encoding" in request.headers:
        raise HTTPException(415, f"The Content-Type of the first bytes must be {BODY_TYPE}.")
    return False


def _body(request: Request, offset_bytes: int) -> Body:
    return Body(offset_bytes, announced_bytes(request), body_of(request))


def _standing_headers(standing: Standing) -> dict[str, str]:
    headers = {"Upload-Offset": str(standing.offset_bytes)}
    upload: PartialUpload = standing.upload
    if upload.expires_at_us < NEVER_US:
        headers["Upload-Expires"] = formatdate(upload.expires_at_us / 1e6, usegmt=True)
    return headers


COLLECTION: dict[str, Endpoint] = {"POST": create, "OPTIONS": describe}
UPLOAD: dict[str, Endpoint] = {"HEAD": tell, "PATCH": append, "DELETE": terminate, "OPTIONS": describe}


def _spoken(method: str, methods: dict[str, Endpoint]) -> Endpoint:
    """Return an endpoint for one method, or for the method in an X-HTTP-Method-Override header."""
    own = methods.get(method)

    async def answer(request: Request) -> Response:
        wanted = request.headers.get("x-http-method-override", method).upper()
        try:
            if wanted not in methods:
                await authenticate(request, KeyScope.READ)
                raise HTTPException(405, "Method Not Allowed", headers={"Allow": ", ".join(methods)})
            response = await methods[wanted](Request({**request.scope, "method": wanted}, request.receive))
        except FileTooLarge as error:
            response = await on_http_exception(request, HTTPException(413, error.message))
        except DenoiseError as error:
            response = await on_denoise_error(request, error)
        except HTTPException as error:
            response = await on_http_exception(request, error)
        except ClientDisconnect:
            response = Response(status_code=400)  # the client is gone
        response.headers["Tus-Resumable"] = VERSION
        if wanted == "HEAD":
            response.headers["Cache-Control"] = "no-store"
        return response

    return answer if own is None else wraps(own)(answer)


def _routes(path: str, methods: dict[str, Endpoint]) -> list[Route]:
    known = [Route(path, _spoken(method, methods), methods=[method]) for method in methods]
    return [*known, Route(path, _Others(methods), include_in_schema=False)]


class _Others:
    """Answers all other methods of an address, and POST with a header that names another method."""

    def __init__(self, methods: dict[str, Endpoint]) -> None:
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await (await _spoken(scope["method"], self._methods)(request))(scope, receive, send)


routes = [
    *_routes("/uploads", COLLECTION),
    *_routes("/uploads/{upload_id}", UPLOAD),
]
