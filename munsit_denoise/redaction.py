"""Removes secrets from log lines: keys, download secrets, and URLs except their host."""

import math
import re
from typing import Any

MAX_TEXT = 500  # characters of one value
MAX_FILE_NAME = 120
MAX_TRACEBACK = 16_000
LONGEST = {"file": MAX_FILE_NAME, "exception": MAX_TRACEBACK}
HIDDEN = "***"
CHECKED = frozenset({"request_id", "job", "method", "path", "query", "client"})  # whoever sets these has cleaned them

_URL = re.compile(r"([a-z][a-z0-9+.-]{0,20}://)([^\s'\"<>\\]*)", re.IGNORECASE)
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.IGNORECASE)
_TOKEN = re.compile(r"(mds_|whsec_|audo_enhanced_)[\w+/=-]+|[0-9a-f]{32,}", re.IGNORECASE)
_HEADER = re.compile(r"((?:x-api-key|authorization|cookie)\W{1,6}(?:b['\"])?)[^'\"\r\n]+", re.IGNORECASE)
_PARAMETERS = re.compile(r"\[parameters: .*", re.DOTALL)  # of a statement, in SQLAlchemy's errors
_PLAIN = re.compile(r"(?:[A-Za-z0-9]{0,31}[ .,/-])*[A-Za-z0-9]{0,31}\Z")  # contains none of the above
_DOWNLOAD = re.compile(r"(.*(?:denoising/[^/]*|dl/artifacts/clean)/)(.*)", re.DOTALL)
_SAFE_ENDING = re.compile(r"(?:_denoised|_original)?\.[a-z0-9]{1,8}\Z")


def clean(name: str, value: Any) -> Any:
    """Return a field's value for the log; everything but numbers and words becomes text."""
    if isinstance(value, str):
        return clean_text(str(value), LONGEST.get(name, MAX_TEXT))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else value if math.isfinite(value) else str(value)
    return clean_text(repr(value))


def clean_text(text: str, longest: int = MAX_TEXT) -> str:
    """Return a text without secrets, shortened to a length."""
    if text.isalnum() and len(text) < 32:  # most values
        return text
    if not _PLAIN.match(text):
        text = _URL.sub(lambda found: found[1] + _host(found[2]), text)
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
        text = _TOKEN.sub(lambda found: (found[1] or "") + HIDDEN, text)
        text = _PARAMETERS.sub(f"[parameters: {HIDDEN}]", text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def host_of(url: str) -> str:
    """Return the loggable part of a URL: scheme and host."""
    found = _URL.match(url)
    return found[1].lower() + _host(found[2]) if found else HIDDEN


def safe_path(path: str) -> str:
    """Return a request's path without the secret of a download path."""
    found = _DOWNLOAD.match(path)
    if found is not None:
        ending = _SAFE_ENDING.search(found[2])
        path = found[1] + HIDDEN + (ending[0] if ending else "")
    return clean_text(path)


def _host(rest: str) -> str:
    """Return the host after a scheme; nothing if it might be a password."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = _HOST.fullmatch(authority.rpartition("@")[2])
    if host is None or "@" in rest[len(authority) :]:
        return HIDDEN if rest else ""
    return host[0]
