"""Headers of answers."""

from typing import Any


def _number(description: str, example: int) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}, "example": example}


def _text(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


HEADERS: dict[str, dict[str, Any]] = {
    "Retry-After": _number("Seconds after which the same request may succeed.", 10),
    "RateLimit-Policy": _text("The quota that was passed (IETF draft 11).", '"requests";q=60;w=60'),
    "RateLimit": _text("What is left of it, and when it is whole again.", '"requests";r=0;t=7'),
    "Link": _text("The pages before and after this one (RFC 8288).", '</api/v1/denoise?limit=9&offset=9>; rel="next"'),
    "ETag": _text("Tells this content from any other.", '"9f86d081884c7d659a2feaa0c55ad015"'),
    "Location": _text("Where what was made is.", "/api/v1/uploads/5b1f0f3e-6d0f-4a37-9d59-1c1c9a6e5a11"),
    "Idempotent-Replayed": _text("`true` where the answer is that of an earlier request with the same key.", "true"),
    "Content-Range": _text("Which bytes of how many these are.", "bytes 0-1023/320044"),
    "Tus-Resumable": _text("The version of the protocol.", "1.0.0"),
    "Tus-Version": _text("The versions of the protocol that are spoken here.", "1.0.0"),
    "Tus-Extension": _text(
        "The protocol's extensions that are spoken here.", "creation,creation-with-upload,termination,expiration"
    ),
    "Tus-Max-Size": _number("The largest upload, bytes.", 209_715_200),
    "Upload-Offset": _number("So many bytes are there to stay.", 1_048_576),
    "Upload-Length": _number("So many bytes there will be.", 10_485_760),
    "Upload-Expires": _text("When an upload goes that was not completed.", "Tue, 12 May 2026 10:14:02 GMT"),
    "Upload-Metadata": _text("What was told of the file.", "filename dGFsay53YXY="),
}
