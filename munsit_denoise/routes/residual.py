"""A residual as a WAV, complete or a range (RFC 9110, 14), computed while it is sent; by path or by job id."""

import re
from contextlib import suppress
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from munsit_denoise.errors import Gone, JobNotFound, NotSubtractable
from munsit_denoise.jobs.intake import first_of
from munsit_denoise.jobs.residual import Residual
from munsit_denoise.routes.etags import knows
from munsit_denoise.routes.files import HEADERS, not_found, not_modified, stem_of
from munsit_denoise.routes.state import services_of

SECRET = re.compile(r"[0-9a-f]{32}", re.ASCII)
ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.ASCII | re.IGNORECASE)
SEND_TIMEOUT_S = 60  # a client that accepts nothing for this long is dropped
OUT_OF_RANGE = 416


async def download(request: Request) -> Response:
    """Answer for a path next to those of recording and result; the secret in it replaces a key."""
    user_id, secret = request.path_params["user_id"], request.path_params["secret"]
    record = await services_of(request).history.by_secret(secret) if SECRET.fullmatch(secret) else None
    if record is None or record.user_id != user_id:
        return not_found()
    try:
        return await send_residual(request, user_id, record.id)
    except Gone:
        return PlainTextResponse("Gone", status_code=410)
    except (JobNotFound, NotSubtractable):
        return not_found()


async def send_residual(request: Request, user_id: str, job_id: str) -> Response:
    """Answer with original minus result. Raises JobNotFound before there is one, Gone, NotSubtractable."""
    found = await services_of(request).residuals.residual(user_id, job_id)
    wanted = _wanted(request, found)
    if wanted is None:
        headers = {"Content-Range": f"bytes */{found.size_bytes}", "Accept-Ranges": "bytes"}
        return Response(status_code=OUT_OF_RANGE, headers=headers)
    answer = _Wav(found, wanted)
    return not_modified(answer) if knows(request, found.tag) else answer


def _wanted(request: Request, found: Residual) -> range | None:
    """Return the requested bytes, all without a range; None if the range is outside the file."""
    whole = range(found.size_bytes)
    match = ONE_RANGE.fullmatch(request.headers.get("range", "").strip())
    condition = request.headers.get("if-range")
    if match is None or not any(match.groups()) or (condition is not None and condition != found.tag):
        return whole
    first, last = match.groups()
    if not first:
        size = min(int(last), found.size_bytes)
        return range(found.size_bytes - size, found.size_bytes) if size else None
    if last and int(last) < int(first):
        return whole  # not a range
    stop = min(int(last) + 1, found.size_bytes) if last else found.size_bytes
    return range(int(first), stop) if int(first) < found.size_bytes else None


class _Wav(Response):
    """Sends a range of a residual; when the client leaves, the programs that compute it end."""

    def __init__(self, found: Residual, wanted: range) -> None:
        is_part = len(wanted) < found.size_bytes
        name = quote(f"{stem_of(found.record)}_residual.wav")
        headers = {
            **HEADERS,
            "Content-Type": "audio/wav",
            "Content-Length": str(len(wanted)),
            "Accept-Ranges": "bytes",
            "ETag": found.tag,
            "Content-Disposition": f"inline; filename*=utf-8''{name}",
        }
        if is_part:
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{found.size_bytes}"
        super().__init__(status_code=206 if is_part else 200, headers=headers)
        self._found, self._wanted = found, wanted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send head and body; if the body cannot be completed, the connection is cut."""
        if scope["method"] == "HEAD":
            await self._begin(send)
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
                with suppress(TimeoutError):
                    await self._send_all(send)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def _send_all(self, send: Send) -> None:
        left = len(self._wanted)
        async with self._found.read(self._wanted.start) as blocks:
            await self._begin(send)
            async for block in blocks:
                part = block[:left]
                left -= len(part)
                with anyio.fail_after(SEND_TIMEOUT_S):
                    await send({"type": "http.response.body", "body": part, "more_body": left > 0})
                if left == 0:
                    return

    async def _begin(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Discard incoming messages, and cancel the scope when the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


routes = [Route("/denoising/{user_id}/{secret}_residual.wav", download, methods=["GET"], name="residual_file")]
