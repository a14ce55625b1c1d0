"""Descriptions of answer headers."""

from typing import Any


def _number(description: str, example: int) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}, "example": example}


def _text(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


HEADERS: dict[str, dict[str, Any]] = {
    "Retry-After": _number("Seconds after which the same request may succeed.", 10),
    "RateLimit-Policy": _text("The limit that was exceeded (IETF draft 11).", '"requests";q=60;w=60'),
    "RateLimit": _text("What is left of the limit, and when it is reset.", '"requests";r=0;t=7'),
    "Link": _text("The pages before and after this one (RFC 8288).", '</api/v1/denoise?limit=9&offset=9>; rel="next"'),
    "ETag": _text("Identifies this content.", '"9f86d081884c7d659a2feaa0c55ad015"'),
    "Location": _text("URL of what was created.", "/api/v1/uploads/5b1f0f3e-6d0f-4a37-9d59-1c1c9a6e5a11"),
    "Idempotent-Replayed": _text("`true` if the answer is that of an earlier request with the same key.", "true"),
    "Content-Range": _text("The bytes in this answer, and the size of the file.", "bytes 0-1023/320044"),
    "Tus-Resumable": _text("The version of the protocol.", "1.0.0"),
    "Tus-Version": _text("The supported protocol versions.", "1.0.0"),
    "Tus-Extension": _text(
        "The supported extensions of the protocol.", "creation,creation-with-upload,termination,expiration"
    ),
    "Tus-Max-Size": _number("The largest upload, bytes.", 209_715_200),
    "Upload-Offset": _number("Number of bytes received and stored.", 1_048_576),
    "Upload-Length": _number("Size of the whole file, bytes.", 10_485_760),
    "Upload-Expires": _text("When the upload is deleted unless it is completed.", "Tue, 12 May 2026 10:14:02 GMT"),
    "Upload-Metadata": _text("The metadata given at creation.", "filename dGFsay53YXY="),
}
